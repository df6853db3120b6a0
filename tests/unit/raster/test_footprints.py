"""Which features a footprint meets: the short cut over groups says what every polygon by itself would say."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from pyproj import CRS, Transformer

from arpent.domain.grid import Grids
from arpent.raster.footprints import Reach

WGS84 = CRS.from_epsg(4326)


def _triangles(random: np.random.Generator, count: int, middle: tuple[float, float], spread: float) -> np.ndarray:
    """Small triangles, neighbours side by side; their boxes reach beyond them."""
    places = np.sort(random.random((count, 2)), axis=0) * spread + middle
    corners = places[:, np.newaxis] + random.random((count, 3, 2)) * spread / 20
    return np.asarray(shapely.polygons(corners), object)


def _reach(crs: CRS, shapes: np.ndarray) -> Reach:
    bounds = shapely.bounds(shapes)
    ones = np.ones(len(shapes), np.int64)
    return Reach(crs, Grids(bounds=bounds, width=ones, height=ones), shapes)


@pytest.mark.parametrize("epsg", [32633, 3035, 2154, 4326])
def test_groups_and_polygons_agree(epsg: int):
    random = np.random.default_rng(epsg)
    crs = CRS.from_epsg(epsg)
    there = Transformer.from_crs(4326, crs, always_xy=True)
    middle = there.transform(14.0, 46.5)
    shapes = _triangles(random, 3000, middle, 1.2 if epsg == 4326 else 90_000)
    reach = _reach(crs, shapes)
    back = Transformer.from_crs(crs, 4326, always_xy=True).transform
    truth = shapely.transform(shapes, lambda xy: np.column_stack(back(xy[:, 0], xy[:, 1])))
    some = 0
    for _ in range(20):
        middle = shapely.total_bounds(truth).reshape(2, 2).mean(axis=0)
        turn = np.sort(random.random(9)) * 2 * np.pi
        outline = middle + random.random() * 1.5 * np.column_stack((np.cos(turn), 0.7 * np.sin(turn)))
        footprint = shapely.make_valid(shapely.Polygon(outline))
        expected = shapely.intersects(footprint, truth)
        some += 0 < expected.sum() < 3000
        np.testing.assert_array_equal(reach.of(footprint), expected)
    assert some > 5


def test_the_box_holds_everything():
    shapes = _triangles(np.random.default_rng(4), 2000, (400_000.0, 5_000_000.0), 100_000)
    back = Transformer.from_crs(32633, 4326, always_xy=True).transform
    truth = shapely.transform(shapes, lambda xy: np.column_stack(back(xy[:, 0], xy[:, 1])))
    west, south, east, north = _reach(CRS.from_epsg(32633), shapes).box
    least = shapely.total_bounds(truth)
    assert west <= least[0]
    assert south <= least[1]
    assert north >= least[3]
    assert east >= least[2]
    assert east - west < 1.1 * (least[2] - least[0])


def test_the_antimeridian_and_unknown_footprints_leave_no_feature_out():
    bounds = np.array([[832_000.0, 0, 836_000, 4000], [500_000, 0, 501_000, 1000]])
    boxes = np.asarray(shapely.box(*bounds.T), object)
    reach = _reach(CRS.from_epsg(32660), boxes)
    assert reach.of(None).all()
    assert reach.of(shapely.box(-180, -90, 180, 90)).all()
    assert reach.of(shapely.Polygon()).all()
    assert reach.of(shapely.box(179.99, -1, 180, 1)).tolist() == [True, False]
    assert reach.box[2] - reach.box[0] > 350


def test_features_without_an_answer_from_proj_are_everywhere_but_ask_for_nothing():
    shapes = np.asarray(shapely.box(*np.array([[1e30, 1e30, 1.1e30, 1.1e30], [5e5, 5e6, 5.001e5, 5.0001e6]]).T), object)
    reach = _reach(CRS.from_epsg(32633), shapes)
    assert np.allclose(reach.box, (15.0, 45.15, 15.0, 45.15), atol=0.01)
    assert reach.of(shapely.box(100, 0, 110, 10)).tolist() == [True, False]
