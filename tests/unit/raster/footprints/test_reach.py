"""Which features a footprint meets: the short cut over groups says what every polygon by itself would say."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from pyproj import CRS, Transformer

from arpent.domain.grid import Grids
from arpent.raster.footprints.reach import Reach

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


def test_only_what_lies_at_an_edge_is_carried_to_degrees(monkeypatch: pytest.MonkeyPatch):
    """Features come block by block, and from north to south in a block, so that a group is a strip as wide as that."""
    random = np.random.default_rng(7)
    corners = random.random((3000, 1, 2)) * 10_000 + (500_000.0, 5_000_000.0) + random.random((3000, 3, 2)) * 100
    corners = corners[np.argsort(-corners[:, 0, 1])]
    reach = _reach(CRS.from_epsg(32633), np.asarray(shapely.polygons(corners), object))
    back = Transformer.from_crs(32633, 4326, always_xy=True).transform
    footprint = shapely.Polygon(
        np.column_stack(back(*zip((0, 0), (504_000, 0), (505_000, 6e6), (0, 6e6), strict=True)))
    )
    carried: list[int] = []
    monkeypatch.setattr(
        Reach, "_carried", lambda self, rows, plain=Reach._carried: (carried.append(len(rows)), plain(self, rows))[1]
    )
    truth = shapely.polygons(np.stack(back(corners[..., 0], corners[..., 1]), axis=-1))
    expected = shapely.intersects(footprint, truth)
    for _ in range(2):
        np.testing.assert_array_equal(reach.of(footprint), expected)
    assert 1000 < expected.sum() < 2000
    assert 0 < max(carried) < 400


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


def test_features_without_an_answer_from_proj_are_nowhere_and_ask_for_nothing():
    shapes = np.asarray(shapely.box(*np.array([[1e30, 1e30, 1.1e30, 1.1e30], [5e5, 5e6, 5.001e5, 5.0001e6]]).T), object)
    reach = _reach(CRS.from_epsg(32633), shapes)
    assert np.allclose(reach.box, (15.0, 45.15, 15.0, 45.15), atol=0.01)
    assert reach.of(shapely.box(100, 0, 110, 10)).tolist() == [False, False]
    assert reach.of(shapely.box(-180, -90, 180, 90)).tolist() == [False, True]
    assert _reach(CRS.from_epsg(32633), shapes[:1]).box == (0, 0, 0.001, 0.001)


FIJI = [
    shapely.box(832_000.0, 0, 836_000, 4000),  # across 180 degrees in UTM 60 N
    shapely.box(500_000.0, 0, 501_000, 1000),  # three degrees west of it
    shapely.box(900_000.0, 0, 901_000, 1000),  # beyond it
]


def test_features_across_180_degrees_meet_what_lies_there_and_nothing_else():
    reach = _reach(CRS.from_epsg(32660), np.array(FIJI, object))
    assert reach.of(None).all()
    assert reach.of(shapely.Polygon()).all()
    assert reach.of(shapely.box(-180, -90, 180, 90)).all()
    assert reach.of(shapely.box(179.99, -1, 180, 1)).tolist() == [True, False, False]
    assert reach.of(shapely.box(-180, -1, -179.99, 1)).tolist() == [True, False, False]
    assert reach.of(shapely.box(-179.5, -1, -179, 1)).tolist() == [False, False, True]
    assert reach.of(shapely.box(14, -1, 16, 1)).tolist() == [False, False, False]
    west, south, east, north = reach.box
    assert 176.9 < west < 177
    assert -179.5 < east < -179.3, "west > east: it passes 180"
    assert -0.01 < south < north < 0.1


@pytest.mark.parametrize("epsg", [4326, 3857])
def test_a_feature_cut_at_180_degrees_meets_what_its_parts_meet(epsg: int):
    there = Transformer.from_crs(4326, epsg, always_xy=True)

    def box(west: float, east: float) -> shapely.Geometry:
        west, south = there.transform(west, -17.1)
        east, north = there.transform(east, -16.9)
        return shapely.box(west, south, east, north)

    reach = _reach(CRS.from_epsg(epsg), np.array([shapely.union(box(179.9, 180), box(-180, -179.9))], object))
    assert reach.of(shapely.box(14, -17.1, 15, -16.9)).tolist() == [False]
    assert reach.of(shapely.box(179.95, -17.1, 180, -16.9)).tolist() == [True]
    assert reach.of(shapely.box(-180, -17.1, -179.95, -16.9)).tolist() == [True]


def test_a_feature_beyond_180_degrees_is_where_the_globe_goes_on():
    reach = _reach(WGS84, np.array([shapely.box(179.9, -1, 180.3, 1), shapely.box(-180.3, -1, -180.1, 1)], object))
    assert reach.of(shapely.box(-179.8, -1, -179, 1)).tolist() == [True, False]
    assert reach.of(shapely.box(179, -1, 179.85, 1)).tolist() == [False, True]
    assert reach.of(shapely.box(0, -1, 1, 1)).tolist() == [False, False]
    assert reach.box[0] > reach.box[2]


@pytest.mark.parametrize(("epsg", "pole"), [(3031, -90), (3413, 90), (3995, 90)])
def test_poles(epsg: int, pole: int):
    """One feature holds the pole, one lies at 45 degrees beside it, one spans 170 degrees of longitude near it."""
    crs = CRS.from_epsg(epsg)
    x, y = Transformer.from_crs(4326, crs, always_xy=True).transform(45.0, pole - np.sign(pole) * 5.0)
    features = [shapely.box(-2e4, -2e4, 2e4, 2e4), shapely.Point(x, y).buffer(1e4), shapely.box(1e3, -1e5, 3e4, 1e5)]
    reach = _reach(crs, np.array(features, object))
    back = Transformer.from_crs(crs, 4326, always_xy=True)
    near, far = sorted((float(pole), pole - float(np.sign(pole))))
    everywhere = shapely.box(-180, near, 180, far)
    assert reach.of(everywhere).tolist() == [True, False, True]
    assert reach.of(shapely.box(44.9, min(pole * 0.94, pole * 0.95), 45.1, max(pole * 0.94, pole * 0.95)))[1]
    for longitude in range(-180, 180, 15):
        spot = shapely.Point(longitude + 0.5, pole - np.sign(pole) * 0.3).buffer(0.05)
        there = Transformer.from_crs(4326, crs, always_xy=True).transform
        own = shapely.transform(spot, lambda xy: np.column_stack(there(xy[:, 0], xy[:, 1])))  # noqa: B023
        assert reach.of(spot).tolist() == shapely.intersects(own, np.array(features, object)).tolist()
    assert reach.box[0] == -180
    assert reach.box[2] == 180
    assert pole in (reach.box[1], reach.box[3])
    assert np.isfinite(back.transform(0, 0)).all()


def test_a_country_in_a_projection_of_its_continent_is_compared_there():
    """Its sides, straight in the projection, bend by more than a degree of latitude in degrees."""
    crs = CRS.from_epsg(3035)
    feature = shapely.box(3_000_000, 4_900_000, 6_000_000, 5_000_000)
    reach = _reach(crs, np.array([feature], object))
    there = Transformer.from_crs(4326, crs, always_xy=True).transform
    for longitude in np.arange(-15, 40, 2.5):
        for latitude in np.arange(64, 72, 0.25):
            spot = shapely.Point(longitude, latitude).buffer(0.1)
            own = shapely.transform(spot, lambda xy: np.column_stack(there(xy[:, 0], xy[:, 1])))
            assert reach.of(spot)[0] == shapely.intersects(own, feature)
