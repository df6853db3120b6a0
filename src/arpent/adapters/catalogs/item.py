"""JSON of a STAC item → Item, by what the collection says of bands, assets and names."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from urllib.parse import unquote, urljoin, urlsplit

import orjson
import shapely

from arpent.adapters.catalogs.harmonization import Document, offset, properties
from arpent.domain.errors import CatalogUnavailable
from arpent.domain.imagery.collection import Band, Collection
from arpent.domain.imagery.item import Asset, Item

PRODUCT_TYPES = ("s2:product_type", "product:type")
"""Properties that name the product type."""


def belongs(document: Document, collection: Collection, *, folder: bool) -> bool:
    """Whether the item is one of the collection's. In a folder its constellation counts as well as its `collection`,
    for folders often carry a collection id of their own; either way it must have an asset of some band."""
    own = properties(document)
    named = not collection.stac_collections or document.get("collection") in collection.stac_collections
    related = folder and _agrees(collection, "constellations", own.get("constellation"), absent=False)
    product = next((own[name] for name in PRODUCT_TYPES if name in own), None)
    return (
        (named or related)
        and _agrees(collection, "product_types", product, absent=True)
        and _agrees(collection, "platforms", own.get("platform"), absent=True)
        and any(_asset(document, band) for band in collection.bands.values())
    )


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
        return Item(
            id=name,
            collection=collection.id,
            instant=_instant(instant),
            created=_instant(own["created"]) if own.get("created") else None,
            cloud_cover=float(cloud_cover) if isinstance(cloud_cover, int | float) else None,
            footprint=_footprint(geometry),
            assets=_assets(document, collection, source),
            properties=own,
            href=source,
        )
    except (ValueError, TypeError, KeyError, AttributeError, shapely.errors.ShapelyError) as error:
        raise CatalogUnavailable(f"Item {name!r} in {source} is not a valid STAC item: {error}.") from error


def absolute(href: str, source: str) -> str:
    """An asset's href as an absolute path or URL. A file that an API's item names is one of the API's machine: it gets
    a host, so that it is not taken for one of this machine."""
    if urlsplit(href).scheme == "file":
        path = urlsplit(href).path
        return f"file://api.invalid{path}" if "://" in source else unquote(path)
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
    words = collection.metadata.get(rule)
    if not words or not isinstance(value, str):
        return absent
    return _plain(value) in {_plain(word) for word in words.split(",")}


def _plain(word: str) -> str:
    """`Sentinel 2`, `Sentinel-2` and `sentinel-2` are the same."""
    return word.strip().lower().replace(" ", "-").replace("_", "-")


def _instant(text: object) -> datetime:
    if not isinstance(text, str):
        raise ValueError("`datetime` and `start_datetime` are missing")
    instant = datetime.fromisoformat(text)
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def _footprint(geometry: object) -> shapely.Geometry:
    footprint = shapely.from_geojson(orjson.dumps(geometry))
    return footprint if footprint.is_valid else shapely.make_valid(footprint)
