"""GeoPackage schema: checks tables before GDAL opens the file, so that reading them runs no computations that the file
defines."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from arpent.domain.errors import FeaturesUnreadable

SECONDS = 20.0
"""Time limit of the check, which reads the schema and a few rows of the GeoPackage's own tables."""
STEPS = 10_000
"""Steps of SQLite's virtual machine between two checks of the time."""
MOST_OBJECTS = 10_000
"""Maximum number of tables, views, indices and triggers."""
MOST_LENGTH = 64 << 20
"""Maximum bytes of a text or blob of the schema, and of a row."""
FUNCTIONS = frozenset(
    {
        "abs", "ceil", "ceiling", "coalesce", "floor", "ifnull", "iif", "instr", "length", "like", "lower", "ltrim",
        "max", "min", "nullif", "round", "rtrim", "substr", "substring", "trim", "typeof", "upper",
    }
)  # fmt: skip
"""Functions that a view may use: their result is no longer than their arguments."""
GENERATED = frozenset({2, 3})
"""Values of `hidden` in PRAGMA table_xinfo that mean a generated column."""

WAY_OUT = "Write the features into a table, with geopandas: frame.to_file('parcels.gpkg', driver='GPKG')."


def check_tables(path: Path, wanted: frozenset[str] | None = frozenset({"identifier"})) -> None:
    """Check that the GeoPackage's own tables and the feature tables are plain. Virtual tables, computed columns and
    views are refused, except views that select rows of one table, joined with others by their primary key. `wanted`:
    the columns that will be read in addition to the geometries, in lower case; None: all. Raises FeaturesUnreadable,
    naming the table."""
    try:
        with _opened(path) as database:
            kinds = _kinds(database)
            for name, (kind, text) in kinds.items():
                if name.startswith("gpkg_") and (kind != "table" or _is_virtual(text)):
                    raise FeaturesUnreadable(f"The GeoPackage is damaged: {name!r} is not a table. {WAY_OUT}")
            for layer, geometry in _layers(database) if "gpkg_geometry_columns" in kinds else ():
                kind, text = kinds.get(layer.lower(), ("", ""))
                if kind == "view":
                    _check_view(database, layer, kinds)
                elif kind:
                    _check_table(database, layer, None if wanted is None else wanted | {geometry.lower()}, text)
    except (sqlite3.Error, UnicodeDecodeError) as error:  # its messages quote the file
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
            reason = f"checking its tables takes longer than {SECONDS:g} s"
            raise FeaturesUnreadable(f"The GeoPackage cannot be read: {reason}. {WAY_OUT}") from None
        raise FeaturesUnreadable(
            f"The GeoPackage is damaged: its schema cannot be read ({_shortened(error)})."
        ) from None


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    end = time.monotonic() + SECONDS
    address = f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1"
    with closing(sqlite3.connect(address, uri=True)) as database:
        database.set_progress_handler(lambda: time.monotonic() > end, STEPS)
        database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MOST_LENGTH)
        database.text_factory = lambda text: text.decode("utf-8", "replace")
        database.execute("PRAGMA trusted_schema=OFF")
        yield database


def _kinds(database: sqlite3.Connection) -> dict[str, tuple[str, str]]:
    """Name in lower case → (table or view, its SQL)."""
    rows = database.execute("SELECT type, name, sql FROM sqlite_master LIMIT ?", (MOST_OBJECTS + 1,)).fetchall()
    if len(rows) > MOST_OBJECTS:
        raise FeaturesUnreadable(f"The GeoPackage has more than {MOST_OBJECTS} tables and indices. {WAY_OUT}")
    return {str(name).lower(): (str(kind), str(text or "")) for kind, name, text in rows if kind in ("table", "view")}


def _layers(database: sqlite3.Connection) -> list[tuple[str, str]]:
    """Feature tables with their geometry columns."""
    found = database.execute("SELECT table_name, column_name FROM gpkg_geometry_columns LIMIT ?", (MOST_OBJECTS,))
    return [(str(table), str(column)) for table, column in found]


def _check_table(database: sqlite3.Connection, table: str, columns: frozenset[str] | None, text: str) -> None:
    """Refuse a virtual table, and computed columns. `columns`: names of the columns that are read, in lower case; None:
    any, because a view may read them under other names."""
    if _is_virtual(text):
        raise FeaturesUnreadable(f"The table {table!r} is a virtual table, which is not supported. {WAY_OUT}")
    for row in database.execute(f"PRAGMA table_xinfo({_quoted(table)})"):
        if row[6] in GENERATED and (columns is None or str(row[1]).lower() in columns):
            raise FeaturesUnreadable(
                f"The column {row[1]!r} of the table {table!r} is computed (GENERATED), which is not supported. "
                f"{WAY_OUT}"
            )


def _check_view(database: sqlite3.Connection, view: str, kinds: dict[str, tuple[str, str]]) -> None:
    """Check a view with SQLite's authorizer and query plan, without running it."""
    faults: list[str] = []
    tables: set[str] = set()

    def authorize(action: int, one: str | None, two: str | None, _database: str | None, _origin: str | None) -> int:
        if action == sqlite3.SQLITE_RECURSIVE:
            faults.append("is recursive")
        elif action == sqlite3.SQLITE_FUNCTION and str(two).lower() not in FUNCTIONS:
            faults.append(f"calls {two}()")
        elif action == sqlite3.SQLITE_READ and one is not None:
            tables.add(one)
        return sqlite3.SQLITE_OK

    database.set_authorizer(authorize)
    try:
        plan = [str(row[3]) for row in database.execute(f"EXPLAIN QUERY PLAN SELECT * FROM {_quoted(view)}")]
    finally:
        database.set_authorizer(None)
    steps = [step for step in plan if not step.startswith("USE TEMP B-TREE FOR ORDER BY")]
    joins = [step for step in steps if step.startswith("SEARCH ") and step.endswith("PRIMARY KEY (rowid=?)")]
    reads = [step for step in steps if step.startswith(("SCAN ", "SEARCH ")) and step not in joins]
    if len(reads) > 1 or len(reads) + len(joins) != len(steps) or not steps or "CONSTANT ROW" in str(reads):
        faults.append("does more than select rows of one table")
    if faults:
        raise FeaturesUnreadable(
            f"The feature table {view!r} is a view that {faults[0]}; only views that select rows of one table are "
            f"supported. {WAY_OUT}"
        )
    for table in sorted(tables - {view}):
        if kinds.get(table.lower(), ("table", ""))[0] == "table":
            _check_table(database, table, None, kinds.get(table.lower(), ("", ""))[1])


def _is_virtual(text: str) -> bool:
    return text.lstrip().upper().startswith("CREATE VIRTUAL")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _shortened(error: sqlite3.Error | UnicodeDecodeError) -> str:
    return str(error) if isinstance(error, sqlite3.Error) else "it holds text that is not UTF-8"
