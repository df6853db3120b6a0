"""Bounds of the synchronous request: CRS names, boxes, GeoJSON (sentinelhub.md 2.1)."""

from __future__ import annotations

from typing import Any

import pytest
import shapely
from pyproj import CRS

from arpent.domain.crs import code
from arpent.domain.errors import InvalidRequest
from arpent.wire.request.bounds import bounds, polygons, reference_system
from arpent.wire.request.schema import BoundsEntry

SQUARE = [[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]


@pytest.mark.parametrize(
    ("name", "epsg"),
    [
        (None, 4326),
        ("http://www.opengis.net/def/crs/OGC/1.3/CRS84", 4326),
        ("https://www.opengis.net/def/crs/OGC/1.3/CRS84", 4326),
        ("http://www.opengis.net/def/crs/EPSG/0/4326", 4326),
        ("http://www.opengis.net/def/crs/EPSG/0/32633", 32633),
        ("EPSG:3794", 3794),
    ],
)
def test_names_of_reference_systems(name: str | None, epsg: int) -> None:
    assert code(reference_system(name)) == epsg


def test_the_default_is_longitude_first() -> None:
    assert reference_system(None) == CRS.from_authority("OGC", "CRS84")


@pytest.mark.parametrize(
    "name",
    ["", "WGS84", "EPSG:27700", "EPSG:999999", "EPSG:\uff13\uff12\uff16\uff13\uff13", "http://example.org/32633"],
)
def test_names_refused(name: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        reference_system(name)
    assert caught.value.violations[0][0] == "input->bounds->properties->crs"


def test_polygons() -> None:
    hole = [[0.2, 0.2], [0.4, 0.2], [0.4, 0.4], [0.2, 0.2]]
    polygon = polygons({"type": "Polygon", "coordinates": [SQUARE, hole]})
    assert shapely.area(polygon) == pytest.approx(0.98)
    many = polygons({"type": "MultiPolygon", "coordinates": [[[[x + 2, y, 7.5] for x, y in SQUARE]], [SQUARE]]})
    assert shapely.bounds(many).tolist() == [0, 0, 3, 1]
    assert not shapely.has_z(many)


@pytest.mark.parametrize(
    ("geometry", "parameter"),
    [
        ({"type": "GeometryCollection", "geometries": []}, "geometry->type"),
        ({"type": "Feature"}, "geometry->type"),
        ({}, "geometry->type"),
        ({"type": "Polygon"}, "geometry->coordinates"),
        ({"type": "Polygon", "coordinates": []}, "geometry->coordinates"),
        ({"type": "Polygon", "coordinates": [[]]}, "geometry->coordinates->0"),
        ({"type": "Polygon", "coordinates": [SQUARE[:-1]]}, "geometry->coordinates->0"),
        ({"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [0, 0]]]}, "geometry->coordinates->0"),
        ({"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [2, 2], [0, 0]], 5]}, "geometry->coordinates->1"),
        ({"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [2, 0], [0, 0]]]}, "geometry->coordinates"),
        ({"type": "Polygon", "coordinates": [[[0, 0], [1, "x"], [1, 1], [0, 0]]]}, "geometry->coordinates->0->1"),
        ({"type": "Polygon", "coordinates": [[[0, 0], [10**400, 1], [1, 1], [0, 0]]]}, "geometry->coordinates->0->1"),
        ({"type": "MultiPolygon", "coordinates": [[SQUARE], [SQUARE[:-1]]]}, "geometry->coordinates->1->0"),
    ],
)
def test_geometries_refused(geometry: dict[str, Any], parameter: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        polygons(geometry)
    assert caught.value.violations[0][0] == f"input->bounds->{parameter}"


@pytest.mark.parametrize(
    ("entry", "parameter"),
    [
        ({}, "input->bounds"),
        ({"bbox": [0, 0, 1]}, "input->bounds->bbox"),
        ({"bbox": [1, 0, 0, 1]}, "input->bounds->bbox"),
        ({"bbox": [45, 100, 46, 101]}, "input->bounds->bbox"),
        ({"bbox": [414315, 4958219, 414859, 4958819]}, "input->bounds->bbox"),
    ],
)
def test_bounds_refused(entry: dict[str, Any], parameter: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        bounds(BoundsEntry.model_validate(entry))
    assert caught.value.violations[0][0] == parameter


def test_box_and_geometry_may_stand_together() -> None:
    entry = {"bbox": [0, 0, 2, 2], "geometry": {"type": "Polygon", "coordinates": [SQUARE]}}
    found = bounds(BoundsEntry.model_validate(entry))
    assert found.box == (0.0, 0.0, 2.0, 2.0)
    assert found.geometry is not None
