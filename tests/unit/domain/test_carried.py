"""Geometries that were just read from WKB are passed on as that WKB."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import shapely
from pyproj import CRS

from arpent.adapters.database.work.payload import pack, unpack
from arpent.domain.boundary.measures import COLUMNS, measures_of
from arpent.domain.feature import Features, joined_features
from arpent.domain.grid import Grids, Resolution
from arpent.engine.geometry_checks import check_geometries

FEATURES = Features(
    crs=CRS.from_epsg(32633),
    ids=np.array([3, 4, 5]),
    identifiers=("a", None, "c"),
    geometries=np.array([shapely.box(0, 0, 1, 1), None, shapely.box(2, 2, 3, 4)], object),
)


def test_what_was_unpacked_is_not_written_again(monkeypatch: pytest.MonkeyPatch) -> None:
    payload = pack(FEATURES)
    unpacked = unpack(payload)
    monkeypatch.setattr(shapely, "to_wkb", None)
    assert pack(unpacked) == payload
    again = pickle.loads(pickle.dumps(unpacked))
    assert [None if each is None else each.wkt for each in again.geometries] == [
        None if each is None else each.wkt for each in FEATURES.geometries
    ]


def test_what_was_read_in_parts_is_not_written_again(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = unpack(pack(FEATURES))
    whole.parse()
    parts = [whole.take(np.array([0, 1])), whole.take(np.array([2]))]
    monkeypatch.setattr(shapely, "to_wkb", None)
    assert pack(joined_features(parts)) == pack(whole)


def test_some_of_them_carry_nothing_stale() -> None:
    unpacked = unpack(pack(FEATURES))
    some = unpacked.take(np.array([2]))
    assert pickle.loads(pickle.dumps(some)).geometries[0].equals(FEATURES.geometries[2])
    moved = unpacked.reshaped(FEATURES.geometries[::-1].copy(), CRS.from_epsg(32634))
    assert pickle.loads(pickle.dumps(moved)).geometries[0].equals(FEATURES.geometries[2])
    assert (moved.crs.to_epsg(), moved.identifiers) == (32634, FEATURES.identifiers)


def test_nothing_is_parsed_by_whoever_only_checks_and_cuts(monkeypatch: pytest.MonkeyPatch) -> None:
    given = FEATURES.checked()
    unpacked = unpack(pack(given, measured=True))
    monkeypatch.setattr(shapely, "from_wkb", None)
    grids = Grids.over(unpacked.bounds, Resolution(x=1, y=1))
    assert check_geometries(unpacked, grids) == check_geometries(given, grids)
    some = joined_features([unpacked.renamed(("x", "y", "z")).take(np.array([2, 0])), unpacked.take(np.array([1]))])
    assert np.array_equal(some.bounds, given.bounds[[2, 0, 1]], equal_nan=True)
    again = pickle.loads(pickle.dumps(unpack(pack(some))))
    assert (again.ids.tolist(), again.identifiers) == ([5, 3, 4], ("z", "x", None))
    monkeypatch.undo()
    assert shapely.equals(again.geometries[:2], FEATURES.geometries[[2, 0]]).all()
    assert again.geometries[2] is None


def test_measures_are_those_of_the_geometries() -> None:
    unpacked = unpack(pack(FEATURES, measured=True))
    parsed = unpack(pack(FEATURES))
    for features in (unpacked, unpacked.take(np.arange(3)), pickle.loads(pickle.dumps(unpacked)), parsed):
        for name in COLUMNS:
            found, wanted = getattr(features.measured, name), getattr(measures_of(FEATURES.geometries), name)
            assert np.array_equal(found, wanted, equal_nan=True), name
    moved = unpacked.checked().reshaped(FEATURES.geometries[::-1].copy())
    assert moved.valid is None
    assert np.array_equal(moved.bounds, FEATURES.bounds[::-1], equal_nan=True)
    assert np.array_equal(moved.measured.areas, [2, np.nan, 1], equal_nan=True)


def test_a_name_that_features_do_not_have_is_an_error() -> None:
    with pytest.raises(AttributeError, match="geometry"):
        _ = unpack(pack(FEATURES)).geometry  # type: ignore[attr-defined]


def test_rings_are_cut_out_as_they_would_be_found() -> None:
    holed = shapely.Polygon([(0, 0), (9, 0), (9, 9), (0, 9)], [[(1, 1), (2, 1), (2, 2)], [(4, 4), (5, 4), (5, 5)]])
    parts = shapely.MultiPolygon([shapely.box(0, 0, 1, 1), holed.buffer(0.5)])
    shapes = np.array([holed, None, parts, shapely.Point(1, 1), shapely.box(2, 2, 3, 4)], object)
    whole = Features(crs=CRS.from_epsg(32633), ids=np.arange(5), identifiers=("a",) * 5, geometries=shapes)
    for rows in (np.array([4, 0, 2, 2]), np.array([1, 3]), np.array([], np.intp), np.arange(5)):
        for cut, found in zip(whole.take(rows, rings=True).rings, whole.take(rows).rings, strict=True):
            np.testing.assert_array_equal(cut, found)
