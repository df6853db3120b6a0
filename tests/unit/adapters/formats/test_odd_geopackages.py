"""GeoPackages as old tools write them: one odd row costs itself, and is told by name."""

from __future__ import annotations

import re
import sqlite3
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import shapely

from arpent.adapters.formats.geopackage import read_feature, read_features
from arpent.domain.feature import Features

SQUARE = shapely.box(500_000, 5_000_000, 500_100, 5_000_100)
RING = [(500_000.0, 5_000_000.0), (500_100.0, 5_000_000.0), (500_050.0, 5_000_100.0), (500_000.0, 5_000_000.0)]


NOTHING = b"nothing"
"""Stands for no bytes."""


def write(path: Path, count: int, *changes: tuple[int, bytes], **columns: Sequence[object]) -> Path:
    """So many squares; then the geometries of some rows replaced by bytes: WKB, or a blob that begins with GP."""
    pyogrio.raw.write(
        path, geometry=shapely.to_wkb(np.array([SQUARE] * count, object)),
        field_data=[np.array(column, object if isinstance(column[0], str) else None) for column in columns.values()],
        fields=list(columns), layer="parcels", crs="EPSG:32633", geometry_type="Unknown", driver="GPKG",
    )  # fmt: skip
    sql(path, *(("UPDATE parcels SET geom = ? WHERE fid = ?", (blob(wkb), row)) for row, wkb in changes))
    return path


def blob(wkb: bytes) -> bytes:
    return b"" if wkb is NOTHING else wkb if wkb[:2] == b"GP" else b"GP\0\1" + struct.pack("<i", 32633) + wkb


