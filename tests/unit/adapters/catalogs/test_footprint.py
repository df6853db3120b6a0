"""Footprints as catalogues write them where the globe goes round: all come to the same ground."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import shapely

from arpent.adapters.catalogs.footprint import footprint_of
from arpent.raster.footprints.antimeridian import around

GROUND = shapely.union(shapely.box(179, -17, 180, -16), shapely.box(-180, -17, -179.5, -16))
SHAPE = {"proj:epsg": 32760, "proj:shape": [10980, 10980], "proj:transform": [10, 0, 799980, 0, -10, 8_200_000]}


def ring(*points: tuple[float, float]) -> list[list[float]]:
    return [list(point) for point in (*points, points[0])]


def item(*rings: Any, kind: str = "Polygon", **properties: Any) -> dict[str, Any]:
    return {"geometry": {"type": kind, "coordinates": list(rings)}, "properties": properties, "assets": {}}


SPLIT = item(
    [ring((179, -17), (180, -17), (180, -16), (179, -16))],
    [ring((-180, -17), (-179.5, -17), (-179.5, -16), (-180, -16))],
    kind="MultiPolygon",
)


@pytest.mark.parametrize(
    "document",
    [
        SPLIT,
        item(ring((179, -17), (180.5, -17), (180.5, -16), (179, -16))),
        item(ring((-181, -17), (-179.5, -17), (-179.5, -16), (-181, -16))),
        item(ring((539, -17), (540.5, -17), (540.5, -16), (539, -16))),
        item(ring((179, -17), (-179.5, -17), (-179.5, -16), (179, -16))),
        item(ring((-179.5, -17), (-179.5, -16), (179, -16), (179, -17))),
    ],
    ids=["split", "beyond 180", "beyond -180", "once round", "jumping", "jumping the other way"],
)
def test_the_same_ground(document: dict[str, Any]) -> None:
    found = footprint_of(document)
    ground = found.ground if found.likely is None else found.likely
    assert shapely.area(shapely.symmetric_difference(ground, GROUND)) < 1e-9
    if found.likely is not None:
        assert shapely.covers(found.ground, shapely.box(0, -16.9, 1, -16.1)), "all that may be meant"


def test_holes_stay_with_their_shell() -> None:
    hole = ring((-179.9, -16.8), (-179.9, -16.2), (-179.7, -16.2), (-179.7, -16.8))
    found = footprint_of(item(ring((179, -17), (180.5, -17), (180.5, -16), (179, -16)), hole))
    assert shapely.area(found.ground) == pytest.approx(1.5 - 0.2 * 0.6)


def test_a_ring_round_a_pole_holds_it() -> None:
    found = footprint_of(item(ring((0, 80), (90, 81), (180, 80), (-90, 81))))
    ground = found.likely
    assert ground is not None
    assert shapely.covers(ground, shapely.Point(45, 89.9))
    assert shapely.covers(ground, shapely.Point(-135, 89.9))
    assert not shapely.intersects(ground, shapely.Point(0, 75))


def test_parts_that_overlap_leave_no_hole() -> None:
    found = footprint_of(
        item([ring((0, 0), (2, 0), (2, 2), (0, 2))], [ring((1, 1), (3, 1), (3, 3), (1, 3))], kind="MultiPolygon")
    )
    assert shapely.area(found.ground) == pytest.approx(7)
    assert shapely.covers(found.ground, shapely.box(1.2, 1.2, 1.8, 1.8))


def test_a_ring_that_overlaps_itself_leaves_no_hole() -> None:
    found = footprint_of(item(ring((0, 0), (10, 0), (10, 3), (2, 3), (2, -2), (4, -2), (4, 5), (0, 5))))
    assert shapely.covers(found.ground, shapely.box(2.1, 0.1, 3.9, 2.9))


@pytest.mark.parametrize("width", [2, 30, 170, 179.9, 400])
@pytest.mark.parametrize("kind", ["Polygon", "MultiPolygon", "GeometryCollection"])
def test_tangled_lines_take_no_time(kind: str, width: float) -> None:
    """Corners at random: to untangle them would take hours. All that they can mean is what lies between them."""
    random = np.random.default_rng(7)
    tangles = [
        ring(*(random.uniform(-1, 1, (800, 2)) * (width, 80)).tolist()) for _ in range(1 if kind == "Polygon" else 3)
    ]
    document = item([tangles[0]], *([each] for each in tangles[1:]), kind="MultiPolygon")
    if kind == "Polygon":
        document = item(*tangles)
    if kind == "GeometryCollection":
        polygons = [{"type": "Polygon", "coordinates": [each]} for each in tangles]
        inner = {"type": "GeometryCollection", "geometries": polygons[1:]}
        document["geometry"] = {"type": kind, "geometries": [polygons[0], inner]}
    found = footprint_of(document)
    assert shapely.is_valid(found.ground)
    assert shapely.covers(found.ground, shapely.box(-1, -50, 1, 50))


def test_the_world_stays_the_world() -> None:
    found = footprint_of(item(ring((-180, -90), (180, -90), (180, 90), (-180, 90))))
    assert shapely.area(found.ground) == 360 * 180


FLAT = [
    {"type": "Point", "coordinates": [179.5, -16.5]},
    {"type": "LineString", "coordinates": [[179.1, -16.8], [179.9, -16.2]]},
    {"type": "Polygon", "coordinates": [ring((179, -17), (179.5, -17), (179.9, -17))]},
    {"type": "GeometryCollection", "geometries": []},
]


@pytest.mark.parametrize("geometry", FLAT, ids=lambda geometry: geometry["type"])
def test_what_is_no_area_is_not_the_footprint(geometry: dict[str, Any]) -> None:
    """A tool wrote the middle of each image: few fields hold it, and the others would lose their image in silence."""
    with pytest.raises(ValueError, match="covers no area"):
        footprint_of({"geometry": geometry, "properties": {}, "assets": {}})
    found = footprint_of({"geometry": geometry, "properties": SHAPE, "assets": {}})
    assert shapely.area(found.ground) > 0.9


@pytest.mark.parametrize("where", ["properties", "asset"])
def test_the_projection_decides_between_two_ways(where: str) -> None:
    """A tile of UTM 60 S whose footprint is told as its box: the whole parallel."""
    document = item(ring((-180, -17), (180, -17), (180, -16), (-180, -16)))
    if where == "properties":
        document["properties"] = SHAPE
    else:
        document["assets"] = {"red": {"href": "a.tif", **SHAPE, "proj:code": "EPSG:32760", "proj:epsg": None}}
    found = footprint_of(document)
    assert found.likely is None
    west, south, east, north = shapely.bounds(found.ground)
    assert (west, east) == (-180, 180)
    assert shapely.area(found.ground) == pytest.approx(1.02, abs=0.05)
    assert not shapely.intersects(found.ground, shapely.box(-179, -20, 179, 20))
    assert -17.5 < south < north < -15


@pytest.mark.parametrize(
    "odd", [{"proj:epsg": "x"}, {"proj:shape": []}, {"proj:transform": [1, 2]}, {"proj:shape": "ab"}]
)
def test_a_projection_that_is_none_decides_nothing(odd: dict[str, Any]) -> None:
    assert footprint_of(item(ring((179, -17), (-179.5, -17), (-179.5, -16), (179, -16)), **SHAPE | odd)).likely


@pytest.mark.parametrize(
    ("arcs", "expected"),
    [
        ([(10, 20), (15, 30)], (10, 30)),
        ([(170, 175), (-175, -170)], (170, -170)),
        ([(179, 181)], (179, -179)),
        ([(-181, -179)], (179, -179)),
        ([(-170, -160), (160, 170)], (160, -160)),
        ([(-180, 180)], (-180, 180)),
        ([(0, 100), (90, 200), (190, 361)], (-180, 180)),
        ([(5, 5)], (5, 5)),
    ],
)
def test_the_shortest_arc_that_holds_all(arcs: list[tuple[float, float]], expected: tuple[float, float]) -> None:
    assert around(arcs) == expected
