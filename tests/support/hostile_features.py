"""GeoPackages that crash or block their reader: generated, around one valid parcel."""

from __future__ import annotations

import sqlite3
import struct
from pathlib import Path

import shapely

from tests.support.parcels import EPSG, good_parcels, write_geopackage

LEVELS = 100_000
"""Collections inside one another; GEOS overflows its stack at some 50,000."""


def nested(path: Path) -> None:
    """The feature after the good one is collections of collections."""
    insert = "INSERT INTO {table} (rowid, {geometry}, identifier) VALUES (?, ?, 'deep')"
    _rewrite(path, (insert, (good_parcels(1)[0].id + 1, _blob(_deep()))))


def unending(path: Path) -> None:
    """The feature table is a view that never gives a row."""
    recursive = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT (n+1) % 1000000007 FROM c)"
    view = "CREATE VIEW {table} AS " + recursive + " SELECT * FROM store WHERE (SELECT count(*) FROM c WHERE n < 0) = 1"
    _rewrite(path, ("PRAGMA legacy_alter_table=ON", ()), ("ALTER TABLE {table} RENAME TO store", ()), (view, ()))


def _deep() -> bytes:
    return struct.pack("<BII", 1, 7, 1) * LEVELS + shapely.box(0, 0, 1, 1).wkb


def _blob(wkb: bytes) -> bytes:
    return b"GP\0\1" + struct.pack("<i", EPSG) + wkb


def _rewrite(path: Path, *statements: tuple[str, tuple[object, ...]]) -> None:
    write_geopackage(path, good_parcels(1))
    database = sqlite3.connect(path)
    ((table, geometry),) = database.execute("SELECT table_name, column_name FROM gpkg_geometry_columns").fetchall()
    for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        database.execute(f'DROP TRIGGER "{name}"')
    for statement, values in statements:
        database.execute(statement.format(table=table, geometry=geometry), values)
    database.commit()
    database.close()
