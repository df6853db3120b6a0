"""The oracle's polygon rule against published counts and cases checkable by hand."""

from __future__ import annotations

import shapely
from shapely.geometry import shape

from tests.support.mask import grid_of, inside
from tests.support.published import Case, one_test_each


def test_a_box_on_its_grid_fills_it() -> None:
    assert inside(shapely.box(0, 0, 30, 20), (0, 0, 30, 20), 3, 2).all()


def test_a_sliver_of_a_pixel_does_not_count() -> None:
    seven = shapely.box(0, 0, 1 + 7 / 256, 1 / 8)  # 7 sub-columns on one scan line of the second pixel
    six = shapely.box(0, 0, 1 + 6 / 256, 1 / 8)
    assert inside(seven, (0, 0, 2, 1), 2, 1).tolist() == [[True, True]]
    assert inside(six, (0, 0, 2, 1), 2, 1).tolist() == [[True, False]]


def test_a_hole_is_outside_and_row_zero_is_the_north() -> None:
    frame = shapely.box(0, 0, 3, 3).difference(shapely.box(1, 1, 2, 3))
    assert inside(frame, (0, 0, 3, 3), 3, 3).tolist() == [[True, False, True], [True, False, True], [True] * 3]


def test_the_parts_of_a_multipolygon_all_count() -> None:
    parts = shapely.MultiPolygon([shapely.box(0, 0, 1, 1), shapely.box(2, 0, 3, 1)])
    assert inside(parts, (0, 0, 3, 1), 3, 1).tolist() == [[True, False, True]]


def test_grids_round_half_up_and_have_at_least_one_sample() -> None:
    assert grid_of((0, 0, 65.53, 4.9), {"resx": 10, "resy": 10}) == (7, 1)
    assert grid_of((0, 0, 25, 1), {"resx": 10, "resy": 10}) == (3, 1)
    assert grid_of((0, 0, 1, 1), {"width": 11.9, "height": 3}) == (11, 3)


@one_test_each("grid_and_mask")
def test_published_counts(case: Case) -> None:
    polygon, expected = shape(case["input"]["geometry"]), case["expected"]
    width, height = grid_of(polygon.bounds, case["input"])
    assert (width, height) == (expected["width"], expected["height"])
    count = int(inside(polygon, polygon.bounds, width, height).sum())
    assert count == expected["sampleCount"] - expected["noDataCount"]
