"""Index: place and time of each item of a folder, in SQLite: in memory for a small folder, in a file for a large one.

Neither building nor searching it keeps all items in memory. Its answers may contain items that do not match, but never
lack one that does: the caller checks the items themselves.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import math
import os
import sqlite3
import tempfile
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TypeVar

import orjson
import shapely

from arpent.adapters.catalogs.folder.files import Stamp, being_written, left_out, read, still_gone
from arpent.adapters.catalogs.footprint import footprint_of
from arpent.adapters.catalogs.harmonization import Document, properties
from arpent.adapters.catalogs.instant import instant_of
from arpent.adapters.catalogs.lenient_json import loads
from arpent.adapters.catalogs.level import plain_word, product_of, words
from arpent.domain.boundary.unforeseen import panics_as_errors
from arpent.domain.imagery.collection import Collection

log = logging.getLogger(__name__)

Box = tuple[float, float, float, float]
MANY_FILES = 20_000
"""A folder with more files has its index in a file."""
BATCH = 500
"""Number of files per transaction."""
WRITTEN_SECONDS = 60.0
"""A file that is incomplete for longer than this is skipped."""
STUCK_SECONDS, LOOK_SECONDS = 60.0, 0.05
"""A process that builds an index counts as stuck after so long without a sign of life; and the time between checks."""
SIGNS = 50
"""Number of files, listed or read, per sign of life: on a slow network disk each file may take a second."""
LAYOUT = 3
"""Version of the tables and their content; part of the index file's name."""
Found = TypeVar("Found")
_EVER = 1e12
"""Seconds since 1970, later than any item."""
_TIMES = ("datetime", "start_datetime", "end_datetime")
_TABLES = """
CREATE TABLE IF NOT EXISTS files (path TEXT PRIMARY KEY, changed INTEGER, size INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS items (
    id INTEGER PRIMARY KEY AUTOINCREMENT, path TEXT, collection TEXT, constellation TEXT, product TEXT, document BLOB
);
CREATE INDEX IF NOT EXISTS items_by_path ON items (path);
CREATE INDEX IF NOT EXISTS items_by_name ON items (collection, constellation, product);
CREATE VIRTUAL TABLE IF NOT EXISTS places USING rtree (id, west, east, south, north, first, last);
CREATE TABLE IF NOT EXISTS checked (seconds REAL);
"""
_FOUND = """
SELECT items.id, items.path, items.document FROM places JOIN items USING (id)
WHERE places.west <= ? AND places.east >= ? AND places.south <= ? AND places.north >= ?
AND places.first < ? AND places.last >= ?
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One item in the index."""

    id: int
    """Number of the item; never reused for another one."""
    path: str
    """File that holds the item."""
    document: bytes | None
    """The item's JSON, compressed; None if it is the only item of its file."""


