"""Scenes: items as a script sees them, as orbits and tiles (sentinelhub.md 5.2, 5.3); plain JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC
from zlib import crc32

import shapely

from arpent.domain.evalscript import Evalscript, Input, Mosaicking
from arpent.domain.imagery.item import Item
from arpent.domain.interval import Interval, iso_seconds
from arpent.domain.ports.scripts import Scene

BOUNDS = "bounds"
_KINDS: Mapping[Mosaicking, str | None] = {
    Mosaicking.SIMPLE: None,
    Mosaicking.ORBIT: "orbits",
    Mosaicking.TILE: "tiles",
}
_BOUNDS_FIELDS = ("dataGeometry", "dataEnvelope")

Given = list[list[object]]
"""Per input: [its key; "orbits", "tiles" or None; the fields of its scenes]."""


def tile_scene(item: Item, metadata: Sequence[str] = ()) -> Scene:
    """One acquisition as in `scenes.tiles[i]`; dataGeometry and dataEnvelope only if `metadata` asks for them."""
    fields: dict[str, object] = {
        "date": iso_seconds(item.instant),
        "shId": crc32(item.id.encode()),
        "dataPath": item.href,
    }
    if item.cloud_cover is not None:
        fields["cloudCoverage"] = item.cloud_cover
    if BOUNDS in metadata:
        fields["dataGeometry"] = json.loads(shapely.to_geojson(item.footprint))
        fields["dataEnvelope"] = json.loads(shapely.to_geojson(shapely.envelope(item.footprint)))
    return Scene(fields=fields)


def orbit_scene(items: Sequence[Item], metadata: Sequence[str] = ()) -> Scene:
    """The acquisitions of one UTC day as in `scenes.orbits[i]`."""
    day = items[0].instant.astimezone(UTC).strftime("%Y-%m-%d")
    return Scene(
        fields={
            "dateFrom": f"{day}T00:00:00Z",
            "dateTo": f"{day}T23:59:59Z",
            "tiles": [dict(tile_scene(item, metadata).fields) for item in items],
        }
    )


def source_keys(evalscript: Evalscript) -> tuple[str, ...]:
    """Each input's key in a script with several: its datasource, or its number if it has none (sentinelhub.md 5.2)."""
    return tuple(
        str(number) if entry.datasource is None else entry.datasource for number, entry in enumerate(evalscript.inputs)
    )


def is_fusion(evalscript: Evalscript) -> bool:
    """Whether the script has several inputs, so that samples are keyed by input."""
    return len(evalscript.inputs) > 1


def scene_fields(evalscript: Evalscript, scenes: Sequence[Sequence[Scene]], *, tiles: bool = True) -> Given:
    """The fields of `scenes` in the interpreter. `tiles=False`: orbits do not list their tiles (preProcessScenes)."""
    return [
        [key, _KINDS[entry.mosaicking], [_fields(scene, entry, row, tiles) for row, scene in enumerate(group)]]
        for key, entry, group in zip(source_keys(evalscript), evalscript.inputs, scenes, strict=True)
    ]


def preprocessing(evalscript: Evalscript, scenes: Sequence[Sequence[Scene]], interval: Interval) -> dict[str, object]:
    """The arguments of preProcessScenes, as JSON."""
    return {
        "given": scene_fields(evalscript, scenes, tiles=False),
        "fusion": is_fusion(evalscript),
        "from": iso_seconds(interval.start),
        "to": iso_seconds(interval.end),
    }


def _fields(scene: Scene, entry: Input, row: int, tiles: bool) -> dict[str, object]:
    bounds = BOUNDS in entry.metadata
    fields = {
        name: value
        for name, value in scene.fields.items()
        if (tiles or name != "tiles" or entry.mosaicking is not Mosaicking.ORBIT)
        and (bounds or name not in _BOUNDS_FIELDS)
    }
    return {**fields, "__idx": row}
