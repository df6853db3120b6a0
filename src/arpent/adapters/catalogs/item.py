"""JSON of a STAC item → Item, by what the collection says of bands, assets and names."""

from __future__ import annotations

import logging
import os
from datetime import UTC, datetime
from urllib.parse import unquote, urljoin, urlsplit

import shapely

from arpent.adapters.catalogs.footprint import footprint_of
from arpent.adapters.catalogs.harmonization import Document, offset, properties
from arpent.adapters.catalogs.level import is_of_level, plain, words
from arpent.domain.errors import CatalogUnavailable
from arpent.domain.imagery.collection import Band, Collection
from arpent.domain.imagery.item import Asset, Item

log = logging.getLogger(__name__)

MOST_NAMED = 1000
"""Items without a level that the log names; a catalogue is asked again and again."""
_named: set[str] = set()


def belongs(document: Document, collection: Collection, *, folder: bool) -> bool:
    """Whether the item is one of the collection's. In a folder its constellation counts as well as its `collection`,
    for folders often carry a collection id of their own; then the item itself must say its level (see `level`). Either
    way it must have an asset of some band."""
    own = properties(document)
    named = not collection.stac_collections or document.get("collection") in collection.stac_collections
    related = folder and _agrees(collection, "constellations", own.get("constellation"), absent=False)
    if not (
        (named or related)
        and _agrees(collection, "platforms", own.get("platform"), absent=True)
        and any(_asset(document, band) for band in collection.bands.values())
    ):
        return False
    level = is_of_level(document, collection)
    if level is None and not named:
        _tell(str(document.get("id")), collection)
    return named if level is None else level


def _tell(name: str, collection: Collection) -> None:
    """Say once that an item does not tell what it is."""
    if name not in _named and len(_named) < MOST_NAMED:
        _named.add(name)
        log.warning(
            "Item %r is left out: neither product type, processing:level, id nor assets say whether it is of "
            "%s; set its `collection` to %s, or s2:product_type.",
            name, collection.id, " or ".join(collection.stac_collections),
        )  # fmt: skip


def read_item(document: Document, collection: Collection, source: str) -> Item | None:
    """The item; None if it has no footprint. `source` is the file or URL it came from, for relative hrefs.
    Raises CatalogUnavailable, naming item and field, if it is not what STAC says it must be."""
    own = properties(document)
    name = str(document.get("id"))
    instant = own.get("datetime") or own.get("start_datetime")
    geometry = document.get("geometry")
    if geometry is None:
        return None
    cloud_cover = own.get(collection.cloud_cover) if collection.cloud_cover else None
    try:
        footprint = footprint_of(document)
        return Item(
            id=name,
            collection=collection.id,
            instant=_instant(instant),
            created=_instant(own["created"]) if own.get("created") else None,
            cloud_cover=float(cloud_cover) if isinstance(cloud_cover, int | float) else None,
            footprint=footprint.ground,
            likely=footprint.likely,
            assets=_assets(document, collection, source),
            properties=own,
            href=source,
        )
    except (ValueError, TypeError, KeyError, AttributeError, shapely.errors.ShapelyError) as error:
        raise CatalogUnavailable(f"Item {name!r} in {source} is not a valid STAC item: {error}.") from error


def absolute(href: str, source: str) -> str:
    """An asset's href as an absolute path or URL."""
    if href.startswith("file://"):
        return unquote(urlsplit(href).path)
    if "://" in href:
        return href
    if "://" in source:
        return urljoin(source, href)
    return os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(source)), href))


def _assets(document: Document, collection: Collection, source: str) -> dict[str, Asset]:
    assets = {}
    for name, band in collection.bands.items():
        asset = _asset(document, band)
        if asset is not None:
            shift = offset(collection, document, asset) if band.harmonized else 0.0
            assets[name] = Asset(href=absolute(str(asset["href"]), source), harmonization=shift)
    return assets


def _asset(document: Document, band: Band) -> Document | None:
    """The band's asset by its key: `eo:bands` names differ between catalogues for the same key."""
    assets = document.get("assets")
    if not isinstance(assets, dict):
        return None
    return next(
        (assets[key] for key in band.assets if isinstance(assets.get(key), dict) and "href" in assets[key]), None
    )


def _agrees(collection: Collection, rule: str, value: object, *, absent: bool) -> bool:
    """Whether a property is one of the words of a rule; `absent` if there is no rule or the item does not say."""
    wanted = words(collection, rule)
    return plain(value) in wanted if wanted and isinstance(value, str) else absent


def _instant(text: object) -> datetime:
    if not isinstance(text, str):
        raise ValueError("`datetime` and `start_datetime` are missing")
    instant = datetime.fromisoformat(text)
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
