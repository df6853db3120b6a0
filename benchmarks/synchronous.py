"""Synchronous requests: one field on all dates of a season, compared with a rasterio loop over the same windows."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median
from typing import Any

import rasterio
import shapely

from benchmarks.cases import UTM, layer
from benchmarks.clock import Taken, take
from benchmarks.country import NORTH, PIXEL, SIZES, WEST, season
from benchmarks.ours import SCRIPT, body
from benchmarks.whole import BANDS

DATES = 70
FIELD = ((0, 0), (60, 4), (56, 42), (1, 40))
"""Corners of a field that lies in four blocks, in pixels."""
BEFORE = (-30, -20)
"""Origin of the field, in pixels from the point where the four blocks meet."""
STEP = 10
"""Distance in pixels from the field to its neighbour."""
BLOCK, MOST = 1024, 2
"""Pixels per side of a block, and maximum number of block corners along each side at which a field is placed."""


def synchronous(folder: Path, size: str) -> dict[str, Any]:
    """Median seconds of requests for fields across blocks on DATES dates: the first request for each field, the same
    request again, and one for its neighbour; and of the loop, whose files are in the system's cache, as ours are."""
    from arpent import worker
    from arpent.engine.statistics import statistics
    from arpent.wire.request.parse import parse_statistical
    from benchmarks import ours

    catalog = season(folder, DATES)
    settings = ours.settings(folder, catalog=str(catalog))
    allowed = worker.synchronous_limits(settings)
    layer(folder, size, "one", UTM)
    most = max(2, min(MOST, -(-SIZES[size].side // BLOCK) - 1) + 1)
    corners = [(x * BLOCK, y * BLOCK) for x in range(1, most) for y in range(1, most)]
    scenes = sorted(catalog.iterdir())

    def ask(corner: tuple[int, int], away: int = 0) -> Taken:
        request = parse_statistical(_request(folder, _ring(corner, away)))
        return take(lambda: statistics(request, worker.quick_services(settings), allowed))

    def together(corner: tuple[int, int]) -> dict[str, Taken]:
        worker.quick_services(settings).reader.close()  # nothing cached for one field may help the next
        return {
            "rasterio loop": take(lambda: _loop(scenes, _ring(corner, 0))), "field": ask(corner),
            "field again": ask(corner), "neighbour": ask(corner, STEP),
        }  # fmt: skip

    ask((0, 0))  # compiles or loads kernels
    every = [together(corner) for corner in (*corners[:1], *corners)][1:]
    runs = {name: [one[name] for one in every] for name in every[0]}
    told = {
        name: {"cpu": median(run.cpu for run in taken), "wall": median(run.wall for run in taken)}
        for name, taken in runs.items()
    }
    return {**told, "dates": DATES, "fields": len(corners)}


def _ring(corner: tuple[int, int], away: int) -> list[tuple[float, float]]:
    """The field at a corner of blocks (x, y in pixels), moved east by `away` pixels; coordinates in metres."""
    left, top = corner[0] + BEFORE[0] + away, corner[1] + BEFORE[1]
    return [(WEST + (left + x) * PIXEL, NORTH - (top + y) * PIXEL) for x, y in (*FIELD, FIELD[0])]


def _request(folder: Path, ring: list[tuple[float, float]]) -> str:
    batch = json.loads(body(folder / "one.gpkg", DATES))
    crs = {"crs": f"http://www.opengis.net/def/crs/EPSG/0/{UTM.partition(':')[2]}"}
    area = {"geometry": {"type": "Polygon", "coordinates": [ring]}, "properties": crs}
    aggregation = {**batch["aggregation"], "evalscript": SCRIPT}
    return json.dumps({"input": {"bounds": area, "data": batch["input"]["data"]}, "aggregation": aggregation})


def _loop(scenes: list[Path], ring: list[tuple[float, float]]) -> None:
    """The usual script: open the images, read the window, compute NDVI where it is clear, and its statistics."""
    from benchmarks.peers import one_window

    shape = shapely.Polygon(ring)
    for scene in scenes:
        images = [rasterio.open(scene / f"{name}.tif") for name in BANDS]
        one_window(shape, images)
        for image in images:
            image.close()
