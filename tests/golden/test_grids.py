"""Published grids and masks of the real service (sentinelhub.md 4)."""

from __future__ import annotations

import json

import numpy as np
import pytest
import shapely
from pyproj import CRS

from arpent.domain.feature import Features
from arpent.domain.grid import Grids, Resolution, Size
from arpent.wire.request.parse import parse_statistical
from arpent.zonal.pixel_coverage import pixel_coverage
from tests.support.mask import grid_of, inside
from tests.support.published import Case, one_test_each
from tests.unit.wire.bodies import REMOVE, STATISTICAL, text


def feature(crs: str, polygon: shapely.Geometry) -> Features:
    return Features(crs=CRS(crs), ids=np.array([1]), identifiers=(None,), geometries=np.array([polygon], object))


@one_test_each("grid_and_mask")
def test_pixels_inside_a_polygon(case: Case):
    wish, expected = case["input"], case["expected"]
    polygon = shapely.from_geojson(json.dumps(wish["geometry"]))
    features = feature(wish["crs"], polygon)
    grids = Grids.over(features.bounds, Resolution(x=wish["resx"], y=wish["resy"]))
    samples = pixel_coverage(features, grids)
    width, height = int(grids.width[0]), int(grids.height[0])
    assert (width, height) == (expected["width"], expected["height"])
    assert width * height == expected["sampleCount"]
    assert len(samples) == expected["insidePixels"] == expected["sampleCount"] - expected["noDataCount"]
    assert len(samples) == expected.get("geometryPixelCount", len(samples))
    # which pixels they are, by the slow reference
    assert grid_of(polygon.bounds, wish) == (width, height)
    marked = np.zeros((height, width), bool)
    marked[samples.rows, samples.columns] = True
    assert np.array_equal(marked, inside(polygon, polygon.bounds, width, height))


@one_test_each("bbox_grid")
def test_pixels_of_a_box(case: Case):
    wish, expected = case["input"], case["expected"]
    features = feature(wish["crs"], shapely.box(*wish["bbox"]))
    grids = Grids.over(np.array([wish["bbox"]], np.float64), Resolution(x=wish["resx"], y=wish["resy"]))
    assert (int(grids.width[0]), int(grids.height[0])) == (expected["width"], expected["height"])
    assert int(grids.sample_count[0]) == expected["sampleCount"]
    assert int(grids.sample_count[0] - pixel_coverage(features, grids).counts[0]) == expected["noDataCount"]


@one_test_each("grid_side")
def test_a_side_is_rounded(case: Case):
    extent = case["input"]["extentInPixels"]
    grids = Grids.over(np.array([[0.0, 0.0, extent * 10, 10.0]]), Resolution(x=10.0, y=10.0))
    assert grids.width.tolist() == [case["expected"]["pixels"]]


@one_test_each("size")
def test_a_fraction_of_a_pixel_is_cut_off(case: Case):
    changes = {f"aggregation.{name}": REMOVE for name in ("resx", "resy")}
    sides = {f"aggregation.{name}": side for name, side in case["input"].items()}
    assert parse_statistical(text(STATISTICAL, changes | sides)).sampling == Size(**case["expected"])


@pytest.mark.parametrize(("extent", "samples"), [(0.2, 1), (2.5, 3)])
def test_sides_that_nobody_published(extent: float, samples: int):
    grids = Grids.over(np.array([[0.0, 0.0, extent, 10.0]]), Resolution(x=1.0, y=10.0))
    assert grids.width.tolist() == [samples]
