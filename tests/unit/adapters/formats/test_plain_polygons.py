"""What is taken for a plain polygon is one to GEOS, and the same bytes that shapely writes."""

from __future__ import annotations

import struct

import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS

from arpent.adapters.formats import plain_polygons
from arpent.adapters.formats.geometries import features_of_column, read_column
from arpent.adapters.formats.plain_polygons import MULTIPOLYGON, POLYGON, WkbColumn
from arpent.adapters.formats.wkb import MOST_GEOMETRY_BYTES, TOO_LARGE
from arpent.domain.boundary.measures import COLUMNS, measures_of
from arpent.domain.boundary.outlines import surely_valid
from arpent.domain.feature import Features

SQUARE = shapely.box(0, 0, 1, 1)
HOLED = shapely.Polygon([(0, 0), (9, 0), (9, -9), (0, 9)], [[(1, 1), (2, 1), (2, 2)], [(4, 4), (5, 4), (5, 5)]])
PLAIN = {
    shapely.to_wkb(SQUARE): POLYGON,
    shapely.to_wkb(HOLED): POLYGON,
    shapely.to_wkb(shapely.MultiPolygon([SQUARE])): MULTIPOLYGON,
    shapely.to_wkb(shapely.MultiPolygon([HOLED, SQUARE])): MULTIPOLYGON,
}
with np.errstate(invalid="ignore"):
    NOWHERE = shapely.to_wkb(SQUARE).replace(struct.pack("<d", 1), struct.pack("<d", np.nan))
OTHERS = (
    None,
    b"",
    b"\1",
    NOWHERE,
    shapely.to_wkb(SQUARE, byte_order=0),
    shapely.to_wkb(shapely.set_srid(SQUARE, 4326), include_srid=True),
    shapely.to_wkb(shapely.force_3d(SQUARE, 7)),
    shapely.to_wkb(shapely.Polygon()),
    shapely.to_wkb(shapely.MultiPolygon()),
    shapely.to_wkb(shapely.MultiPolygon([SQUARE, shapely.Polygon()])),
    shapely.to_wkb(shapely.GeometryCollection([SQUARE])),
    shapely.to_wkb(SQUARE.exterior),
    shapely.to_wkb(SQUARE)[:-1],
    shapely.to_wkb(SQUARE) + b"\0",
    struct.pack("<BIII", 1, 3, 1, 3) + struct.pack("<6d", 0, 0, 1, 1, 0, 0),
    struct.pack("<BIII", 1, 3, 1, 4) + struct.pack("<8d", 0, 0, 1, 1, 0, 1, 0, 2),
    struct.pack("<BIII", 1, 3, 1, 2**32 - 1) + bytes(64),
    struct.pack("<BII", 1, 6, 2**32 - 1) + shapely.to_wkb(SQUARE),
    struct.pack("<BII", 1, 3, 2**32 - 1) + bytes(64),
)


@pytest.fixture(autouse=True)
def _however_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_polygons, "FEW", 1)


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary()])
def test_kinds_and_boxes(kind: pa.DataType) -> None:
    rows = [*OTHERS, *PLAIN, *OTHERS[:2]]
    column = pa.array([b"before", *rows], kind).slice(1)
    found = WkbColumn(column=column).plain()
    assert found.kinds.tolist() == [PLAIN.get(row, 0) for row in rows]
    expected = [shapely.bounds(shapely.from_wkb(row)) if row in PLAIN else np.full(4, np.nan) for row in rows]
    assert np.array_equal(found.bounds, expected, equal_nan=True)
    assert not found.simple.any()


@pytest.mark.parametrize("rows", [[], [None], [None, b""]])
def test_nothing_to_find(rows: list[bytes | None]) -> None:
    assert WkbColumn(column=pa.array(rows, pa.binary())).plain().kinds.tolist() == [0] * len(rows)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_whatever_is_changed_what_is_plain_is_what_shapely_writes(data: st.DataObject) -> None:
    rows = []
    for whole in PLAIN:
        changed = bytearray(whole)
        for _ in range(data.draw(st.integers(0, 3))):
            changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
        rows.append(bytes(changed[: data.draw(st.sampled_from((None, None, len(changed) - 1, 20)))]))
    found = WkbColumn(column=pa.array(rows, pa.binary())).plain(checked=True)
    plain = np.flatnonzero(found.kinds)
    parsed = np.asarray(shapely.from_wkb([rows[row] for row in plain]), np.object_)
    assert shapely.to_wkb(parsed, flavor="iso").tolist() == [rows[row] for row in plain]
    expected, measures = measures_of(parsed), found.measures.take(plain)
    for name in COLUMNS:
        assert np.array_equal(getattr(measures, name), getattr(expected, name), equal_nan=name == "areas"), name
    assert found.simple[plain].tolist() == surely_valid(parsed).tolist()