class Index:
    """The index of a folder. Not thread-safe. Processes may share its file: while one first builds it, the others wait;
    while one later updates it, the others use its present content."""

    def __init__(self, place: Path | None) -> None:
        """`place`: the index file; None: in memory."""
        self._place = place
        self._base = sqlite3.connect(place or ":memory:", timeout=60, isolation_level=None, check_same_thread=False)
        if place is not None:
            self._base.execute("PRAGMA journal_mode = WAL")
            self._base.execute("PRAGMA synchronous = NORMAL")
        self._base.execute("PRAGMA temp_store = FILE")
        self._unfinished: dict[str, float] = {}
        """Since when (monotonic seconds) each incomplete file has been found incomplete."""
        self._sign = (0, -math.inf)
        """The last sign of life of the process that holds the lock, and when (monotonic seconds) it was first seen."""
        with self._alone(wait=True):
            self._base.executescript(_TABLES)

    def close(self) -> None:
        """Close the index file."""
        self._base.close()

    def age(self) -> float:
        """Seconds since any process last compared the index with the files; infinite if none has, or if the clock has
        been set back since."""
        found = self._base.execute("SELECT seconds FROM checked").fetchone()
        age = math.inf if found is None else time.time() - found[0]
        return age if age >= 0 else math.inf

    def refresh(self, found: Iterable[tuple[str, Stamp]]) -> None:
        """Read new and changed files, and forget deleted ones. `found`: all files that exist now. Does nothing while
        another process does this, unless that one is stuck: then the index is built again in memory. Raises
        CatalogUnavailable, transient, for a file that is just being written and has never been read; other incomplete
        files keep their former items until they are complete."""
        first = math.isinf(self.age())
        with self._alone(wait=first) as alone:
            if not alone or (first and not math.isinf(self.age())):
                return
            with self._transaction():
                self._base.execute("DROP TABLE IF EXISTS temp.seen")
                self._base.execute("DROP TABLE IF EXISTS temp.wanted")
                self._base.execute("CREATE TEMP TABLE seen (path TEXT PRIMARY KEY, changed INTEGER, size INTEGER)")
                rows = ((name, *stamp) for name, stamp in self._alive(found))
                self._base.executemany("INSERT OR REPLACE INTO temp.seen VALUES (?, ?, ?)", rows)
            missed = "SELECT path FROM files EXCEPT SELECT path FROM temp.seen"
            changed = "SELECT path, changed, size FROM temp.seen EXCEPT SELECT path, changed, size FROM files"
            gone = still_gone([path for (path,) in self._base.execute(missed)])
            with self._transaction():
                self._forget(gone)
            self._base.execute(f"CREATE TEMP TABLE wanted AS {changed}")
            wanted = 0
            while batch := self._base.execute(
                "SELECT rowid, path, changed, size FROM temp.wanted WHERE rowid > ? LIMIT ?", (wanted, BATCH)
            ).fetchall():
                self._read({path: (stamp, size) for _, path, stamp, size in batch})
                wanted = batch[-1][0]
            with self._transaction():
                self._base.execute("DELETE FROM checked")
                self._base.execute("INSERT INTO checked VALUES (?)", (time.time(),))

    def find(self, boxes: Sequence[Box], time_range: tuple[float, float], names: _Names) -> list[Entry]:
        """Items that fulfil `names` and may meet a box (EPSG:4326) and the time range (seconds since 1970)."""
        collections, arguments = names
        found: dict[int, Entry] = {}
        for west, south, east, north in boxes:
            limits = (east, west, north, south, time_range[1], time_range[0])
            for number, path, document in self._base.execute(_FOUND + collections, (*limits, *arguments)):
                found[number] = Entry(id=number, path=path, document=document)
        return list(found.values())

    def has(self, names: _Names) -> bool:
        """Whether the index has any item that fulfils `names`."""
        condition, arguments = names
        return self._base.execute(f"SELECT 1 FROM items WHERE 1 {condition} LIMIT 1", arguments).fetchone() is not None

    def collections(self) -> list[str]:
        """The `collection` values of all items, sorted."""
        return [name for (name,) in self._base.execute("SELECT DISTINCT collection FROM items ORDER BY 1") if name]

    def __len__(self) -> int:
        return int(self._base.execute("SELECT count(*) FROM items").fetchone()[0])

    def _read(self, changed: dict[str, Stamp]) -> None:
        rows: list[tuple[str, bool, Document]] = []
        unfinished: list[str] = []
        unread = set(changed)
        for path, found in self._alive(read(sorted(changed))):
            unread.discard(path)
            if found is None and self._is_waited_for(path):
                del changed[path]  # its former items stay
                unfinished.append(path)
                continue
            self._unfinished.pop(path, None)
            documents = left_out(path, "it has been incomplete for too long") if found is None else found
            single = len(documents) == 1
            rows.extend((path, single, document) for document in documents)
        with self._transaction():
            self._forget(changed)
            for path in unread:  # store no stamp, so that they are tried again
                del changed[path]
            for path, single, document in rows:
                packed = None if single else _packed(document)
                cursor = self._base.execute(
                    "INSERT INTO items (path, collection, constellation, product, document) VALUES (?, ?, ?, ?, ?)",
                    (path, *_names_of(document), packed),
                )
                self._base.execute(
                    "INSERT INTO places VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (cursor.lastrowid, *_extent(document), *_times(properties(document))),
                )
            stamps = ((path, *stamp) for path, stamp in changed.items())
            self._base.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", stamps)
        for path in unfinished:
            if self._base.execute("SELECT 1 FROM files WHERE path = ?", (path,)).fetchone() is None:
                raise being_written(path)

    def _is_waited_for(self, path: str) -> bool:
        """Whether an incomplete file has not been incomplete for too long."""
        now = time.monotonic()
        return now - self._unfinished.setdefault(path, now) < WRITTEN_SECONDS

    def _forget(self, paths: Iterable[str]) -> None:
        for path in paths:
            self._base.execute("DELETE FROM places WHERE id IN (SELECT id FROM items WHERE path = ?)", (path,))
            self._base.execute("DELETE FROM items WHERE path = ?", (path,))
            self._base.execute("DELETE FROM files WHERE path = ?", (path,))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._base.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._base.execute("ROLLBACK")
            raise
        self._base.execute("COMMIT")

    @contextmanager
    def _alone(self, *, wait: bool) -> Iterator[bool]:
        """Yield whether this process may change the index. `wait`: first wait until a process that is changing it has
        finished or is stuck, as after Ctrl-Z."""
        if self._place is None:
            yield True
            return
        with open(f"{self._place}.lock", "a") as lock:
            while not (held := _is_locked(lock.fileno())) and not (stuck := self._is_stuck(lock.fileno())) and wait:
                time.sleep(LOOK_SECONDS)
            if not held and stuck:
                log.warning("The process that builds the index %s has stalled; it is kept in memory here.", self._place)
                self._go_on_in_memory()
            yield held or stuck

    def _is_stuck(self, lock: int) -> bool:
        """Whether the process that holds the lock has shown no new sign of life for STUCK_SECONDS."""
        sign, now = os.fstat(lock).st_mtime_ns, time.monotonic()
        if sign != self._sign[0]:
            self._sign = (sign, now)
        return now - self._sign[1] > STUCK_SECONDS

    def _alive(self, found: Iterable[Found]) -> Iterator[Found]:
        """Yield what is given, and meanwhile show signs of life to processes that wait for the lock."""
        for number, each in enumerate(found):
            if number % SIGNS == 0 and self._place is not None:
                os.utime(f"{self._place}.lock")
            yield each

    def _go_on_in_memory(self) -> None:
        """Replace the index by an empty one in memory, which does not reuse the numbers of the file's items."""
        last: list[tuple[int]] = []
        with suppress(sqlite3.Error):  # the file may have no tables yet
            last = self._base.execute("SELECT seq FROM sqlite_sequence").fetchall()
        self._base.close()
        self._place, self._base = None, sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self._base.executescript(_TABLES)
        self._base.executemany("INSERT INTO sqlite_sequence VALUES ('items', ?)", last)


