"""Names: the item properties that a catalogue search may use, with names and values as in the real service."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC

from arpent.domain.imagery.collection import Collection
from arpent.domain.imagery.item import Item

CLOUD_COVER = "eo:cloud_cover"
FILTERS: Mapping[str, str] = {
    "acquisitionMode": "sar:instrument_mode",
    "polarization": "s1:polarization",
    "resolution": "s1:resolution",
    "orbitDirection": "sat:orbit_state",
    "timeliness": "s1:timeliness",
    "tiers": "landsat:tier",
    "constellation": "hls:constellation",
}
"""Field of a request's `dataFilter` → property of the real Catalog API that has the same values."""
SMALL = frozenset({"orbitDirection"})
"""Fields whose values the Catalog API writes in lower case."""
COMMON: Mapping[str, str] = {
    "platform": "string", "constellation": "string", "sat:relative_orbit": "integer", "sat:absolute_orbit": "integer",
    "grid:code": "string", "view:sun_elevation": "number",
}  # fmt: skip
"""Properties that items of any collection may have → their type."""
HIDDEN = ("auth:", "storage:", "_", "proj:", "alternate:")
"""Prefixes of properties that are left out because they concern only the catalogue's own access and storage."""


def queryables(collection: Collection) -> dict[str, dict[str, object]]:
    """Properties that a filter on the collection may use, each → its JSON schema."""
    found: dict[str, dict[str, object]] = {}
    if collection.cloud_cover:
        found[CLOUD_COVER] = {"type": "number", "minimum": 0, "maximum": 100}
    for name, known in collection.filters.items():
        if name in FILTERS:
            values = [_written(name, value) for value in known.values if known.asks(value)]
            found[FILTERS[name]] = {"type": "string", "enum": values}
    return found | {name: {"type": kind} for name, kind in COMMON.items()}


def properties_of(item: Item, collection: Collection) -> dict[str, object]:
    """The item's own properties that have plain values, and its values for the collection's filters, named as in the
    real service."""
    plain = {name: value for name, value in item.properties.items() if _is_plain(value) and not name.startswith(HIDDEN)}
    for name, known in collection.filters.items():
        answer = next(
            (value for value in known.values
             if known.asks(value) and known.takes(value, item.properties, item.id, item.variant)), None,
        )  # fmt: skip
        if name in FILTERS and answer is not None:
            plain[FILTERS[name]] = _written(name, answer)
    if item.cloud_cover is not None:
        plain[CLOUD_COVER] = item.cloud_cover
    return plain | {"datetime": item.instant.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")}


def _written(name: str, value: str) -> str:
    return value.lower() if name in SMALL else value


def _is_plain(value: object) -> bool:
    if isinstance(value, list):
        return all(isinstance(each, str | int | float) for each in value)
    return value is None or isinstance(value, str | int | float)
