"""Chosen: a search that leaves to the API which items a request uses, with the same outcome as one that does not.

All items are asked for without their assets, which are most of their bytes; then, whole, those that the API lets
through. The first answer decides which processing of an acquisition is the newest, since a filter may hide it, and
whether the second holds all that was chosen, since APIs compare in ways of their own.
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
"""Parameters of a search for items without assets and links."""

Search = Callable[[Mapping[str, object]], Iterable[Document]]
"""Parameters that are added to the question → the documents found, each once."""


class Unfaithful(Exception):
    """The API does not let the chosen items through, leaves out more of them than their assets, or its items cannot be
    told apart without these."""


class FieldsIgnored(Exception):
    """The API returns assets that it was asked to leave out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenSearch:
    """One question to an API about a collection of which a choice of items is used."""

    search: Search
    collection: Collection
    source: str
    """The address of items that state none of their own."""
    access: SourceAccess
    counts: Callable[[Item], bool]
    """Whether an item belongs to the search."""

    def bare(self) -> dict[object, Item]:
        """The items that count, without assets, by `key_of` of their documents. Raises FieldsIgnored; Unfaithful if
        they cannot be told apart; and what `search` raises."""
        documents = {key_of(document): document for document in self.search(BARE)}
        if any(map(_assets_of, documents.values())):
            raise FieldsIgnored
        found = {key: item for key, item in self._without_assets(documents) if self.counts(item)}
        if len({item.id for item in found.values()}) < len(found) or any(
            item.likely is not None for item in found.values()
        ):
            raise Unfaithful  # parts of one item are joined, and places decided, by assets
        return found

    def narrowed(self, bare: Mapping[object, Item], narrowing: Mapping[str, object]) -> tuple[Item, ...]:
        """The newest of the items `bare`, those that the collection's choice refuses without assets. `narrowing`:
        parameters that leave out refused items. Raises Unfaithful if they leave out more, and what `search` raises."""
        if bare and not any(_tells(item, self.collection) for item in bare.values()):
            raise Unfaithful  # what the choice goes by may have been left out, too
        kept = {item.id for item in newest(bare.values()) if _is_chosen(item, self.collection)}
        if not kept:
            return newest(bare.values())
        whole = {key_of(document): document for document in self.search(narrowing)}
        if any(item.id in kept and not _assets_of(whole.get(key)) for key, item in bare.items()):
            raise Unfaithful  # also if they are the first answer once more, out of somebody's cache
        if any(properties(whole[key]).keys() - item.properties.keys() for key, item in bare.items() if key in whole):
            raise Unfaithful  # more was left out than assets and links: which of them are newest is not known
        sources = ((document, own_address(document, self.source)) for document in whole.values())
        found = [item for item in read_items(sources, self.collection, access=self.access) if self.counts(item)]
        return newest([*found, *(item for key, item in bare.items() if key not in whole)])

    def _without_assets(self, documents: Mapping[object, Document]) -> Iterable[tuple[object, Item]]:
        """The documents' items of the collection. One may be no item because its place or time was left out
        with its assets."""
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
    """The name of an asset that makes the document an item of the collection."""
    variant = variant_of(document, collection)
    for band in collection.bands.values():
        names = band.variant_assets.get(variant, ()) if band.variant_assets else band.assets
        if names and not band.join:
            return names[:1]
    return ()


def _tells(item: Item, collection: Collection) -> bool:
    """Whether it tells all that the choice goes by."""
    choice = collection.choice
    refused = refusing_field(item, choice.fields, collection.filters)
    by_clouds = choice.clouds < 100 and collection.cloud_cover is not None
    return not (refused is not None and refused[1]) and not (by_clouds and item.cloud_cover is None)


def _is_chosen(item: Item, collection: Collection) -> bool:
    choice = collection.choice
    return refusing_field(item, choice.fields, collection.filters) is None and is_clear(
        item, choice.clouds, collection.cloud_cover
    )
