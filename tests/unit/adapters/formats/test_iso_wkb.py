"""WKB that is kept as a file has it is what shapely would write."""

from __future__ import annotations

import struct

import numpy as np
import pytest
import shapely

from arpent.adapters.formats.geometries import geometries_of, iso_wkb

SQUARE = shapely.box(0, 0, 1, 1)
HOLED = shapely.Polygon([(0, 0), (9, 0), (9, 9), (0, 9)], [[(1, 1), (2, 1), (2, 2)], [(4, 4), (5, 4), (5, 5)]])
SEVENTH = shapely.Polygon([(0, 0), (7, 1), (1, -0.0)])
with np.errstate(invalid="ignore"):
    NOWHERE = shapely.from_wkb(shapely.to_wkb(SEVENTH).replace(struct.pack("<d", 7), struct.pack("<d", np.nan)))
SHAPES = (
    SQUARE,
    HOLED,
    shapely.MultiPolygon([SQUARE]),
    shapely.MultiPolygon([HOLED]),
    shapely.MultiPolygon([SQUARE, HOLED]),
    shapely.Polygon(),
    shapely.MultiPolygon(),
    NOWHERE,
    shapely.Point(1, 2),
    shapely.GeometryCollection([SQUARE]),
    shapely.force_3d(SQUARE, 7),
    shapely.MultiPolygon([shapely.force_3d(HOLED, 7)]),
)
FORMS = (
    {"byte_order": 1}, {"byte_order": 0}, {"flavor": "iso"}, {"include_srid": True},
)  # fmt: skip


def column(parts: list[bytes | None]) -> np.ndarray:
    found = np.empty(len(parts), object)
    found[:] = parts
    return found


@pytest.mark.parametrize("form", FORMS)
def test_every_form_comes_out_the_same(form: dict[str, object]) -> None:
    wkb = column([*shapely.to_wkb(shapely.set_srid(SHAPES, 32633), **form).tolist(), None, b"", b"\x01nothing"])
    with np.errstate(invalid="ignore"):
        geometries, _ = geometries_of(range(len(wkb)), wkb, lambda _: {})
        found = iso_wkb(wkb, geometries)
    assert found.tolist() == shapely.to_wkb(geometries, flavor="iso").tolist()


def test_plain_polygons_are_kept() -> None:
    wkb = column(shapely.to_wkb(SHAPES[:4]).tolist())
    geometries, _ = geometries_of(range(4), wkb, lambda _: {})
    assert all(one is other for one, other in zip(iso_wkb(wkb, geometries), wkb, strict=True))


def test_what_lies_behind_a_geometry_is_left_out() -> None:
    for shape in SHAPES[:4]:
        wkb = column([shapely.to_wkb(shape) + bytes(4 * count) for count in (1, 4)])
        geometries, _ = geometries_of(range(2), wkb, lambda _: {})
        assert iso_wkb(wkb, geometries).tolist() == [shapely.to_wkb(shape)] * 2


def test_a_part_in_the_other_byte_order_is_written_anew() -> None:
    inner = shapely.to_wkb(SQUARE, byte_order=0)
    wkb = column([struct.pack("<BII", 1, 6, 1) + inner])
    geometries, _ = geometries_of([0], wkb, lambda _: {})
    assert iso_wkb(wkb, geometries).tolist() == [shapely.to_wkb(shapely.MultiPolygon([SQUARE]))]
