"""Rings that share an edge: valid for our rule, and the samples of the whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import shapely
import shapely.affinity
from pyproj import CRS

from arpent.domain.boundary.outlines import DENSE, FEW_EDGES, is_dense, shrinks_soon
from arpent.domain.feature import Features
from arpent.domain.grid import Grids, Resolution
from arpent.zonal.pixel_coverage import pixel_coverage

LEFT, RIGHT = shapely.box(0, 0, 203, 200), shapely.box(203, 0, 400, 200)
ISLAND = shapely.box(50.3, 50.1, 120.7, 90.9)
RING = list(ISLAND.exterior.coords)
WITH_HOLE = shapely.Polygon(LEFT.exterior.coords, [RING])
TOUCHING = [(0, 50), (60, 50), (60, 90), (0, 90), (0, 50)]


def features(*geometries: shapely.Geometry) -> Features:
    return Features(
        crs=CRS.from_epsg(32633), ids=np.arange(len(geometries)), identifiers=(None,) * len(geometries),
        geometries=np.array(geometries, object),
    )  # fmt: skip


FITTING = {
    "two parts": (shapely.MultiPolygon([LEFT, RIGHT]), shapely.box(0, 0, 400, 200)),
    "an edge with a vertex between": (
        shapely.MultiPolygon([LEFT, shapely.box(203, 0, 400, 77.7), shapely.box(203, 77.7, 400, 200)]),
        shapely.box(0, 0, 400, 200),
    ),
    "an island in the hole it fills": (shapely.MultiPolygon([WITH_HOLE, ISLAND]), LEFT),
    "a hole along the border": (shapely.Polygon(LEFT.exterior.coords, [TOUCHING]), LEFT - shapely.Polygon(TOUCHING)),
    "two holes side by side": (
        shapely.Polygon(LEFT.exterior.coords, [RING, list(shapely.box(120.7, 50.1, 160, 90.9).exterior.coords)]),
        LEFT - shapely.box(50.3, 50.1, 160, 90.9),
    ),
}


@pytest.mark.parametrize("name", FITTING)
def test_the_samples_are_those_of_the_whole(name: str) -> None:
    pieces, whole = FITTING[name]
    assert not shapely.is_valid(pieces)
    found = features(pieces, whole)
    assert found.validity.all()
    one, other = (pixel_coverage(each, Grids.over(each.bounds, Resolution(x=10, y=10)))
                  for each in (features(pieces), features(whole)))  # fmt: skip
    assert len(one) > 100
    np.testing.assert_array_equal(one.columns, other.columns)
    np.testing.assert_array_equal(one.rows, other.rows)


@pytest.mark.parametrize(
    "geometry",
    [
        shapely.Polygon([(0, 0), (100, 100), (100, 0), (0, 100)]),
        shapely.MultiPolygon([LEFT, shapely.box(190, 0, 400, 200)]),
        shapely.MultiPolygon([LEFT, LEFT]),
        shapely.MultiPolygon([WITH_HOLE, shapely.box(40, 40, 60, 60)]),
        shapely.Polygon(LEFT.exterior.coords, [RING, RING]),
        shapely.Polygon(LEFT.exterior.coords, [list(shapely.box(150, 50, 250, 90).exterior.coords)]),
        shapely.set_coordinates(shapely.box(0, 0, 1, 1), [(0, 0), (np.nan, 1), (1, 1), (1, 0), (0, 0)]),
        shapely.Polygon([(0, 0), (1e300, 0), (1e300, 1e300), (0, 1e300), (1e301, 5), (0, 0)]),
        shapely.Polygon([(0, 0), (5, 5), (0, 0), (0, 0)]),
    ],
    ids=[
        "bow tie",
        "overlap",
        "twice",
        "island over the border",
        "hole twice",
        "hole outside",
        "nan",
        "huge",
        "no area",
    ],
)
def test_what_overlaps_stays_invalid(geometry: shapely.Geometry) -> None:
    assert not features(geometry).validity.any()


def comb(teeth: int, *, lying: bool = False) -> shapely.Polygon:
    """A valid polygon of 1,000 m with that many teeth."""
    left = np.arange(teeth) * (1000 / teeth)
    right = left + 500 / teeth
    low, high = np.full(teeth, 0.1), np.full(teeth, 1000.0)
    points = np.stack((np.stack((left, low), 1), np.stack((left, high), 1), np.stack((right, high), 1),
                       np.stack((right, low), 1)), 1).reshape(-1, 2)  # fmt: skip
    points = np.concatenate((points, [(1000.0, 0.1), (1000.0, 0.0), (0.0, 0.0)]))
    return shapely.Polygon(points[:, ::-1] if lying else points)


def test_edges_beside_each_other_are_not_compared_for_minutes() -> None:
    """GEOS compares each pair of edges whose boxes overlap; here these are all."""
    oblique = shapely.affinity.rotate(comb(12_000), 45)
    found = features(oblique, LEFT, comb(12_000)).checked()
    assert found.validity.tolist() == [False, True, True]
    assert found.flaws == {0: DENSE}


def test_an_outline_of_many_edges_is_checked() -> None:
    angles = np.linspace(0, 2 * np.pi, 100_000, endpoint=False)
    reach = 1000 + np.random.default_rng(1).uniform(0, 5, len(angles))
    outline = shapely.Polygon(np.column_stack((reach * np.cos(angles), reach * np.sin(angles))))
    assert features(outline).validity.all()


class CountingTree(shapely.STRtree):
    """A tree that knows for how many geometries it was asked."""

    asked = 0

    def query(self, geometry: Any, *rest: Any, **more: Any) -> Any:
        CountingTree.asked += len(geometry)
        return super().query(geometry, *rest, **more)


def test_a_sample_tells_that_an_outline_is_simple(monkeypatch: pytest.MonkeyPatch) -> None:
    """200 outlines of 100,000 corners took minutes: every edge was compared with all that lie beside it."""
    monkeypatch.setattr(shapely, "STRtree", CountingTree)
    monkeypatch.setattr(CountingTree, "asked", 0)
    assert not is_dense(shapely.Point(0, 0).buffer(1000, 25_000))
    assert 0 < CountingTree.asked <= 2 * 100_000 // 16 + 64


class HubFirst:
    """An order of chance in which the last edge but one comes first."""

    def permutation(self, count: int) -> Any:
        order = np.arange(count)
        order[[0, -2]] = order[[-2, 0]]
        return order


def test_one_edge_along_all_others_makes_no_outline_dense(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it was among the first that were looked at decided, by chance, whether its feature was valid."""
    along = np.linspace(0.0, 1e5, 40_000)
    coast = np.column_stack((along, along / 2 + 10 * np.sin(along / 5)))
    outline = shapely.Polygon([*coast, (1e5, 3e4), (0.0, -2e4)])
    monkeypatch.setattr(np.random, "default_rng", HubFirst)
    assert outline.is_valid
    assert not is_dense(outline, 400_000)


