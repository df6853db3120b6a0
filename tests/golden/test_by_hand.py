"""A raster of 3 x 3 pixels and a table that you can check by hand; the numbers come from the engine as a job runs it.

The raster, where `.` is no data. Coordinates count pixels from its lower left corner, so that it covers (0 0, 3 3):

    3 +---+---+---+
      | 1 | 2 | 3 |
    2 +---+---+---+
      | 4 | 5 | 6 |
    1 +---+---+---+
      | 7 | 8 | . |
    0 +---+---+---+
      0   1   2   3

The rules (docs/numbers.md):
* A polygon has a grid of its own over its box, of round(width) x round(height) samples; each sample takes the pixel
  under its centre. `samples` counts the grid, `no data` its samples that are outside the polygon or have no value.
* A sample is inside if the polygon touches it, slivers aside.
* stDev is that of the population: the root of the mean of (value - mean)^2.
* Percentile k is the value of rank floor(n k / 100), counted from 0 in ascending order; it is never interpolated.
* The histogram has the bins [1, 4), [4, 6), [6, 8].

polygon     | values that count | samples | no data           | mean | sum of (value - mean)^2 | ranks of 25, 50, 75
------------+-------------------+---------+-------------------+------+-------------------------+--------------------
whole       | 1 2 3 4 5 6 7 8   | 3 x 3   | 1: the `.`        | 36/8 | 42                      | 2, 4, 6
one pixel   | 5                 | 1 x 1   | 0                 |  5   | 0                       | 0, 0, 0
speck       | 5                 | 1 x 1   | 0                 |  5   | 0                       | 0, 0, 0
triangle    | 1 4 5 7 8         | 3 x 3   | 4: 3 outside, `.` |  5   | 16 + 1 + 0 + 4 + 9 = 30 | 1, 2, 3
hole        | 1 2 3 4 6 7 8     | 3 x 3   | 2: the hole, `.`  | 31/7 | 179 - 31^2/7 = 292/7    | 1, 3, 5
two parts   | 3 7               | 3 x 3   | 7 outside         |  5   | 4 + 4 = 8               | 0, 1, 1
strip       | 1 2 3 4 7         | 3 x 3   | 4 outside         | 17/5 | 79 - 17^2/5 = 21.2      | 1, 2, 3
spit        | 1 4 7             | 3 x 3   | 6 outside         |  4   | 9 + 0 + 9 = 18          | 0, 1, 2
shifted     | 4 5 7 8           | 2 x 2   | 0                 |  6   | 4 + 1 + 1 + 4 = 10      | 1, 2, 3
half off    | 3 6               | 2 x 3   | 4: 3 off, the `.` | 4.5  | 2.25 + 2.25 = 4.5       | 0, 1, 1
no data     | none              | 1 x 1   | 1: the `.`        |  -   | -                       | -
outside     | no image there: the interval is left out

`triangle` has its long side on the diagonal 1-5-`.`: those three pixels are half covered and count. `strip` is the left
column and a quarter of the pixels 2 and 3, which count though their centres are outside. `spit` is the same with a
strip too thin (0.05 pixels) for a scan line. `shifted` is (0.4 0.4, 2.4 2.4): the centres of its samples are at 0.9 and
1.9, in the pixels 4, 5, 7 and 8. `half off` reaches one pixel beyond the right edge.
"""

from __future__ import annotations

import json
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine

from arpent.engine.processing import interval
from tests.support.engine import Engine, wish
from tests.support.parcels import Parcel, reproject

PIXELS = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 0]], np.uint16)
WEST, SOUTH, SIDE = 600_000.0, 5_000_000.0, 10.0
"""Lower left corner in EPSG:32633, and the side of a pixel, both in metres."""

