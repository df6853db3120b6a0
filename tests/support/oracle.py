"""The slow obvious answer to a statistical request over a folder of imagery. It imports nothing from arpent."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio.raw
import shapely
from numpy.typing import NDArray

from tests.support.imagery import Scene, change_of, pixels_under, scenes_of
from tests.support.mask import Box, grid_of, inside
from tests.support.numbers import as_sample_type, histogram, instant, intervals_of, statistics
from tests.support.scripts import REFLECTANCE, Part, Script

Pixel = Mapping[str, float]


def batch_answers(
    body: Mapping[str, Any], *, features: Path, catalog: Path, script: Script, only: Sequence[int] | None = None
) -> dict[int, dict[str, Any]]:
    """Feature id → what its `{id}.json` must hold. Bad geometries are left out; `only` picks some ids."""
    meta, ids, shapes, columns = pyogrio.raw.read(features, return_fids=True)
    scenes = scenes_of(catalog)
    fields = dict(zip(meta["fields"], columns, strict=True))
    identifiers = fields.get("identifier", [None] * len(ids))
    answers = {}
    for fid, wkb, identifier in zip(ids.tolist(), shapes, identifiers, strict=True):
        geometry = None if wkb is None else shapely.from_wkb(bytes(wkb))
        if not is_good(geometry) or (only is not None and fid not in only):
            continue
        response = answer(body, geometry=geometry, box=geometry.bounds, crs=meta["crs"], scenes=scenes, script=script)
        answers[fid] = {"id": fid, "identifier": identifier, "response": response}
    return answers


def is_good(geometry: shapely.Geometry | None) -> bool:
    """Whether statistics can be made of it."""
    return (
        geometry is not None
        and not geometry.is_empty
        and geometry.geom_type in ("Polygon", "MultiPolygon")
        and geometry.is_valid
    )


@dataclass(frozen=True, kw_only=True)
class Place:
    """One feature on its grid."""

    xs: NDArray[np.float64]
    ys: NDArray[np.float64]
    """Centres of all samples of the grid, row by row from the north."""
    inside: NDArray[np.bool_]
    """Of each: whether it belongs to the polygon."""
    crs: str
    reach: shapely.Geometry
    """The polygon in EPSG:4326."""


def answer(
    body: Mapping[str, Any], *, geometry: shapely.Geometry, box: Box, crs: str, scenes: Sequence[Scene], script: Script
) -> dict[str, Any]:
    """The `response` for one polygon: `data`, `status`, `geometryPixelCount`."""
    place = place_of(geometry, box, crs, body["aggregation"])
    entries = []
    for start, end in intervals_of(body["aggregation"]):
        views = [
            _view(part, body["input"]["data"][part.source], scenes, (start, end), place=place, script=script)
            for part in script.parts.values()
        ]
        if not any(view.reached for view in views):
            continue
        outputs = _outputs(
            _evaluate(views, len(place.xs), script), place, _updated(script, views), body.get("calculations", {})
        )
        interval = {"from": f"{start:%Y-%m-%dT%H:%M:%SZ}", "to": f"{end:%Y-%m-%dT%H:%M:%SZ}"}
        entries.append({"interval": interval, "outputs": outputs})
    return {"data": entries, "status": "OK", "geometryPixelCount": int(place.inside.sum())}


def place_of(geometry: shapely.Geometry, box: Box, crs: str, aggregation: Mapping[str, Any]) -> Place:
    """The grid stretched over the box, and its samples inside the polygon."""
    width, height = grid_of(box, dict(aggregation))
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    to_degrees = change_of(crs, "EPSG:4326").transform
    return Place(
        xs=(box[0] + (columns + 0.5) * ((box[2] - box[0]) / width)).ravel(),
        ys=(box[3] - (rows + 0.5) * ((box[3] - box[1]) / height)).ravel(),
        inside=inside(geometry, box, width, height).ravel(),
        crs=crs,
        reach=shapely.transform(geometry, lambda xy: np.column_stack(to_degrees(xy[:, 0], xy[:, 1]))),
    )


def choose(
    scenes: Sequence[Scene], source: Mapping[str, Any], start: datetime, end: datetime, place: Place
) -> list[Scene]:
    """The scenes of an interval that reach the polygon, in mosaicking order."""
    wish = source.get("dataFilter", {})
    if "timeRange" in wish:
        last = instant(wish["timeRange"]["to"]) + timedelta(microseconds=1)  # both ends count (sentinelhub.md 2.2)
        start, end = max(start, instant(wish["timeRange"]["from"])), min(end, last)
    found = [
        scene
        for scene in scenes
        if start <= scene.when < end
        and scene.cloud_cover <= wish.get("maxCloudCoverage", 100)
        and scene.footprint.intersects(place.reach)
    ]
    found.sort(key=lambda scene: (scene.when, scene.created), reverse=wish.get("mosaickingOrder") != "leastRecent")
    if wish.get("mosaickingOrder") == "leastCC":
        found.sort(key=lambda scene: scene.cloud_cover)
    return found


@dataclass(frozen=True, kw_only=True)
class View:
    """What a script sees of one source in one interval."""

    reached: bool
    """Whether any scene reaches the polygon."""
    simple: bool
    scenes: list[dict[str, Any]]
    """What `scenes` tells of each; none for SIMPLE."""
    layers: list[list[Pixel]]
    """Per scene (SIMPLE: one) the sample at each place of the grid."""


def _view(
    part: Part,
    source: Mapping[str, Any],
    scenes: Sequence[Scene],
    interval: tuple[datetime, datetime],
    *,
    place: Place,
    script: Script,
) -> View:
    chosen = choose(scenes, source, *interval, place)
    harmonize = source.get("processing", {}).get("harmonizeValues", True)
    layers = {scene.id: _layer(scene, place, part, harmonize) for scene in chosen}
    groups: list[list[Scene]] = [[scene] for scene in chosen] if part.mosaicking == "TILE" else [chosen]
    if part.mosaicking == "ORBIT":
        days = dict.fromkeys(scene.when.date() for scene in chosen)
        groups = [[scene for scene in chosen if scene.when.date() == day] for day in days]
    told = [] if part.mosaicking == "SIMPLE" else [_told(group, part) for group in groups]
    if script.keep is not None:
        order = script.keep(told)
        told, groups = [told[row] for row in order], [groups[row] for row in order]
    return View(
        reached=bool(chosen),
        simple=part.mosaicking == "SIMPLE",
        scenes=told,
        layers=[_first_valid([layers[scene.id] for scene in group], part, place) for group in groups],
    )


def _told(group: Sequence[Scene], part: Part) -> dict[str, Any]:
    """What `scenes.orbits[i]` or `scenes.tiles[i]` says, as far as tests use it."""
    first = group[0]
    if part.mosaicking == "ORBIT":
        return {"dateFrom": f"{first.when:%Y-%m-%dT00:00:00Z}", "dateTo": f"{first.when:%Y-%m-%dT23:59:59Z}"}
    return {"date": f"{first.when:%Y-%m-%dT%H:%M:%SZ}", "cloudCoverage": first.cloud_cover}


def _evaluate(views: Sequence[View], count: int, script: Script) -> list[Mapping[str, Any]]:
    """What evaluatePixel returns for each sample of the grid."""
    returned = []
    for index in range(count):
        lists = [[layer[index] for layer in view.layers] if view.reached else [] for view in views]
        samples: Any = dict(zip(script.fusion, lists, strict=True)) if script.fusion else lists[0]
        if not script.fusion and views[0].simple:
            samples = lists[0][0]
        returned.append(script.pixel(samples, views[0].scenes) if script.sees_scenes else script.pixel(samples))
    return returned


def _updated(script: Script, views: Sequence[View]) -> Script:
    """With the outputs as updateOutput leaves them."""
    if script.widths is None:
        return script
    widths = script.widths(len(views[0].scenes))
    outputs = {
        output: tuple(f"B{band}" for band in range(widths[output])) if output in widths else bands
        for output, bands in script.outputs.items()
    }
    return replace(script, outputs=outputs)


def _layer(scene: Scene, place: Place, part: Part, harmonize: bool) -> list[Pixel]:
    """One scene's samples: values and dataMask; all zero outside the polygon and where any band has no data."""
    numbers = {band: pixels_under(scene.images[band], place.xs, place.ys, place.crs) for band in part.bands}
    samples: list[Pixel] = []
    for index, within in enumerate(place.inside):
        found = {band: float(numbers[band][index]) for band in part.bands}
        valid = bool(within) and all(number != 0 for number in found.values())
        sample = {band: _value(band, number, scene, part, harmonize) for band, number in found.items()}
        samples.append(sample | {"dataMask": 1.0} if valid else nothing(part))
    return samples


