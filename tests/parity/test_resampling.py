"""BILINEAR and BICUBIC from end to end: a constant stays, a slope stays a slope, and classes stay classes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from pyproj import Transformer

from tests.support.engine import Engine, wish
from tests.support.oracle import place_of
from tests.support.parcels import Parcel, reproject
from tests.support.world import EPSG, NORTH, WEST

SIDE = 512
LEVEL, ACROSS, DOWN = 1_000, 8, 16
"""B08 = LEVEL + ACROSS * column + DOWN * row: whole numbers in the overviews, too."""
FLAT = 1_234
SCRIPT = """//VERSION=3
function setup() {
  return {
    input: [{bands: ["B04", "B08", "SCL", "dataMask"], units: ["DN", "DN", "DN", "DN"]}],
    output: [{id: "bands", bands: ["flat", "slope"]}, {id: "classes", bands: 1, sampleType: "UINT8"},
      {id: "dataMask", bands: 1}]
  };
}
function evaluatePixel(s) {
  return {bands: [s.B04, s.B08], classes: [s.SCL], dataMask: [s.dataMask]};
}
"""
PARCELS = (
    Parcel(
        id=1,
        identifier="slanted",
        geometry=shapely.Polygon(
            [(WEST + 1_013, NORTH - 2_044), (WEST + 2_207, NORTH - 1_101), (WEST + 1_904, NORTH - 2_750)]
        ),
    ),
    Parcel(id=2, identifier="box", geometry=shapely.box(WEST + 2_500, NORTH - 3_300, WEST + 3_100, NORTH - 2_900)),
)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    folder = tmp_path_factory.mktemp("slope")
    home = folder / "stac" / "slope"
    home.mkdir(parents=True)
    rows, columns = np.indices((SIDE, SIDE))
    write(home / "B04.tif", np.full((SIDE, SIDE), FLAT), 10)
    write(home / "B08.tif", LEVEL + ACROSS * columns + DOWN * rows, 10)
    write(home / "SCL.tif", np.where((rows + columns)[::2, ::2] % 4, 4, 9), 20)
    change = Transformer.from_crs(EPSG, 4326, always_xy=True).transform
    square = shapely.box(WEST, NORTH - SIDE * 10, WEST + SIDE * 10, NORTH)
    footprint = shapely.transform(square, lambda xy: np.column_stack(change(xy[:, 0], xy[:, 1])))
    item = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "slope",
        "collection": "sentinel-2-l2a",
        "geometry": json.loads(shapely.to_geojson(footprint)),
        "bbox": list(footprint.bounds),
        "properties": {
            "datetime": "2023-06-10T10:00:00Z",
            "eo:cloud_cover": 0.0,
            "earthsearch:boa_offset_applied": True,
        },
        "assets": {key: {"href": f"./{band}.tif"} for band, key in (("B04", "red"), ("B08", "nir"), ("SCL", "scl"))},
        "links": [],
    }
    (home / "slope.json").write_text(json.dumps(item))
    return Engine.over(folder / "stac", folder)


def write(path: Path, numbers: np.ndarray, step: float) -> None:
    height, width = numbers.shape
    with rasterio.open(
        path, "w", driver="COG", width=width, height=height, count=1, dtype="uint16", crs=f"EPSG:{EPSG}", nodata=0,
        transform=Affine(step, 0, WEST, 0, -step, NORTH), blocksize=128, overview_resampling="average",
    ) as image:  # fmt: skip
        image.write(numbers.astype(np.uint16), 1)


@pytest.mark.parametrize("epsg", [32633, 3035])
@pytest.mark.parametrize("step", [3.3, 10.0, 27.0, 64.0])
@pytest.mark.parametrize("resampling", ["BILINEAR", "BICUBIC"])
def test_a_slope_stays_a_slope(engine: Engine, resampling: str, step: float, epsg: int):
    source = {"type": "sentinel-2-l2a", "processing": {"upsampling": resampling, "downsampling": resampling}}
    body = wish(SCRIPT, source, resx=step, resy=step)
    answers = engine.answers(body, PARCELS, epsg)
    for parcel in PARCELS:
        (entry,) = answers[parcel.id]["response"]["data"]
        flat, slope = (entry["outputs"]["bands"]["bands"][band]["stats"] for band in ("flat", "slope"))
        assert (flat["min"], flat["max"], flat["stDev"]) == (FLAT, FLAT, 0.0)
        expected = truth(parcel, epsg, body)
        assert slope["sampleCount"] - slope["noDataCount"] == len(expected)
        assert slope["min"] == pytest.approx(expected.min(), abs=2e-3)
        assert slope["max"] == pytest.approx(expected.max(), abs=2e-3)
        assert slope["mean"] == pytest.approx(expected.mean(), abs=2e-3)
        classes = entry["outputs"]["classes"]["bands"]["B0"]["stats"]
        assert (classes["min"], classes["max"]) == (4.0, 9.0)


@pytest.mark.parametrize("resampling", ["BILINEAR", "BICUBIC"])
def test_classes_are_taken_as_they_are(engine: Engine, resampling: str):
    source = {"type": "sentinel-2-l2a", "processing": {"upsampling": resampling, "downsampling": resampling}}
    bins = {"classes": {"histograms": {"default": {"bins": list(range(12))}}}}
    plain = engine.answers(wish(SCRIPT, calculations=bins, resx=3.3, resy=3.3), PARCELS)
    smooth = engine.answers(wish(SCRIPT, source, calculations=bins, resx=3.3, resy=3.3), PARCELS)
    for parcel in PARCELS:
        one, other = (each[parcel.id]["response"]["data"][0]["outputs"] for each in (plain, smooth))
        assert one["classes"] == other["classes"]
        assert one["bands"]["bands"]["slope"] != other["bands"]["bands"]["slope"]


def truth(parcel: Parcel, epsg: int, body: dict[str, object]) -> np.ndarray:
    """The slope at each sample's centre."""
    assert parcel.geometry is not None
    shape = reproject(parcel.geometry, epsg)
    place = place_of(shape, shape.bounds, f"EPSG:{epsg}", body["aggregation"])  # type: ignore[arg-type]
    x, y = Transformer.from_crs(epsg, EPSG, always_xy=True).transform(place.xs, place.ys)
    columns, rows = (x - WEST) / 10 - 0.5, (NORTH - y) / 10 - 0.5
    return (LEVEL + ACROSS * columns + DOWN * rows)[place.inside]
