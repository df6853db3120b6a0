"""Which features can have numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shapely
from pyproj import CRS

from arpent.domain.feature import Features
from arpent.domain.grid import Grids, PixelRule, Resolution
from arpent.domain.result import ErrorType
from arpent.engine.geometry_checks import as_failures, check_geometries, usable_rows

SQUARE = shapely.box(0, 0, 100, 100)
BOW_TIE = shapely.Polygon([(0, 0), (100, 100), (100, 0), (0, 100)])
WIDE = shapely.box(0, 0, 25_010, 10)


def of(*geometries: shapely.Geometry | None) -> Features:
    return Features(
        crs=CRS.from_epsg(32633),
        ids=np.arange(len(geometries), dtype=np.int64),
        identifiers=(None,) * len(geometries),
        geometries=np.array(geometries, object),
    )


def found_in(features: Features, sampling: Resolution) -> dict[int, tuple[str, str]]:
    return check_geometries(features, Grids.over(features.bounds, sampling))


def test_each_kind_has_a_reason_and_the_good_ones_stay():
    features = of(SQUARE, None, shapely.Polygon(), shapely.Point(1, 1), BOW_TIE, WIDE, shapely.MultiPolygon([SQUARE]))
    found = found_in(features, Resolution(x=10, y=10))
    assert {row: kind for row, (kind, _) in found.items()} == {
        1: "empty",
        2: "empty",
        3: "not-a-polygon",
        4: "invalid",
        5: "too-large",
    }
    assert "2501 x 1" in found[5][1]
    assert "Self-intersection" in found[4][1]
    assert usable_rows(features, found).tolist() == [0, 6]


def test_a_failure_is_the_callers_to_mend():
    failure = as_failures(found_in(of(None), Resolution(x=10, y=10)))[0]
    assert failure.type is ErrorType.BAD_REQUEST
    assert "empty" in failure.message


def test_the_largest_grid_is_allowed():
    assert found_in(of(shapely.box(0, 0, 25_000, 10)), Resolution(x=10, y=10)) == {}


@pytest.mark.parametrize("side", [1e30, 1e300, 1.7e308])
def test_a_grid_beyond_counting_is_too_large(side: float):
    found = found_in(of(SQUARE, shapely.box(-side, -side, side, side)), Resolution(x=1e-3, y=1e-3))
    assert found[1][0] == "too-large"


def test_what_cannot_be_read_says_why():
    features = replace(of(SQUARE, None, None), flaws={1: "The geometry is a TIN."})
    found = found_in(features, Resolution(x=10, y=10))
    assert found[1] == ("unreadable", "The geometry is a TIN.")
    assert found[2][0] == "empty"
    assert as_failures(found)[1].kind == "unreadable"


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_coordinates_that_are_no_numbers(odd: float):
    shape = shapely.set_coordinates(shapely.box(0, 0, 1, 1), [(0, 0), (100, 0), (odd, 100), (0, 100), (0, 0)])
    found = found_in(of(SQUARE, shape, SQUARE), Resolution(x=10, y=10))
    assert {row: kind for row, (kind, _) in found.items()} == {1: "no-position"}


@pytest.mark.parametrize("big", [1e17, -1e17, 1e300, -1e300, 1.7e308])
def test_coordinates_beyond_all_measure(big: float):
    shape = shapely.box(min(0.0, big), 0, max(0.0, big), 10)
    found = found_in(of(SQUARE, shape, SQUARE), Resolution(x=10, y=10))
    assert {row: kind for row, (kind, _) in found.items()} == {1: "too-large"}


def test_a_comb_is_not_made_smaller_for_minutes():
    teeth = np.column_stack((np.arange(20_000) * 0.05, np.tile([10.0, 1000.0], 10_000)))
    comb = shapely.Polygon([*teeth.tolist(), (1000.0, 0.0), (0.0, 0.0)])
    lake = shapely.Point(0, 0).buffer(5000, 2000)
    features = of(comb, lake, SQUARE)
    grids = Grids.over(features.bounds, Resolution(x=10, y=10))
    assert check_geometries(features, grids) == {}
    found = check_geometries(features, grids, PixelRule(inner=20.0))
    assert {row: kind for row, (kind, _) in found.items()} == {0: "too-intricate"}
    assert "smaller by 20 metres" in found[0][1]