WHOLE, CENTRE = shapely.box(0, 0, 3, 3), shapely.box(1, 1, 2, 2)
POLYGONS = {
    "whole": WHOLE,
    "one pixel": CENTRE,
    "speck": shapely.box(1.2, 1.2, 1.9, 1.9),
    "triangle": shapely.Polygon([(0, 0), (3, 0), (0, 3)]),
    "hole": WHOLE.difference(CENTRE),
    "two parts": shapely.MultiPolygon([shapely.box(2, 2, 3, 3), shapely.box(0, 0, 1, 1)]),
    "strip": shapely.union(shapely.box(0, 0, 1, 3), shapely.box(1, 2.75, 3, 3)),
    "spit": shapely.union(shapely.box(0, 0, 1, 3), shapely.box(1, 2.95, 3, 3)),
    "shifted": shapely.box(0.4, 0.4, 2.4, 2.4),
    "half off": shapely.box(2, 0, 4, 3),
    "no data": shapely.box(2, 0, 3, 1),
    "outside": shapely.box(5, 5, 6, 6),
}
NAN = "NaN"
TABLE = [
    # polygon, inside, samples, no data, min, max, mean, stDev, percentiles 25 50 75, counts of the bins
    ("whole", 9, 9, 1, 1.0, 8.0, 4.5, sqrt(42 / 8), (3, 5, 7), (3, 2, 3)),
    ("one pixel", 1, 1, 0, 5.0, 5.0, 5.0, 0.0, (5, 5, 5), (0, 1, 0)),
    ("speck", 1, 1, 0, 5.0, 5.0, 5.0, 0.0, (5, 5, 5), (0, 1, 0)),
    ("triangle", 6, 9, 4, 1.0, 8.0, 5.0, sqrt(30 / 5), (4, 5, 7), (1, 2, 2)),
    ("hole", 8, 9, 2, 1.0, 8.0, 31 / 7, sqrt(292 / 7 / 7), (2, 4, 7), (3, 1, 3)),
    ("two parts", 2, 9, 7, 3.0, 7.0, 5.0, sqrt(8 / 2), (3, 7, 7), (1, 0, 1)),
    ("strip", 5, 9, 4, 1.0, 7.0, 3.4, sqrt(21.2 / 5), (2, 3, 4), (3, 1, 1)),
    ("spit", 3, 9, 6, 1.0, 7.0, 4.0, sqrt(18 / 3), (1, 4, 7), (1, 1, 1)),
    ("shifted", 4, 4, 0, 4.0, 8.0, 6.0, sqrt(10 / 4), (5, 7, 8), (0, 2, 2)),
    ("half off", 6, 6, 4, 3.0, 6.0, 4.5, sqrt(4.5 / 2), (3, 6, 6), (1, 0, 1)),
    ("no data", 1, 1, 1, NAN, NAN, NAN, NAN, None, (0, 0, 0)),
]
SCRIPT = """//VERSION=3
function setup() {
  return {
    input: [{ bands: ["B04", "dataMask"], units: "DN" }],
    output: [{ id: "pixels", bands: ["value"] }, { id: "dataMask", bands: 1 }],
  };
}
function evaluatePixel(sample) {
  return { pixels: [sample.B04], dataMask: [sample.dataMask] };
}
"""
CALCULATIONS = {
    "pixels": {
        "statistics": {"value": {"percentiles": {"k": [25, 50, 75]}}},
        "histograms": {"value": {"bins": [1.0, 4.0, 6.0, 8.0]}},
    }
}


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Polygon → `response` of its result file: a GeoTIFF and a STAC item in, a job over all polygons, JSON out."""
    return asked(tmp_path_factory.mktemp("by_hand"))


def asked(folder: Path) -> dict[str, dict[str, Any]]:
    engine = Engine.over(catalogue(folder / "stac"), folder)
    parcels = [
        Parcel(id=number, geometry=in_metres(polygon), identifier=name)
        for number, (name, polygon) in enumerate(POLYGONS.items(), start=1)
    ]
    found = engine.answers(wish(SCRIPT, calculations=CALCULATIONS, resx=SIDE, resy=SIDE), parcels)
    return {answer["identifier"]: answer["response"] for answer in found.values()}


def in_metres(polygon: shapely.Geometry) -> shapely.Geometry:
    return shapely.transform(polygon, lambda pixels: pixels * SIDE + (WEST, SOUTH))


def catalogue(folder: Path) -> Path:
    """The raster as band B04 of one Sentinel-2 item."""
    folder.mkdir()
    with rasterio.open(
        folder / "B04.tif", "w", driver="GTiff", width=3, height=3, count=1, dtype="uint16", nodata=0, crs="EPSG:32633",
        transform=Affine(SIDE, 0, WEST, 0, -SIDE, SOUTH + 3 * SIDE),
    ) as image:  # fmt: skip
        image.write(PIXELS, 1)
    item = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "three-by-three",
        "collection": "sentinel-2-l2a",
        "geometry": json.loads(shapely.to_geojson(reproject(in_metres(WHOLE), 4326))),
        "properties": {"datetime": "2023-06-15T10:00:00Z", "platform": "sentinel-2a", "eo:cloud_cover": 0},
        "assets": {"red": {"href": "./B04.tif"}},
        "links": [],
    }
    (folder / "item.json").write_text(json.dumps(item))
    return folder


@pytest.mark.parametrize("row", TABLE, ids=[row[0] for row in TABLE])
def test_a_row_of_the_table(answers: dict[str, dict[str, Any]], row: tuple[Any, ...]) -> None:
    name, inside, samples, no_data, low, high, mean, deviation, percentiles, counts = row
    response = answers[name]
    (interval,) = response["data"]
    band = interval["outputs"]["pixels"]["bands"]["value"]
    stats, bins = band["stats"], band["histogram"]["bins"]
    assert response["geometryPixelCount"] == inside
    assert (stats["sampleCount"], stats["noDataCount"]) == (samples, no_data)
    assert (stats["min"], stats["max"], stats["mean"]) == (low, high, mean)
    assert stats["stDev"] == (NAN if deviation == NAN else pytest.approx(deviation, rel=1e-14))
    expected = None if percentiles is None else dict(zip(("25.0", "50.0", "75.0"), percentiles, strict=True))
    assert stats.get("percentiles") == expected
    assert tuple(one["count"] for one in bins) == counts
    assert [(one["lowEdge"], one["highEdge"]) for one in bins] == [(1, 4), (4, 6), (6, 8)]
    assert (band["histogram"]["underflowCount"], band["histogram"]["overflowCount"]) == (0, 0)


def test_where_no_image_is_the_interval_is_left_out(answers: dict[str, dict[str, Any]]) -> None:
    assert answers["outside"]["data"] == []
    assert answers["outside"]["geometryPixelCount"] == 1


def test_in_pieces_of_two_samples(
    answers: dict[str, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So are scripts worked on that return very many bands."""
    monkeypatch.setattr(interval, "NUMBERS_AT_ONCE", 4)
    assert asked(tmp_path) == answers
