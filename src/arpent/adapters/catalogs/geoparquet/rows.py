"""Rows: a row of stac-geoparquet → JSON of a STAC item."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime

import orjson
import shapely

from arpent.adapters.catalogs.harmonization import Document

_TOP = frozenset({"type", "stac_version", "stac_extensions", "id", "geometry", "bbox", "links", "assets", "collection"})
"""Columns that are members of an item; all others are properties."""


def item_of(row: Mapping[str, object]) -> Document:
    """The item. Empty columns are left out."""
    found = {name: plain for name, value in row.items() if (plain := _plain(value)) is not None}
    own = found.pop("properties", None)
    return {
        "type": "Feature",
        **{name: value for name, value in found.items() if name in _TOP},
        "geometry": _geometry(row.get("geometry")),
        "assets": _members(found.get("assets")),
        "links": found.get("links") or [],
        "properties": {
            **(own if isinstance(own, dict) else {}),
            **{name: value for name, value in found.items() if name not in _TOP},
        },
    }


def _plain(value: object) -> object:
    """The value as in JSON; None if it is empty."""
    if isinstance(value, dict):
        return {name: plain for name, each in value.items() if (plain := _plain(each)) is not None}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    return value if isinstance(value, str | int | float | bool) else None


def _members(assets: object) -> object:
    """The assets from a struct, a map (pairs) or JSON text, without empty ones."""
    if isinstance(assets, str):
        assets = orjson.loads(assets)
    if isinstance(assets, list) and all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in assets):
        assets = dict(assets)
    return {name: each for name, each in assets.items() if each} if isinstance(assets, dict) else {}


def _geometry(value: object) -> object:
    """GeoJSON from WKB or text; None if it is missing or invalid."""
    if isinstance(value, bytes):
        shape = shapely.from_wkb(value, on_invalid="ignore")
        return None if shape is None else orjson.loads(shapely.to_geojson(shape))
    return orjson.loads(value) if isinstance(value, str) else value
