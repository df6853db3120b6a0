"""GeoPackage rows: reads values that GDAL changes or drops as SQLite stores them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from arpent.domain.boundary.text import clean

_CHUNK = 500
"""Primary keys per query."""
_EMPTY = 0x10
"""Flag of an empty geometry in the fourth byte of a GeoPackage blob."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The feature table of one file. If SQLite raises an error, answers are empty, so that GDAL's values are used."""

    path: Path
    """Path of the file."""
    table: str
    """Name of the feature table."""
    key: str
    """Name of the primary key column."""

    def texts(self, column: str) -> dict[int, str]:
        """Primary key → text, for rows that store text in this column, whatever its declared type: SQLite does not
        enforce types."""
        name = _quoted(column)
        found = self._ask(
            f"SELECT {_quoted(self.key)}, CAST({name} AS BLOB) FROM {_quoted(self.table)} "
            f"WHERE typeof({name}) IN ('text', 'blob')"
        )
        return _decoded(found)

    def cut_off(self, column: str) -> dict[int, str]:
        """Primary key → text, for the rows whose text has a NUL, at which GDAL truncates it."""
        name = _quoted(column)
        found = self._ask(
            f"SELECT {_quoted(self.key)}, CAST({name} AS BLOB) FROM {_quoted(self.table)} "
            f"WHERE instr(CAST({name} AS BLOB), X'00') > 0"
        )
        return _decoded(found)

    def broken(self, column: str, keys: Sequence[int]) -> frozenset[int]:
        """Which of these rows hold something in a geometry column that is not an empty geometry."""
        name, key, found = _quoted(column), _quoted(self.key), []
        for start in range(0, len(keys), _CHUNK):
            some = ", ".join(str(int(each)) for each in keys[start : start + _CHUNK])
            found += self._ask(
                f"SELECT {key}, CAST(substr({name}, 1, 8) AS BLOB) FROM {_quoted(self.table)} "
                f"WHERE {key} IN ({some}) AND {name} IS NOT NULL"
            )
        return frozenset(int(row) for row, head in found if not _is_empty(head))

    def _ask(self, question: str) -> list[tuple[int, bytes | None]]:
        try:
            return list(self._answers(question))
        except (sqlite3.Error, OverflowError, ValueError):
            return []

    def _answers(self, question: str) -> Iterator[tuple[int, bytes | None]]:
        address = f"file:{quote(str(self.path.absolute()))}?mode=ro&immutable=1"
        with closing(sqlite3.connect(address, uri=True)) as database:
            database.execute("PRAGMA trusted_schema=OFF")
            yield from database.execute(question)


def _decoded(found: Iterable[tuple[int, bytes | None]]) -> dict[int, str]:
    return {int(key): clean(text.decode("utf-8", "replace")) for key, text in found if isinstance(text, bytes)}


def _is_empty(head: bytes | None) -> bool:
    """Whether the header says that the geometry is empty. SQLite returns None as the head of a blob of zero bytes."""
    return head is not None and len(head) >= 4 and head[:2] == b"GP" and bool(head[3] & _EMPTY)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
