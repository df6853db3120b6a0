"""Item: converts the JSON of a STAC item to an Item, with bands, assets and properties as the collection defines
them."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote, urljoin, urlsplit

import numpy as np
import shapely

from arpent.adapters.catalogs.calibration import (
    calibrations,
    declared_no_data,
    declared_scale,
    metadata_asset,
    platform_of,
    with_file,
)
from arpent.adapters.catalogs.footprint import Footprint, footprint_of
from arpent.adapters.catalogs.harmonization import Document, offset, properties
from arpent.adapters.catalogs.instant import instant_of
from arpent.adapters.catalogs.level import is_of_level, is_of_product, plain_word, product_of, variant_of, words
from arpent.adapters.catalogs.projection import georeference_of
from arpent.domain.boundary.address_names import bare_address
from arpent.domain.boundary.text import clean, cleaned
from arpent.domain.boundary.unforeseen import panics_as_errors
from arpent.domain.errors import CatalogUnavailable
from arpent.domain.imagery.collection import Band, Collection
from arpent.domain.imagery.item import Asset, Item
from arpent.domain.interval import Interval
from arpent.network.access import OpenAccess, SourceAccess

log = logging.getLogger(__name__)

MOST_LOGGED = 10_000
"""Maximum number of items to name in the log, each once, since repeated searches find the same invalid items."""
NEAR_ID = timedelta(days=31)
"""Longest time between the day in an item's id and the times in its properties (MCD43A4: sixteen days)."""
_logged: set[str] = set()


def read_items(
    documents: Iterable[tuple[Document, str]],
    collection: Collection,
    *,
    folder: bool = False,
    access: SourceAccess | None = None,
) -> Iterator[Item]:
    """Yield the collection's items among these (document, source). An item that violates the STAC specification is
    skipped with a line in the log. `folder`: as in `belongs`; `access`: decides which alternate of an asset is read."""
    for document, source in documents:
        try:
            with panics_as_errors():
                ours = belongs(document, collection, folder=folder)
                item = read_item(document, collection, source, access) if ours else None
        except Exception as error:
            name = document.get("id") if isinstance(document, dict) else None
            known = isinstance(error, CatalogUnavailable)
            place = bare_address(source)
            text = str(error) if known else f"Item {name!r} in {place} cannot be read ({type(error).__name__})."
            if text not in _logged and len(_logged) < MOST_LOGGED:
                _logged.add(text)
                log.warning("%s It is left out.", text, exc_info=not known)
        else:
            if item is not None:
                yield item


def belongs(document: Document, collection: Collection, *, folder: bool) -> bool:
    """Whether the item belongs to the collection. It must have an asset for at least one band. In a folder it may match
    by its constellation or the product in its id instead of its `collection`, because folders often use collection ids
    of their own; then its level must also be known (see `level`). Raises CatalogUnavailable if information is
    missing."""
    own = properties(document)
    named = not collection.stac_collections or document.get("collection") in collection.stac_collections
    related = folder and (
        _agrees(collection, "constellations", own.get("constellation"), absent=False)
        or product_of(document) in words(collection, "products")
    )
    if not (folder or named or document.get("collection")):
        raise CatalogUnavailable(f"Item {document.get('id')!r} has no `collection`.")
    variant = variant_of(document, collection)
    if not (
        (named or related)
        and _agrees(collection, "platforms", platform_of(document) or None, absent=True)
        and is_of_product(document, collection)
        and (variant or not collection.variants)
        and any(_asset(document, band, variant) for band in collection.bands.values() if not band.join)
    ):
        return False
    level = is_of_level(document, collection)
    if level is None and not named:
        raise CatalogUnavailable(
            f"Item {document.get('id')!r} does not say whether it belongs to {collection.id}, neither by product type, "
            f"processing:level and id nor by its assets: set its `collection` to {collection.stac_collections[0]}, or "
            "s2:product_type."
        )
    return named if level is None else level


def declared_times(collection: Collection, interval: Interval) -> tuple[float, float]:
    """First and last time, in seconds since 1970, that items of this interval may have in their properties."""
    if collection.timeless:
        return -1e13, 1e13
    slack = NEAR_ID.total_seconds() if "date_in_id" in collection.metadata else 0.0
    return interval.start.timestamp() - slack, interval.end.timestamp() + slack


def read_item(document: Document, collection: Collection, source: str, access: SourceAccess | None = None) -> Item:
    """The Item for a document. `source`: the file or URL that it came from, for relative hrefs. Raises
    CatalogUnavailable, which names item and field, if it violates the STAC specification."""
    own = cleaned(dict(properties(document)))
    name = re.sub(collection.metadata.get("part_in_id") or "$^", "", clean(str(document.get("id"))))
    cloud_cover = own.get(collection.cloud_cover) if collection.cloud_cover else None
    try:
        if not isinstance(document.get("id"), str | int) or document["id"] == "":
            raise ValueError("`id` is missing")
        first, last = _time(own, _day_in_id(name, collection))
        if last is not None and last > first and collection.metadata.get("open_range"):
            last -= timedelta(microseconds=1)
        footprint = _footprint(document)
        return Item(
            id=name,
            collection=collection.id,
            instant=first,
            last=last,
            created=_created(own.get("created")),
            cloud_cover=_percentage(cloud_cover),
            footprint=footprint.ground,
            likely=footprint.likely,
            assets=_assets(document, collection, source, first, access or OpenAccess(), footprint.ground),
            variant=variant_of(document, collection),
            properties=own,
            href=source,
        )
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, shapely.errors.ShapelyError) as error:
        raise CatalogUnavailable(
            f"Item {name!r} in {bare_address(source)} is not a valid STAC item: {error}."
        ) from error


