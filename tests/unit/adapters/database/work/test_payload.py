"""Features of every kind are equal after packing and unpacking."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
import shapely
from pyproj import CRS

from arpent.adapters.database.work.payload import pack, unpack
from arpent.domain.feature import Features

OWN_CRS = CRS.from_proj4("+proj=laea +lat_0=47 +lon_0=13.3 +x_0=1 +y_0=2 +ellps=GRS80 +units=m +no_defs")


@pytest.mark.parametrize("crs", [CRS("EPSG:32633"), CRS("EPSG:4326"), CRS("OGC:CRS84"), CRS("EPSG:3035"), OWN_CRS])
def test_nothing_changes(crs: CRS) -> None:
    ring = [(0.1, 0.2), (1 / 3, 0.2), (1 / 3, 9.0), (0.1, 0.2)]
    geometries = [
        shapely.Polygon(ring),
        None,
        shapely.Polygon(),
        shapely.MultiPolygon([shapely.box(0, 0, 1, 1), shapely.box(5, 5, 6, 6)]),
        shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)]),  # a bow tie
        shapely.Point(1, 2, 3),
    ]
    features = Features(
        crs=crs,
        ids=np.array([5, -1, 2**40, 7, 8, 9], np.int64),
        identifiers=("é ☃", None, "", "a\0b", "x" * 999, "y"),
        geometries=np.array(geometries, np.object_),
    )
    again = unpack(pack(features))
    assert again.crs == crs
    assert again.ids.tolist() == features.ids.tolist()
    assert again.ids.dtype == np.int64
    assert again.identifiers == features.identifiers
    assert shapely.to_wkb(again.geometries).tolist() == shapely.to_wkb(features.geometries).tolist()


def test_no_features_are_fine() -> None:
    none = Features(
        crs=CRS("EPSG:4326"), ids=np.array([], np.int64), identifiers=(), geometries=np.array([], np.object_)
    )
    assert len(unpack(pack(none))) == 0


def test_it_is_compact() -> None:
    boxes = shapely.box(np.arange(1000.0), 0, np.arange(1000.0) + 1, 1)
    features = Features(crs=CRS("EPSG:32633"), ids=np.arange(1000), identifiers=("a",) * 1000, geometries=boxes)
    assert len(pack(features)) < 1000 * (93 + 30) + 4000  # WKB of a box is 93 bytes


def test_pickles_are_refused() -> None:
    buffer = BytesIO()
    np.savez(buffer, geometry=np.array([object()], object))
    with pytest.raises(ValueError, match="pickle"):
        unpack(buffer.getvalue())