@pytest.mark.parametrize("teeth", [3_500, pytest.param(6_000, marks=pytest.mark.slow)])
def test_a_dense_part_of_a_large_outline_is_found(teeth: int) -> None:
    """However its edges are distributed: at least a few hundred of them are in the sample."""
    dense = shapely.affinity.translate(shapely.affinity.rotate(comb(teeth), 45), 5000, 5000)
    edges = shapely.MultiPolygon([shapely.Point(0, 0).buffer(1000, 100_000), dense])
    assert all(is_dense(edges) for _ in range(2))


def test_parts_that_cross_each_other_everywhere_are_refused() -> None:
    """Four million crossings: their union would take all memory."""
    crossed = features(shapely.MultiPolygon([comb(1000), comb(1000, lying=True)])).checked()
    assert not crossed.validity.any()
    assert "Self-intersection" in crossed.flaws[0]


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_an_outline_of_no_place_is_not_valid(number: float) -> None:
    """So many corners that their boxes are put into a tree first; without the odd number it is valid."""
    ring = np.array(shapely.segmentize(LEFT, 0.05).exterior.coords)
    assert len(ring) > FEW_EDGES
    assert features(shapely.Polygon(ring)).checked().validity.all()
    ring[1, 0] = number
    with np.errstate(invalid="ignore"):
        found = features(shapely.Polygon(ring)).checked()
    assert not found.validity.any()


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("distance", [1.0, 10.0])
def test_what_is_soon_made_smaller(turned: bool, distance: float) -> None:
    """However many corners; whichever way its rings turn."""
    turn = np.linspace(0, 2 * np.pi, 10_000, endpoint=False)
    shore = 2000 + 100 * np.sin(7 * turn) + np.random.default_rng(1).normal(0, 0.3, len(turn))
    ring = np.column_stack((shore * np.cos(turn), shore * np.sin(turn)))
    lake = shapely.Polygon(ring[::-1] if turned else ring, [shapely.Point(0, 0).buffer(500, 500).exterior.coords])
    assert shrinks_soon(lake, distance)
