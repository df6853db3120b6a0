"""Chosen: a search in which the API filters the items that a request uses, with the same result as without filtering.

The first search asks for all items without their assets, which make up most of the bytes; the second asks for complete
items, with the filter. The first determines which processing of an acquisition is the newest, since the filter may hide
it, and whether the second has all chosen items, since APIs differ in how they compare values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from arpent.adapters.catalogs.api.pages import key_of
from arpent.adapters.catalogs.deduplicate import newest
from arpent.adapters.catalogs.harmonization import Document, properties
from arpent.adapters.catalogs.item import belongs, read_item, read_items
from arpent.adapters.catalogs.level import is_of_level, variant_of
from arpent.adapters.catalogs.origin import own_address
from arpent.domain.boundary.unforeseen import panics_as_errors
from arpent.domain.imagery.collection import Collection
from arpent.domain.imagery.item import Item
from arpent.domain.imagery.item_choice import is_clear, refusing_field
from arpent.network.access import SourceAccess

BARE: Mapping[str, object] = {"fields": {"exclude": ["assets", "links"]}}
"""Search parameters that leave out assets and links."""

Search = Callable[[Mapping[str, object]], Iterable[Document]]
"""Function: additional search parameters → the documents found, each once."""


class Unfaithful(Exception):
    """The API filters out items that were chosen, leaves out more of an item than its assets and links, or returns
    items that cannot be told apart without their assets."""


class FieldsIgnored(Exception):
    """The API returns assets although it was asked to leave them out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenSearch:
    """One search of an API for a collection of which only chosen items are used."""

    search: Search
    collection: Collection
    source: str
    """The address for items that have no `self` link."""
    access: SourceAccess
    counts: Callable[[Item], bool]
    """Function that says whether an item belongs to the search."""

    def bare(self) -> dict[object, Item]:
        """The items that belong to the search, without assets, by `key_of` of their documents. Raises FieldsIgnored,
        Unfaithful if they cannot be told apart, and the errors of `search`."""
        documents = {key_of(document): document for document in self.search(BARE)}
        if any(map(_assets_of, documents.values())):
            raise FieldsIgnored
        found = {key: item for key, item in self._without_assets(documents) if self.counts(item)}
        if len({item.id for item in found.values()}) < len(found) or any(
            item.likely is not None for item in found.values()
        ):
            raise Unfaithful  # assets are needed to join the parts of an item, or to decide between two footprints
        return found

    def narrowed(self, bare: Mapping[object, Item], narrowing: Mapping[str, object]) -> tuple[Item, ...]:
        """The newest of the items `bare`, complete except for those that the collection's choice rejects. `narrowing`:
        search parameters that filter out rejected items. Raises Unfaithful if they filter out others too, and the
        errors of `search`."""
        if bare and not any(_tells(item, self.collection) for item in bare.values()):
            raise Unfaithful  # the properties that the choice depends on may have been left out too
        kept = {item.id for item in newest(bare.values()) if _is_chosen(item, self.collection)}
        if not kept:
            return newest(bare.values())
        whole = {key_of(document): document for document in self.search(narrowing)}
        if any(item.id in kept and not _assets_of(whole.get(key)) for key, item in bare.items()):
            raise Unfaithful  # or a cache returned the first answer again
        if any(properties(whole[key]).keys() - item.properties.keys() for key, item in bare.items() if key in whole):
            raise Unfaithful  # properties were left out too, so it is unknown which items are newest
        sources = ((document, own_address(document, self.source)) for document in whole.values())
        found = [item for item in read_items(sources, self.collection, access=self.access) if self.counts(item)]
        return newest([*found, *(item for key, item in bare.items() if key not in whole)])

    def _without_assets(self, documents: Mapping[object, Document]) -> Iterable[tuple[object, Item]]:
        """Yield the items of the collection with the keys of their documents. Raises Unfaithful for an invalid item:
        its geometry or time may have been left out together with the assets."""
        for key, document in documents.items():
            if not isinstance(document, dict) or is_of_level(document, self.collection) is None:
                raise Unfaithful
            if self.collection.stac_collections and not document.get("collection"):
                raise Unfaithful
            assets = {name: {"href": "about:blank"} for name in _some_band(document, self.collection)}
            whole = {**document, "assets": assets}
            try:
                with panics_as_errors():
                    ours = belongs(whole, self.collection, folder=False)
                    item = read_item(whole, self.collection, self.source) if ours else None
            except Exception as error:
                raise Unfaithful from error
            if item is not None:
                yield key, replace(item, assets={})


def _assets_of(document: object) -> object:
    return document.get("assets") if isinstance(document, dict) else None


def _some_band(document: Document, collection: Collection) -> Iterable[str]:
    """The name of an asset with which the document counts as an item of the collection; empty if there is none."""
    variant = variant_of(document, collection)
    for band in collection.bands.values():
        names = band.variant_assets.get(variant, ()) if band.variant_assets else band.assets
        if names and not band.join:
            return names[:1]
    return ()


def _tells(item: Item, collection: Collection) -> bool:
    """Whether the item has all properties that the choice depends on."""
    choice = collection.choice
    refused = refusing_field(item, choice.fields, collection.filters)
    by_clouds = choice.clouds < 100 and collection.cloud_cover is not None
    return not (refused is not None and refused[1]) and not (by_clouds and item.cloud_cover is None)


def _is_chosen(item: Item, collection: Collection) -> bool:
    choice = collection.choice
    return refusing_field(item, choice.fields, collection.filters) is None and is_clear(
        item, choice.clouds, collection.cloud_cover
    )