def _is_locked(lock: int) -> bool:
    """Try to take the lock; return whether this process holds it now."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


_Names = tuple[str, tuple[str, ...]]
"""SQL condition on the table `items`, and its arguments."""


def named(collection: Collection) -> _Names:
    """Condition for items that `belongs` may accept, by `collection`, constellation, or the product in the id."""
    if not collection.stac_collections:
        return "", ()
    wanted = {
        "collection": collection.stac_collections,
        "constellation": sorted(words(collection, "constellations")),
        "product": sorted(words(collection, "products")),
    }
    conditions = (f"items.{column} IN ({_marks(values)})" for column, values in wanted.items())
    return f"AND ({' OR '.join(conditions)})", tuple(value for values in wanted.values() for value in values)


def _names_of(document: Document) -> tuple[str | None, str | None, str | None]:
    """Collection, constellation and product of an item, in the form in which `named` compares them."""
    constellation = _word(properties(document).get("constellation"), plain=True)
    return _word(document.get("collection")), constellation, _word(product_of(document))


def _marks(values: Sequence[str]) -> str:
    return ",".join("?" * len(values))


def _packed(document: Document) -> bytes:
    """The item's JSON, compressed, for `document_of`."""
    try:
        return zlib.compress(orjson.dumps(document, default=str), 1)
    except TypeError:  # lone surrogates, numbers of more than 64 bits, or too many levels for orjson
        return zlib.compress(json.dumps(document).encode(), 1)


def document_of(entry: Entry, documents: Sequence[Document]) -> Document | None:
    """The item of an entry; None if it is not found. `documents`: the items of its file, needed if the entry does not
    contain the item itself."""
    if entry.document is not None:
        found = loads(zlib.decompress(entry.document))
        return found if isinstance(found, dict) else None
    return documents[0] if len(documents) == 1 else None


def open_index(folder: Path, found: Iterator[tuple[str, Stamp]]) -> tuple[Index, Iterator[tuple[str, Stamp]]]:
    """Open the folder's index, in a file if there are many files. Returns it and an iterator over all of `found`."""
    first = list(islice(found, MANY_FILES + 1))
    place = index_file(folder) if len(first) > MANY_FILES else None
    try:
        index = Index(place)
    except sqlite3.DatabaseError as error:
        if place is None:
            raise
        log.warning("The index %s is damaged (%s) and is rebuilt", place, error)
        place.unlink(missing_ok=True)
        index = Index(place)
    return index, chain(first, found)


def index_file(folder: Path) -> Path | None:
    """Path of a folder's index file: in the user's cache, else in a private temporary folder; None if neither is
    writable."""
    name = f"{hashlib.sha256(os.path.realpath(folder).encode()).hexdigest()[:24]}-{LAYOUT}.sqlite3"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))
    for place in (cache / "arpent" / "catalogs", Path(tempfile.gettempdir()) / f"arpent-catalogs-{os.geteuid()}"):
        with suppress(OSError):
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = place.stat()
            if status.st_uid == os.geteuid() and not status.st_mode & 0o022 and os.access(place, os.W_OK):
                return place / name
    log.warning("There is no folder for an index of %s: set XDG_CACHE_HOME. It is kept in memory.", folder)
    return None


def _word(value: object, *, plain: bool = False) -> str | None:
    """The text, if `value` is one, in a form that SQLite can store; None for any other value."""
    if not isinstance(value, str):
        return None
    text = value.encode("utf-8", "replace").decode()
    return plain_word(text) if plain else text


def _extent(document: Document) -> Box:
    """West, east, south and north of the footprint; the whole world if it cannot be read, so that a search
    then reads the item and logs the error."""
    try:
        with panics_as_errors():
            west, south, east, north = shapely.bounds(footprint_of(document).ground).tolist()
    except Exception:
        return (-180.0, 180.0, -90.0, 90.0)
    known = all(map(math.isfinite, (west, south, east, north)))
    return (west, east, south, north) if known else (-180.0, 180.0, -90.0, 90.0)


def _times(own: Document) -> tuple[float, float]:
    """First and last time of the item, in seconds since 1970; all times if it gives none."""
    found = []
    for name in _TIMES:
        with suppress(ValueError, OverflowError):
            found.append(instant_of(own.get(name)).timestamp())
    return (min(found), max(found)) if found else (-_EVER, _EVER)