def _value(band: str, number: float, scene: Scene, part: Part, harmonize: bool) -> float:
    """A stored number in the unit asked for (sentinelhub.md 6, harmonizeValues)."""
    scale = part.scales.get(band, 1.0 if band == "SCL" else REFLECTANCE)
    if band != "SCL" and (harmonize or scale == REFLECTANCE):
        number += scene.offset
    return (max(0.0, number) if harmonize else number) * scale


def nothing(part: Part) -> dict[str, float]:
    """What a script sees where there is no data."""
    return dict.fromkeys((*part.bands, "dataMask"), 0.0)


def _first_valid(layers: Sequence[list[Pixel]], part: Part, place: Place) -> list[Pixel]:
    return [
        next((layer[index] for layer in layers if layer[index]["dataMask"]), nothing(part))
        for index in range(len(place.xs))
    ]


def _outputs(
    pixels: Sequence[Mapping[str, Any]], place: Place, script: Script, calculations: Mapping[str, Any]
) -> dict[str, Any]:
    answers: dict[str, Any] = {}
    for output, bands in script.outputs.items():
        valid = [_mask(pixel, output, script) for pixel in pixels]
        entry = calculations.get(output, calculations.get("default", {}))
        sample_type = script.sample_types.get(output, "FLOAT32")
        answers[output] = {"bands": {}}
        for index, band in enumerate(bands):
            numbers = [as_sample_type(float(np.float32(pixel[output][index])), sample_type) for pixel in pixels]
            kept = [number for number, keep in zip(numbers, valid, strict=True) if keep and not math.isnan(number)]
            answers[output]["bands"][band] = _report(kept, len(place.xs), band, entry)
    return answers


def _mask(pixel: Mapping[str, Any], output: str, script: Script) -> bool:
    if script.masked is None:
        return bool(pixel["dataMask"][0])
    return output not in script.masked or bool(pixel["dataMask"][script.masked[output]])


def _report(values: list[float], sample_count: int, band: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    wishes = [entry.get(kind, {}) for kind in ("statistics", "histograms")]
    wanted, bins = (wish.get(band, wish.get("default")) for wish in wishes)
    report = {"stats": statistics(values, sample_count, (wanted or {}).get("percentiles", {}).get("k", []))}
    counts = histogram(values, bins) if bins else None
    return report | ({"histogram": counts} if counts else {})
