"""GeoPackages that compute what they hold, or hold what overflows a stack: refused by name, before any library runs."""

from __future__ import annotations

import sqlite3
import struct
import time
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import shapely

from arpent.adapters.formats.geopackage import read_feature, read_features
from arpent.adapters.formats.wkb import MOST_LEVELS, flaw_of
from arpent.domain.errors import FeaturesUnreadable

HANG = 20.0
SQUARE = shapely.box(10.0, 50.0, 10.1, 50.2)
RECURSIVE = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT (n+1) % 1000000007 FROM c)"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """One feature in the table `parcels`, and the database open to harm."""
    path = tmp_path / "parcels.gpkg"
    pyogrio.raw.write(
        path, geometry=shapely.to_wkb(np.array([SQUARE], object)), field_data=[np.array(["a"], object)],
        fields=["identifier"], geometry_type="Unknown", crs="EPSG:4326", layer="parcels", driver="GPKG",
    )  # fmt: skip
    return path


def harm(path: Path, *statements: str) -> None:
    database = sqlite3.connect(path)
    for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        database.execute(f'DROP TRIGGER "{name}"')
    for statement in statements:
        database.execute(statement)
    database.commit()
    database.close()


def as_view(select: str) -> tuple[str, ...]:
    """The feature table renamed, and a view in its place."""
    return ("ALTER TABLE parcels RENAME TO store", f"CREATE VIEW parcels AS {select}")


GENERATED = (
    "CREATE TABLE other (fid INTEGER PRIMARY KEY, identifier TEXT, source BLOB,"
    " geom BLOB GENERATED ALWAYS AS (zeroblob(900000000)) VIRTUAL)"
)
HARMS: dict[str, tuple[tuple[str, ...], str]] = {
    "a view that never ends": (
        as_view(f"{RECURSIVE} SELECT fid, geom, 'x' AS identifier FROM store WHERE (SELECT count(*) FROM c) = 1"),
        "view",
    ),
    "a recursive view": (as_view(f"{RECURSIVE} SELECT n AS fid, geom, 'x' AS identifier FROM c, store"), "recursive"),
    "all pairs": (as_view("SELECT a.fid, a.geom, 'x' AS identifier FROM store a, store b, store c"), "one table"),
    "a union": (as_view("SELECT fid, geom, identifier FROM store UNION ALL SELECT 9, geom, 'x' FROM store"), "one tab"),
    "a huge blob": (as_view("SELECT fid, zeroblob(900000000) AS geom, identifier FROM store"), "zeroblob"),
    "a huge text": (as_view("SELECT fid, geom, printf('%900000000d', 1) AS identifier FROM store"), "printf|format"),
    "a random blob": (as_view("SELECT fid, randomblob(900000000) AS geom, identifier FROM store"), "randomblob"),
    "numbers without end": (as_view("SELECT value AS fid, NULL AS geom FROM generate_series(1, 9e18)"), "series"),
    "a query in a column": (
        as_view("SELECT fid, geom, (SELECT group_concat(name) FROM sqlite_master) AS identifier FROM store"), "view",
    ),
    "a computed geometry": (
        ("ALTER TABLE parcels RENAME TO store", GENERATED.replace(" other ", " parcels "),
         "INSERT INTO parcels (fid, identifier) VALUES (1, 'a')"), "GENERATED",
    ),
    "a computed identifier": (
        ("ALTER TABLE parcels DROP COLUMN identifier",
         "ALTER TABLE parcels ADD COLUMN identifier TEXT AS (printf('%900000000d', fid)) VIRTUAL"), "GENERATED",
    ),
    "a view over a computed column": (
        (GENERATED, "INSERT INTO other (fid) VALUES (1)", *as_view("SELECT fid, geom, identifier FROM other")),
        "GENERATED",
    ),
    "a virtual table": (
        ("ALTER TABLE parcels RENAME TO store", "CREATE VIRTUAL TABLE parcels USING fts5(fid, geom, identifier)"),
        "virtual table",
    ),
    "a contents table that never ends": (
        ("ALTER TABLE gpkg_contents RENAME TO store",
         f"CREATE VIEW gpkg_contents AS {RECURSIVE} SELECT store.* FROM store, c"), "'gpkg_contents' is not a table",
    ),
    "a list of columns that never ends": (
        ("ALTER TABLE gpkg_geometry_columns RENAME TO store",
         f"CREATE VIEW gpkg_geometry_columns AS {RECURSIVE} SELECT store.* FROM store, c"), "gpkg_geometry_columns",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HARMS)
def test_what_computes_is_refused_by_name(path: Path, name: str) -> None:
    statements, words = HARMS[name]
    harm(path, "PRAGMA legacy_alter_table=ON", *statements)
    began = time.monotonic()
    with pytest.raises(FeaturesUnreadable, match=words):
        list(read_features(path))
    with pytest.raises(FeaturesUnreadable, match=words):
        read_feature(path, 1)
    assert time.monotonic() - began < HANG


VIEWS = {
    "some columns": "SELECT fid, geom, identifier FROM store",
    "some rows": "SELECT fid, geom, upper(identifier) AS identifier FROM store WHERE fid IS NOT NULL",
    "some rows by key, in order": "SELECT fid, geom, identifier FROM store WHERE fid > 0 ORDER BY identifier",
    "an attribute by key": (
        "SELECT store.fid, store.geom, names.name AS identifier FROM store JOIN names ON names.fid = store.fid"
    ),
}


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_that_selects_is_read(path: Path, name: str) -> None:
    table = ("CREATE TABLE names (fid INTEGER PRIMARY KEY, name TEXT)", "INSERT INTO names VALUES (1, 'A')")
    harm(path, "PRAGMA legacy_alter_table=ON", *table, *as_view(VIEWS[name]))
    (features,) = read_features(path)
    assert [str(each).upper() for each in features.identifiers] == ["A"]
    assert features.geometries[0].equals(SQUARE)


def test_a_computed_column_that_nobody_reads_does_no_harm(path: Path) -> None:
    harm(path, "ALTER TABLE parcels ADD COLUMN big TEXT AS (printf('%900000000d', fid)) VIRTUAL")
    (features,) = read_features(path)
    assert features.identifiers == ("a",)


# ---- geometries


def nested(levels: int, kind: int = 7, order: str = "<") -> bytes:
    """A polygon in so many collections of one member each."""
    header = struct.pack(order + "BII", order == "<", kind, 1)
    return header * levels + SQUARE.wkb


def blob(wkb: bytes) -> bytes:
    return b"GP\0\1" + struct.pack("<i", 4326) + wkb


@pytest.mark.parametrize("kind", [4, 5, 6, 7, 9, 10, 11, 12, 1007, 3006, 7 | 0x80000000])
@pytest.mark.parametrize("order", ["<", ">"])
def test_whatever_can_hold_others_can_be_too_deep(kind: int, order: str) -> None:
    """All but 1007 and the like were seen to end the process, by a stack overflow in GEOS."""
    assert "nested too deep" in str(flaw_of(nested(100_000, kind, order)))
    assert flaw_of(nested(MOST_LEVELS // 2, kind, order)) is None


def test_depth_hidden_behind_other_parts() -> None:
    """The deep one comes last, after points, lines and polygons with holes of every dimension."""
    shapes = [
        shapely.Point(1, 2), shapely.Point(1, 2, 3), shapely.LineString([(0, 0), (1, 1)]),
        SQUARE.buffer(1).difference(SQUARE), shapely.MultiPolygon([SQUARE, SQUARE.buffer(2)]), shapely.Polygon(),
    ]  # fmt: skip
    parts = [shapely.to_wkb(shape, flavor=flavor) for shape in shapes for flavor in ("iso", "extended")]
    parts.append(shapely.to_wkb(shapely.set_srid(shapely.Point(1, 2), 4326), include_srid=True, flavor="extended"))
    for last, flaw in ((nested(1000), True), (nested(3), False)):
        whole = struct.pack("<BII", 1, 7, len(parts) + 1) + b"".join(parts) + last
        assert (flaw_of(whole) is not None) is flaw


def test_a_byte_order_that_is_none_is_that_of_the_parent() -> None:
    """As in GEOS: read with another order the counts would hide the depth."""
    big = struct.pack(">BII", 0, 7, 1)
    strange = struct.pack(">BII", 9, 7, 1)
    assert flaw_of(big + strange * 1000 + SQUARE.wkb) is not None


@pytest.mark.parametrize("wkb", [b"", b"\1", nested(1000)[:-60][:5000], b"\1\7\0\0\0\377\377\377\377" + bytes(900)])
def test_bytes_that_make_no_sense_end_the_walk(wkb: bytes) -> None:
    flaw_of(wkb)


def test_a_deep_feature_fails_alone(path: Path) -> None:
    database = sqlite3.connect(path)
    for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        database.execute(f'DROP TRIGGER "{name}"')
    database.execute("INSERT INTO parcels (geom, identifier) VALUES (?, 'deep')", (blob(nested(100_000)),))
    database.execute("INSERT INTO parcels (geom, identifier) VALUES (?, 'c')", (blob(SQUARE.wkb),))
    database.commit()
    database.close()
    (features,) = read_features(path)
    assert features.identifiers == ("a", "deep", "c")
    assert features.geometries[0].equals(SQUARE)
    assert features.geometries[2].equals(SQUARE)
    assert features.geometries[1] is None
    assert list(features.flaws) == [2]
    assert "nested too deep" in features.flaws[2]
    one = read_feature(path, 2)
    assert one is not None
    assert one.flaws == features.flaws
    assert features.take(np.array([0, 2])).flaws == {}
    assert features.take(np.array([1])).flaws == features.flaws