def sql(path: Path, *statements: tuple[str, tuple[object, ...]]) -> None:
    database = sqlite3.connect(path)
    for (trigger,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        database.execute(f'DROP TRIGGER "{trigger}"')
    for statement, values in statements:
        database.execute(statement, values)
    database.commit()
    database.close()


def positions(points: Sequence[tuple[float, float]], kind: int) -> bytes:
    return struct.pack("<BII", 1, kind, len(points)) + b"".join(struct.pack("<2d", *point) for point in points)


def surface(points: Sequence[tuple[float, float]], kind: int = 3) -> bytes:
    """One ring."""
    ring = b"".join(struct.pack("<2d", *point) for point in points)
    return struct.pack("<BIII", 1, kind, 1, len(points)) + ring


def collection(kind: int, *parts: bytes) -> bytes:
    return struct.pack("<BII", 1, kind, len(parts)) + b"".join(parts)


def whole(path: Path) -> Features:
    (features,) = read_features(path)
    return features


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "parcels.gpkg"


CIRCLE = [(500_000.0, 5_000_000.0), (500_100.0, 5_000_100.0), (500_200.0, 5_000_000.0), (500_100.0, 4_999_900.0),
          (500_000.0, 5_000_000.0)]  # fmt: skip
ARC = positions(CIRCLE, 8)
CURVE = collection(10, ARC)


@pytest.mark.parametrize(
    ("wkb", "kind", "area"),
    [
        (CURVE, "Polygon", np.pi * 100**2),
        (collection(12, CURVE, surface([(x + 1000, y) for x, y in RING])), "MultiPolygon", np.pi * 100**2 + 5000),
        (collection(10, collection(9, ARC)), "Polygon", np.pi * 100**2),
        (ARC, "LineString", 0.0),
        (collection(11, ARC), "MultiLineString", 0.0),
        (collection(9, ARC), "LineString", 0.0),
    ],
    ids=["curve polygon", "multi-surface", "compound curve", "arc", "multi-curve", "compound"],
)
def test_curves_are_made_of_straight_pieces(path: Path, wkb: bytes, kind: str, area: float) -> None:
    features = whole(write(path, 3, (2, wkb)))
    assert features.geometries[[0, 2]].tolist() == [SQUARE, SQUARE]
    assert features.geometries[1].geom_type == kind
    assert shapely.area(features.geometries[1]) == pytest.approx(area, rel=2e-3)
    assert not features.flaws
    found = read_feature(path, 2)
    assert found is not None
    assert found.geometries[0] == features.geometries[1]


BROKEN = {
    "open ring": (surface(RING[:-1]), "rings is not closed"),
    "two points": (surface([RING[0], RING[1], RING[0]])[:-48] + surface([RING[0], RING[0]])[-32:], "bytes|ring"),
    "triangle": (surface(RING, 17), "a TRIANGLE"),
    "triangle with heights": (struct.pack("<BIII", 1, 1017, 1, 4) + bytes(4 * 24), "a TRIANGLE"),
    "polyhedral surface": (collection(15, surface(RING)), "a POLYHEDRALSURFACE"),
    "tin": (collection(16, surface(RING, 17)), "a TIN"),
    "cut off": (shapely.to_wkb(SQUARE)[:-20], "bytes"),
    "no such type": (struct.pack("<BI", 1, 99) + bytes(20), "cannot be read"),
    "noise": (b"\1\3\0\0\0" + b"\xff" * 30, "cannot be read"),
    "no blob of a GeoPackage": (b"GP", "not a geometry of a GeoPackage"),
    "no bytes at all": (NOTHING, "not a geometry of a GeoPackage"),
    "curve in a collection": (collection(7, CURVE), "a curve"),
    "curve cut off": (CURVE[:-8], "curve|cannot be read"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_read_is_called_by_its_name(path: Path, name: str) -> None:
    wkb, reason = BROKEN[name]
    features = whole(write(path, 3, (2, wkb)))
    assert features.geometries[[0, 2]].tolist() == [SQUARE, SQUARE]
    assert features.geometries[1] is None
    assert list(features.flaws) == [2]
    assert re.search(reason, features.flaws[2]), features.flaws[2]
    assert features.flaws[2].endswith(".")


def test_null_and_empty_are_not_broken(path: Path) -> None:
    empty = b"GP\0\x11" + struct.pack("<i", 32633) + shapely.to_wkb(shapely.Polygon())
    write(path, 3, (2, empty))
    sql(path, ("UPDATE parcels SET geom = NULL WHERE fid = 3", ()))
    features = whole(path)
    assert not features.flaws
    assert shapely.is_empty(features.geometries[1])
    assert features.geometries[2] is None


def test_an_identifier_that_is_not_utf_8(path: Path) -> None:
    write(path, 2, identifier=["a", "b"])
    sql(path, ("UPDATE parcels SET identifier = CAST(x'4c6fdf65' AS TEXT) WHERE fid = 2", ()))
    assert whole(path).identifiers == ("a", "Lo\ufffde")


@pytest.mark.parametrize(
    ("column", "odd", "expected"),
    [
        ([1, 2, 3], "A-17", ("1", "A-17", "3")),
        ([1.5, 2.0, 3.0], "x", ("1.5", "x", "3")),
        ([1, 2, 3], None, ("1", None, "3")),
        ([1, 2, 3], b"\xff7", ("1", "\ufffd7", "3")),
        (["a", "b", "c"], b"raw", ("a", "raw", "c")),
        (["a", "b", "c"], "a\0b", ("a", "a\ufffdb", "c")),
        ([1, 2, 3], "1\0b", ("1", "1\ufffdb", "3")),
    ],
)
def test_text_in_a_column_of_another_type(
    path: Path, column: list[object], odd: object, expected: tuple[str | None, ...]
) -> None:
    write(path, 3, identifier=column)
    sql(path, ("UPDATE parcels SET identifier = ? WHERE fid = 2", (odd,)))
    assert whole(path).identifiers == expected


def test_text_in_a_column_of_dates(path: Path) -> None:
    write(path, 2, identifier=np.array(["2023-01-01", "2023-01-02"], "datetime64[D]").tolist())
    sql(path, ("UPDATE parcels SET identifier = 'first of May' WHERE fid = 2", ()))
    first, second = whole(path).identifiers
    assert first is not None
    assert first.startswith("2023-01-01") or first.startswith("2023/01/01")
    assert second == "first of May"
