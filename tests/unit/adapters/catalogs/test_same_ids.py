"""STAC collections may have items of the same id; where they are one collection here, each item still counts."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import shapely
from affine import Affine
from pyproj import Transformer

from arpent.domain.partition import Partition
from arpent.engine.processing.process import process
from arpent.settings import Settings
from arpent.wire.request.parse import parse_batch
from arpent.worker import services_of
from tests.support.cogs import write
from tests.support.engine import features, wish
from tests.support.parcels import Parcel

COLLECTION = """
id = "own"
stac_collections = ["flight-1", "flight-2", "flight-3"]
[units]
number = [{ name = "DN" }]
[bands]
A = { assets = ["A"], units = "number" }
"""
WEST, NORTH, SIDE = 500_000.0, 5_100_000.0, 640.0
FLIGHTS = (
    ("2023-06-03T10:00:00Z", 100, WEST),
    ("2023-06-20T10:00:00Z", 200, WEST),
    ("2023-06-20T10:00:00Z", 300, WEST + 1000),
)
"""Instant, pixel, west edge: two over the same ground, and one beside them at the time of the second."""
PARCELS = [
    Parcel(id=number, identifier=None, geometry=shapely.box(x, NORTH - 500, x + 100, NORTH - 400))
    for number, x in ((1, WEST + 100), (2, WEST + 1100))
]
SCRIPT = """//VERSION=3
function setup() {
  return {
    input: ["A"], mosaicking: "MODE",
    output: [{ id: "default", bands: 1, sampleType: "FLOAT32" }, { id: "dataMask", bands: 1 }]
  };
}
function evaluatePixel(s) {
  return { default: [s.length === undefined ? s.A : s.reduce((sum, one) => sum + one.A, 0)], dataMask: [1] };
}"""

Run = Callable[[str, str], list[list[float]]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """(mosaicking, interval) → the maximum of each parcel in each of its intervals."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "own.toml").write_text(COLLECTION)
    for number, flight in enumerate(FLIGHTS, 1):
        _fly(tmp_path / "stac" / f"flight-{number}", *flight)
    (tmp_path / "buckets" / "results").mkdir(parents=True)
    places = {"catalog": str(tmp_path / "stac"), "buckets": tmp_path / "buckets", "collections": tmp_path / "own"}
    world = services_of(Settings(parquet=False, **places))
    jobs = itertools.count()

    def answers(mosaicking: str, every: str) -> list[list[float]]:
        whole = {"timeRange": {"from": "2023-06-01T00:00:00Z", "to": "2023-07-31T00:00:00Z"}}
        body = wish(SCRIPT.replace("MODE", mosaicking), {"type": "own"}, aggregationInterval={"of": every}, **whole)
        job = f"job-{next(jobs)}"
        process(job, parse_batch(json.dumps(body)), Partition(number=0, features=features(PARCELS, 32633)), world)
        folder = tmp_path / "buckets" / "results" / "out" / job
        return [_numbers(folder / f"{parcel.id}.json") for parcel in PARCELS]

    return answers


def _fly(home: Path, instant: str, pixel: int, west: float) -> None:
    home.mkdir(parents=True)
    write(home / "A.tif", np.full((64, 64), pixel, np.uint16), Affine(10, 0, west, 0, -10, NORTH), nodata=0)
    to_degrees = Transformer.from_crs(32633, 4326, always_xy=True).transform
    ground = shapely.transform(
        shapely.box(west, NORTH - SIDE, west + SIDE, NORTH), lambda xy: np.column_stack(to_degrees(xy[:, 0], xy[:, 1]))
    )
    document = {
        "type": "Feature", "stac_version": "1.0.0", "id": "orthophoto", "collection": home.name, "links": [],
        "geometry": json.loads(shapely.to_geojson(ground)), "properties": {"datetime": instant},
        "assets": {"A": {"href": "A.tif"}},
    }  # fmt: skip
    (home / "item.json").write_text(json.dumps(document))


def _numbers(file: Path) -> list[float]:
    intervals = json.loads(file.read_text())["response"]["data"]
    return [one["outputs"]["default"]["bands"]["B0"]["stats"]["max"] for one in intervals]


@pytest.mark.parametrize("mosaicking", ["SIMPLE", "ORBIT", "TILE"])
def test_each_day_has_its_own_numbers(run: Run, mosaicking: str) -> None:
    assert run(mosaicking, "P10D") == [[100.0, 200.0], [300.0]]


@pytest.mark.parametrize(
    ("mosaicking", "right"), [("SIMPLE", [200.0, 300.0]), ("ORBIT", [300.0, 300.0]), ("TILE", [300.0, 300.0])]
)
def test_one_interval_has_all_of_them(run: Run, mosaicking: str, right: Sequence[float]) -> None:
    assert run(mosaicking, "P60D") == [[one] for one in right]
