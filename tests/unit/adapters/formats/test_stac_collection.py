"""Where the features of a job lie, as its STAC collection says it."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from pyproj import CRS

from arpent.adapters.formats.job_files.stac_collection import CELLS, WORLD, _box
from arpent.domain.feature import Features
from arpent.raster.footprints.reach import geographic

MANY = 2 * CELLS * CELLS


def features(geometries: np.ndarray, crs: str) -> Features:
    return Features(
        crs=CRS(crs), ids=np.arange(len(geometries)), identifiers=(None,) * len(geometries), geometries=geometries
    )


@pytest.mark.parametrize("count", [1, 50, MANY])
@pytest.mark.parametrize(("crs", "scale", "origin"), [("EPSG:32633", 100_000, (5e5, 5e6)), ("EPSG:4326", 1, (15, 45))])
def test_the_box_holds_all_features_and_little_else(count: int, crs: str, scale: float, origin: tuple[float, float]):
    random = np.random.default_rng(count)
    corners = np.array(origin) + random.uniform(0, scale, (count, 2))
    places = features(shapely.box(*corners.T, *(corners + scale / 1000).T), crs)
    each = geographic(places.bounds, places.crs)
    exact = np.array([*each[:, :2].min(axis=0), *each[:, 2:].max(axis=0)])
    found = np.array(_box(places))
    outwards = (exact - found) * [1, 1, -1, -1]
    assert (outwards >= -1e-9).all()
    assert (outwards <= 0.003 * np.tile(exact[2:] - exact[:2], 2)).all()


def test_places_beyond_all_measure_leave_the_rest():
    corners = np.array([[5e5, 5e6]] * MANY + [[-1e17, -1e17], [1e17, 1e17], [np.nan, 0.0]])
    with np.errstate(all="ignore"):
        shapes = shapely.box(*corners.T, *(corners + 10).T)
    west, south, east, north = _box(features(shapes, "EPSG:32633"))
    assert 14.9 < west < east < 15.1
    assert 45.1 < south < north < 45.2


def test_features_without_a_place_may_lie_anywhere():
    assert _box(features(np.array([None, shapely.Polygon()], np.object_), "EPSG:32633")) == list(WORLD)
