"""The slow obvious answer to a statistical request over a folder of imagery. It imports nothing from arpent."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio.raw
import shapely
from numpy.typing import NDArray

from tests.support.imagery import Scene, change_of, pixels_under, scenes_of
from tests.support.mask import Box, grid_of, inside
from tests.support.numbers import as_sample_type, histogram, instant, intervals_of, statistics
from tests.support.scripts import Script

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
        chosen = choose(scenes, body["input"]["data"][0], start, end, place)
        if not chosen:
            continue
        outputs = _outputs(_evaluate(chosen, place, script), place, script, body.get("calculations", {}))
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
        start, end = max(start, instant(wish["timeRange"]["from"])), min(end, instant(wish["timeRange"]["to"]))
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


def _evaluate(scenes: Sequence[Scene], place: Place, script: Script) -> list[Mapping[str, Any]]:
    """What evaluatePixel returns for each sample of the grid."""
    layers = [_layer(scene, place, script) for scene in scenes]
    if script.mosaicking == "SIMPLE":
        return [script.pixel(sample) for sample in _first_valid(layers, script)]
    if script.mosaicking == "ORBIT":
        days = groupby(zip(scenes, layers, strict=True), key=lambda pair: pair[0].when.date())
        layers = [_first_valid([layer for _, layer in members], script) for _, members in days]
    return [script.pixel(list(samples)) for samples in zip(*layers, strict=True)]


def _layer(scene: Scene, place: Place, script: Script) -> list[Pixel]:
    """One scene's samples: values and dataMask; all zero outside the polygon and where any band has no data."""
    numbers = {band: pixels_under(scene.images[band], place.xs, place.ys, place.crs) for band in script.bands}
    samples: list[Pixel] = []
    for index, within in enumerate(place.inside):
        found = {band: float(numbers[band][index]) for band in script.bands}
        valid = bool(within) and all(number != 0 for number in found.values())
        sample = {band: number * script.scale(band) for band, number in found.items()} | {"dataMask": 1.0}
        samples.append(sample if valid else nothing(script))
    return samples


def nothing(script: Script) -> dict[str, float]:
    """What a script sees where there is no data."""
    return dict.fromkeys((*script.bands, "dataMask"), 0.0)


def _first_valid(layers: Sequence[list[Pixel]], script: Script) -> list[Pixel]:
    return [
        next((sample for sample in candidates if sample["dataMask"]), nothing(script))
        for candidates in zip(*layers, strict=True)
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
