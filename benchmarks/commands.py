"""Commands: whole jobs as a person starts them, start-up, runner and files included; and synchronous requests."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.cases import UTM, layer
from benchmarks.clock import Taken, best, take
from benchmarks.country import NORTH, PIXEL, WEST
from benchmarks.ours import SCRIPT, body, root

ROUNDS = 3
FIELD = ((0, 0), (60, 4), (56, 42), (1, 40))
"""Corners in pixels of a field that lies in four blocks."""
STEP = 10
"""Pixels between it and its neighbour."""


def commands(folder: Path, size: str) -> dict[str, Any]:
    """Seconds of `arpent run`: one parcel with warm caches; dense parcels with files and as a table, by one worker. And
    of a synchronous request of one field, all dates: the first, again, and its neighbour."""
    one, dates = layer(folder, size, "one", UTM)
    found: dict[str, Any] = {}
    _run(folder, one, dates)  # kernels and the compiled script are in their caches then
    found["one parcel"] = _told(best([_run(folder, one, dates) for _ in range(ROUNDS)]))
    dense, dates = layer(folder, size, "dense", UTM)
    for form in ("files,table", "table"):
        taken = _run(folder, dense, dates, ARPENT_RESULTS=form, ARPENT_EXECUTOR="processes:1")
        found[f"dense, {form}"] = _told(taken)
    return {**found, **_synchronous(folder, size)}


def _run(folder: Path, features: Path, dates: int, **settings: str) -> Taken:
    request = folder / "request.json"
    request.write_text(body(features, dates))
    paths = {"ARPENT_BUCKETS": str(root(folder)), "ARPENT_CATALOG": str(folder / "catalog")}
    command = [sys.executable, "-m", "arpent", "run", "--json", str(request)]

    def work() -> None:
        subprocess.run(command, env=os.environ | paths | settings, check=True, stdout=subprocess.DEVNULL)

    taken = take(work)
    shutil.rmtree(root(folder) / "results" / "out", ignore_errors=True)
    return taken


def _synchronous(folder: Path, size: str) -> dict[str, Any]:
    from arpent import worker
    from arpent.engine.statistics import statistics
    from arpent.wire.request.parse import parse_statistical
    from benchmarks import ours

    settings = ours.settings(folder)
    services, allowed = worker.quick_services(settings), worker.synchronous_limits(settings)
    _, dates = layer(folder, size, "one", UTM)

    def ask(away: int) -> Taken:
        request = parse_statistical(_field(folder, dates, away))
        return take(lambda: statistics(request, services, allowed))

    first = ask(0)
    again = best([ask(0) for _ in range(ROUNDS)])
    neighbour = best([ask(STEP * (number + 1)) for number in range(ROUNDS)])
    return {"field": _told(first), "field again": _told(again), "neighbour": _told(neighbour), "dates": dates}


def _field(folder: Path, dates: int, away: int) -> str:
    """The body for the field, so many pixels further east."""
    batch = json.loads(body(folder / "one.gpkg", dates))
    corner = (WEST + (1024 - 30 + away) * PIXEL, NORTH - (1024 - 20) * PIXEL)
    ring = [[corner[0] + x * PIXEL, corner[1] - y * PIXEL] for x, y in (*FIELD, FIELD[0])]
    crs = {"crs": f"http://www.opengis.net/def/crs/EPSG/0/{UTM.partition(':')[2]}"}
    area = {"geometry": {"type": "Polygon", "coordinates": [ring]}, "properties": crs}
    aggregation = {**batch["aggregation"], "evalscript": SCRIPT}
    return json.dumps({"input": {"bounds": area, "data": batch["input"]["data"]}, "aggregation": aggregation})


def _told(taken: Taken) -> dict[str, float]:
    return {"cpu": taken.cpu, "wall": taken.wall}