def absolute(href: str, source: str) -> str:
    """An asset's href as an absolute path or URL.

    A relative href is part of a URL, so `%20` in it stands for a space, even in a local path, unless a file with
    exactly this name exists. A `file:` URL in an item of an API is on the API's machine: it gets the host
    `api.invalid`, so that it is not taken for a local file.
    """
    if urlsplit(href).scheme == "file":
        path = urlsplit(href).path
        return f"file://api.invalid{path}" if "://" in source else unquote(path)
    if "://" in href:
        return href
    if "://" in source:
        scheme, _, rest = source.partition("://")
        if scheme in ("http", "https"):
            return urljoin(source, href)
        return f"{scheme}{urljoin(f'http://{rest}', href).removeprefix('http')}"  # urljoin does not support s3
    folder = os.path.dirname(os.path.abspath(source))
    plain = os.path.normpath(os.path.join(folder, href))
    return plain if "%" not in href or os.path.exists(plain) else os.path.normpath(os.path.join(folder, unquote(href)))


def _assets(
    document: Document,
    collection: Collection,
    source: str,
    instant: datetime,
    access: SourceAccess,
    ground: shapely.Geometry,
) -> dict[str, Asset]:
    assets = {}
    variant, beside = variant_of(document, collection), metadata_asset(document)
    file = _href(beside, source, access) if beside is not None else None
    for name, band in collection.bands.items():
        asset = None if band.join else _asset(document, band, variant)
        if asset is not None:
            href = _href(asset, source, access)
            shift = offset(collection, document, asset, band.index) if band.harmonized else 0.0
            assets[name] = Asset(
                href=href,
                harmonization=shift or 0.0,
                harmonization_told=shift is not None,
                calibrations=with_file(calibrations(collection, band, document, asset, instant), href, file),
                no_data=declared_no_data(asset, band.index),
                declared_scale=declared_scale(asset, band.index),
                georeference=georeference_of(document, asset, ground),
            )
    return assets


def _href(asset: Document, source: str, access: SourceAccess) -> str:
    """The address at which to read the asset: its `href`, or the alternate that the archive's source prefers."""
    href = absolute(clean(str(asset["href"])), source)
    named, wanted = asset.get("alternate"), access.alternate(href)
    other = named.get(wanted) if isinstance(named, dict) and wanted else None
    if isinstance(other, dict) and isinstance(other.get("href"), str):
        return absolute(clean(other["href"]), source)
    return href


def _asset(document: Document, band: Band, variant: str) -> Document | None:
    """The band's asset, found by its key, since the names in `eo:bands` differ between catalogues for the same key;
    None if there is none."""
    assets = document.get("assets")
    if not isinstance(assets, dict):
        return None
    keys = band.variant_assets.get(variant, ()) if band.variant_assets else band.assets
    return next((assets[key] for key in keys if isinstance(assets.get(key), dict) and "href" in assets[key]), None)


def _agrees(collection: Collection, rule: str, value: object, *, absent: bool) -> bool:
    """Whether a property's value is one of those of a rule; `absent` if the rule has no values, or the item does not
    have the property."""
    wanted = words(collection, rule)
    return plain_word(value) in wanted if wanted and isinstance(value, str) else absent


def _day_in_id(name: str, collection: Collection) -> datetime | None:
    """The day in the id (year and day of the year), for collections whose properties give other times: those of MCD43A4
    give the sixteen days from which the image was made. None for other collections."""
    pattern = collection.metadata.get("date_in_id")
    found = re.search(pattern, name) if pattern else None
    return datetime.strptime(found[1], "%Y%j").replace(tzinfo=UTC) if found else None


def _time(own: Document, day: datetime | None) -> tuple[datetime, datetime | None]:
    """(Sensing time, None), or the start and end of the time range if there is no sensing time. `day`: the day in the
    id, which takes precedence. Raises ValueError and OverflowError."""
    if day is not None:
        return day, None
    if own.get("datetime"):
        return instant_of(own["datetime"]), None
    first = instant_of(own.get("start_datetime"))
    last = instant_of(own["end_datetime"]) if own.get("end_datetime") else first
    if last < first:
        raise ValueError("`end_datetime` lies before `start_datetime`")
    return first, last


def _created(text: object) -> datetime | None:
    """Ingestion time. None if it is missing, or even invalid, since it only decides between otherwise equal items."""
    try:
        return instant_of(text) if text else None
    except (ValueError, OverflowError):
        return None


def _percentage(value: object) -> float | None:
    """The number, or None if it is not a percentage."""
    known = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 100
    return float(value) if known else None  # type: ignore[arg-type]


def _footprint(document: Document) -> Footprint:
    if not isinstance(document.get("geometry"), dict):
        raise ValueError("`geometry` is missing")
    found = footprint_of(document)
    if shapely.is_empty(found.ground) or not np.isfinite(shapely.get_coordinates(found.ground)).all():
        raise ValueError("`geometry` is empty or has no finite coordinates")
    return found
