"""Sample centres in the image's CRS, against PROJ at every sample."""

from __future__ import annotations

import math

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS, Transformer

from arpent.domain.grid import Grids, Size
from arpent.raster.reproject import Reprojection, to_pixels
from arpent.raster.sampling_plan import SamplingPlan
from tests.support.cogs import UTM, all_inside, boxes_site, centres

TOLERANCE = 2.5e-6
"""Metres: a quarter of a millionth of a 10 m pixel."""


def utm_boxes(crs: CRS, sides: list[float]) -> list[list[float]]:
    """Boxes of these sides, in metres, round a place in zone 33, as bounds in another CRS."""
    way = Transformer.from_crs(UTM, crs, always_xy=True)
    left, bottom = 520000.0, 5080000.0
    return [list(way.transform_bounds(left, bottom, left + side, bottom + 0.7 * side)) for side in sides]


@pytest.mark.parametrize("code", [4326, 3794, 3035, 3857, 32632])
def test_every_sample_is_where_proj_says(code: int) -> None:
    crs = CRS.from_epsg(code)
    sampling = boxes_site(utm_boxes(crs, [40, 200, 700, 3000, 9000]), 20.0 if code != 4326 else 2e-4, crs)
    x, y = Reprojection(crs, sampling.grids, UTM, TOLERANCE).coordinates(sampling.samples)
    truth = Transformer.from_crs(crs, UTM, always_xy=True).transform(*centres(sampling))
    assert max(np.abs(x - truth[0]).max(), np.abs(y - truth[1]).max()) <= 4 * TOLERANCE


def test_a_feature_too_big_and_too_coarse_for_patches_is_exact() -> None:
    crs = CRS.from_epsg(4326)
    grids = Grids.over(np.array([[5.0, 40.0, 25.0, 60.0]]), Size(width=12, height=9))
    sampling = SamplingPlan(crs=crs, grids=grids, samples=all_inside(grids))
    x, y = Reprojection(crs, grids, UTM, TOLERANCE).coordinates(sampling.samples)
    np.testing.assert_array_equal((x, y), Transformer.from_crs(crs, UTM, always_xy=True).transform(*centres(sampling)))


def test_where_proj_has_no_answer_the_sample_is_nowhere() -> None:
    crs = CRS.from_epsg(4326)
    sampling = boxes_site([[14.0, 89.0, 15.0, 91.0], [14.0, 46.0, 14.001, 46.001]], 1e-4 * 5, crs)
    x, _ = Reprojection(crs, sampling.grids, CRS.from_epsg(3857), TOLERANCE).coordinates(sampling.samples)
    assert np.isfinite(x[sampling.samples.offsets[1] :]).all()


def test_the_same_crs_is_computed_directly_whatever_its_axis_order_is_called() -> None:
    sampling = boxes_site([[14.0, 46.0, 14.01, 46.01]], 1e-4, CRS.from_user_input("OGC:CRS84"))
    x, y = Reprojection(sampling.crs, sampling.grids, CRS.from_epsg(4326), 1e-9).coordinates(sampling.samples)
    np.testing.assert_array_equal((x, y), centres(sampling))


def test_a_sample_on_a_pixels_edge_stays_on_it() -> None:
    transform = Affine(60.0, 0.0, 499980.0, 0.0, -60.0, 5100000.0)
    x = 499980.0 + 60.0 * np.arange(2000)
    columns, rows = to_pixels(transform, (x, 5100000.0 - 60.0 * np.arange(2000)))
    np.testing.assert_array_equal(columns, np.arange(2000))
    np.testing.assert_array_equal(rows, np.arange(2000))


def test_a_rotated_image_is_undone() -> None:
    transform = Affine.translation(100.0, 200.0) @ Affine.rotation(30.0) @ Affine.scale(10.0, -10.0)
    columns, rows = to_pixels(transform, tuple(np.array([value]) for value in transform @ (3.5, 7.25)))
    assert math.isclose(columns[0], 3.5)
    assert math.isclose(rows[0], 7.25)
