"""Published grids and masks of the real service (FACTS 4)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import shapely
from pyproj import CRS

from arpent.domain.feature import Features
from arpent.domain.grid import Grids, Resolution, Size
from arpent.zonal.pixel_coverage import pixel_coverage
from tests.support.published import cases


def test_grids_and_masks(shared_reference: Path):
    for case in cases(shared_reference, "grid_and_mask"):
        wish, expected = case["input"], case["expected"]
        polygon = shapely.from_geojson(json.dumps(wish["geometry"]))
        sampling = (
            Resolution(x=wish["resx"], y=wish["resy"])
            if "resx" in wish
            else Size(width=int(wish["width"]), height=int(wish["height"]))
        )
        features = Features(
            crs=CRS(wish["crs"]), ids=np.array([1]), identifiers=(None,), geometries=np.array([polygon], object)
        )
        grids = Grids.over(features.bounds, sampling)
        samples = pixel_coverage(features, grids)
        assert int(samples.counts[0]) == expected["insidePixels"], case["id"]
        assert int(grids.sample_count[0]) == expected["sampleCount"], case["id"]
        for side in ("width", "height"):
            if side in expected:
                assert int(getattr(grids, side)[0]) == expected[side], case["id"]


def test_boxes(shared_reference: Path):
    for case in cases(shared_reference, "bbox_grid"):
        wish, expected = case["input"], case["expected"]
        box = np.array([wish["bbox"]], np.float64)
        grids = Grids.over(box, Resolution(x=wish["resx"], y=wish["resy"]))
        features = Features(
            crs=CRS(wish["crs"]), ids=np.array([1]), identifiers=(None,), geometries=shapely.box(*box.T)
        )
        assert (int(grids.width[0]), int(grids.height[0])) == (expected["width"], expected["height"])
        assert int(grids.sample_count[0] - pixel_coverage(features, grids).counts[0]) == expected["noDataCount"]


@pytest.mark.parametrize(("extent", "samples"), [(65.53, 66), (5.34, 5), (11.63, 12), (0.2, 1), (2.5, 3)])
def test_sides_are_rounded(extent: float, samples: int):
    grids = Grids.over(np.array([[0.0, 0.0, extent, 10.0]]), Resolution(x=1.0, y=10.0))
    assert grids.width.tolist() == [samples]
