"""Rows: converts a row of stac-geoparquet into the JSON of a STAC item."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal

import orjson
import shapely

from arpent.adapters.catalogs.harmonization import Document

log = logging.getLogger(__name__)

_TOP = frozenset({"type", "stac_version", "stac_extensions", "id", "geometry", "bbox", "links", "assets", "collection"})
"""Columns that are members of an item; all others are properties."""


def item_of(row: Mapping[str, object]) -> Document:
    """The item of a row, without empty columns."""
    found = {name: plain for name, value in row.items() if (plain := _plain(value)) is not None}
    own = found.pop("properties", None)
    return {
        "type": "Feature",
        **{name: value for name, value in found.items() if name in _TOP},
        "geometry": _geometry(row.get("geometry"), row.get("id")),
        "assets": _members(found.get("assets"), row.get("id")),
        "links": found.get("links") or [],
        "properties": {
            **(own if isinstance(own, dict) else {}),
            **{name: value for name, value in found.items() if name not in _TOP},
        },
    }


def _plain(value: object) -> object:
    """The value as in JSON; None if it is empty or has no form in JSON."""
    if isinstance(value, dict):
        return {name: plain for name, each in value.items() if (plain := _plain(each)) is not None}
    if isinstance(value, list | tuple):  # includes maps, which are lists of pairs
        return [_plain(each) for each in value]
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    return value if isinstance(value, str | int | float | bool) else None


def _members(assets: object, name: object) -> object:
    """The non-empty assets, from a struct, a map (list of pairs) or JSON text."""
    if isinstance(assets, str):
        assets = _json(assets, "assets", name)
    if isinstance(assets, list) and all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in assets):
        assets = {key: each for key, each in assets if isinstance(key, str)}
    return {key: each for key, each in assets.items() if each} if isinstance(assets, dict) else {}


def _geometry(value: object, name: object) -> object:
    """GeoJSON from WKB or JSON text; None if it is missing or invalid."""
    if isinstance(value, bytes):
        shape = shapely.from_wkb(value, on_invalid="ignore")
        return None if shape is None else orjson.loads(shapely.to_geojson(shape))
    return _json(value, "geometry", name) if isinstance(value, str) else value


def _json(text: str, column: str, name: object) -> object:
    """The value of JSON text in one row; None, with a line in the log, if it is not JSON, so that only this item is
    skipped."""
    try:
        return orjson.loads(text)
    except ValueError:
        log.warning("Column %s of item %.200r is not JSON. It is left out.", column, name)
        return None
