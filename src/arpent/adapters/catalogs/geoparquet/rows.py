"""Rows of stac-geoparquet → STAC items: properties are columns of their own there, and every row has every column."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime

import orjson
import shapely

from arpent.adapters.catalogs.harmonization import Document

_TOP = frozenset({"type", "stac_version", "stac_extensions", "id", "geometry", "bbox", "links", "assets", "collection"})
"""Members of an item; every other column is one of its properties."""


def item_of(row: Mapping[str, object]) -> Document:
    """The item. What a row leaves empty it does not have."""
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
    """As JSON has it; None: nothing is there."""
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
    """Assets are a struct, in some files a map (pairs) or JSON. An asset that this row does not have has no fields."""
    if isinstance(assets, str):
        assets = orjson.loads(assets)
    if isinstance(assets, list) and all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in assets):
        assets = dict(assets)
    return {name: each for name, each in assets.items() if each} if isinstance(assets, dict) else {}


def _geometry(value: object) -> object:
    """GeoJSON of WKB, or of text; None: none that can be read."""
    if isinstance(value, bytes):
        shape = shapely.from_wkb(value, on_invalid="ignore")
        return None if shape is None else orjson.loads(shapely.to_geojson(shape))
    return orjson.loads(value) if isinstance(value, str) else value