def test_features_are_those_that_geos_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bow ties, spikes, holes and parts that overlap among them; without anything else they are not parsed."""
    rng = np.random.default_rng(7)
    stars = [shapely.Polygon(rng.random((corners, 2))) for corners in rng.integers(3, 160, 300)]
    hulls = [shapely.MultiPolygon([star.convex_hull]) for star in stars]
    holed = [shapely.Polygon(SQUARE.exterior, [[(2, 2), (x, 3), (3, y)]]) for x, y in rng.uniform(2, 14, (60, 2))]
    pairs = [shapely.MultiPolygon([one, other]) for one, other in zip(hulls[0].geoms, hulls[1].geoms, strict=True)]
    rows = shapely.to_wkb([*stars, *hulls, *holed, *pairs, *map(shapely.from_wkb, PLAIN)]).tolist()
    ids, column = np.arange(len(rows)), pa.array(rows, pa.binary())

    def read() -> Features:
        return features_of_column(CRS.from_epsg(32633), ids, (None,) * len(ids), column, lambda _: {})

    quick = read()
    assert "geometries" not in quick.__dict__
    monkeypatch.setattr(plain_polygons, "FEW", len(rows) + 1)
    slow = read()
    for name in COLUMNS:
        assert np.array_equal(getattr(quick.measured, name), getattr(slow.measured, name)), name
    one, other = quick.checked(), slow.checked()
    assert (one.validity.tolist(), one.flaws) == (other.validity.tolist(), other.flaws)
    assert 0 < one.validity.sum() < len(rows)
    assert one.as_wkb().tolist() == other.as_wkb().tolist() == rows
    assert shapely.equals_exact(quick.geometries, slow.geometries).all()


def test_columns_are_read_as_geos_reads_them(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [*PLAIN, *OTHERS] * 3
    ids, column = np.arange(len(rows)), pa.array(rows, pa.binary())
    with np.errstate(invalid="ignore"):
        quick = read_column(ids, column, lambda _: {})
        monkeypatch.setattr(plain_polygons, "FEW", len(rows) + 1)
        slow = read_column(ids, column, lambda _: {})
        assert shapely.to_wkb(quick[0]).tolist() == shapely.to_wkb(slow[0]).tolist()
    assert quick[1] == slow[1]
    assert quick[2].tolist() == slow[2].tolist()


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_what_a_file_calls_text_is_read_as_its_bytes(kind: pa.DataType) -> None:
    """A row must not be told by the bytes of another: what is nested too deep would reach GEOS."""
    rows = [*PLAIN, *OTHERS, (struct.pack("<BII", 1, 7, 1) * 100)] * 3
    ids, column = np.arange(len(rows)), pa.array(rows, pa.binary())
    large = column.cast(pa.large_binary()) if kind == pa.large_string() else column
    texts = pa.Array.from_buffers(kind, len(rows), large.buffers(), large.null_count)
    with np.errstate(invalid="ignore"):
        found, expected = (read_column(ids, each, lambda _: {}) for each in (texts, column))
    assert shapely.to_wkb(found[0]).tolist() == shapely.to_wkb(expected[0]).tolist()
    assert (found[1], found[2].tolist()) == (expected[1], expected[2].tolist())


def test_what_is_too_large_is_refused() -> None:
    count = MOST_GEOMETRY_BYTES // 16 + 1
    ring = np.zeros((count, 2))
    ring[1:-1] = np.random.default_rng(0).random((count - 2, 2))
    row = struct.pack("<BIII", 1, 3, 1, count) + ring.tobytes()
    _, flaws, _ = read_column(np.array([7]), pa.array([row], pa.binary()), lambda _: {})
    assert flaws == {7: TOO_LARGE.format(size=len(row), limit=MOST_GEOMETRY_BYTES)}
