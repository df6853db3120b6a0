"""Same file: checks whether a path still names the SQLite file and journals that were opened."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from threading import Lock

from sqlalchemy import Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection

from arpent.domain.errors import WorldError

JOURNALS = ("-wal", "-shm")
"""Suffixes of the files that SQLite keeps next to an open database. It deletes them when the last connection of all
processes closes, never before."""

Inode = tuple[int, int]


class SameFile:
    """Checks whether the path still names the file that was opened first. SQLite continues to use a file that was
    removed or replaced: what is stored there is lost when the process ends, and no other process sees it. The same
    holds for its journals: a process that opens the file later creates new ones, and processes with different journals
    overwrite each other's pages. A file that was emptied counts as replaced: a process that opens it deletes the
    journal, which holds the changes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._first: Inode | None = None
        self._filled = False
        self._open: set[int] = set()
        self._journals: Mapping[str, Inode | None] = {}
        self._torn: str | None = None

    def watch(self, engine: Engine) -> None:
        """Check before each use of this engine's connections; call it after the listeners that prepare them were
        added."""
        event.listen(engine, "connect", self._opened)
        event.listen(engine, "checkout", lambda *_: self.check())
        event.listen(engine, "close", self._closed)

    def check(self) -> None:
        """Raise WorldError if the path names another file or none; transient, since the file may be put back."""
        try:
            found = self._path.stat()
            now, size = (found.st_dev, found.st_ino), found.st_size
        except FileNotFoundError:
            now, size = None, 0
        except OSError:  # its folder is temporarily inaccessible
            return
        if self._first is None:
            self._first = now
        elif now != self._first:
            raise WorldError(
                f"The file that ARPENT_DATABASE_URL names was {'removed' if now is None else 'replaced'} while arpent "
                "had it open: put it back, or stop servers and runners and start them on the new one",
                transient=True,
            )
        elif self._filled and size == 0:
            raise WorldError(
                "The file that ARPENT_DATABASE_URL names was emptied while arpent had it open: stop servers and "
                "runners, and restore a backup if requests are missing then",
                transient=True,
            )
        self._check_journals()

    def _check_journals(self) -> None:
        with self._lock:
            for journal, before in self._journals.items():
                now = self._inode(journal, before)
                if before not in (None, now):
                    # For good: the last process that closes the file writes the old journal's contents into it.
                    self._torn = (
                        f"{self._path.name}{journal}, which belongs to the file that ARPENT_DATABASE_URL names, was "
                        f"{'removed' if now is None else 'replaced'} while arpent had it open: stop all servers and "
                        "runners, and start them again"
                    )
            if self._torn is not None:
                raise WorldError(self._torn, transient=True)

    def _opened(self, connection: DBAPIConnection, _entry: object) -> None:
        assert isinstance(connection, sqlite3.Connection)
        connection.execute("PRAGMA user_version").fetchall()  # SQLite opens the journals with the first page it reads
        self.check()
        with self._lock:
            self._filled = True
            self._open.add(id(connection))
            self._journals = self._journals or {journal: self._inode(journal) for journal in JOURNALS}

    def _closed(self, connection: DBAPIConnection, _entry: object) -> None:
        with self._lock:
            self._open.discard(id(connection))  # a refused connection was never added
            if not self._open:  # SQLite may have deleted the journals with the last one
                self._journals = {}

    def _inode(self, journal: str, unknown: Inode | None = None) -> Inode | None:
        """The device and inode of a journal; None if there is none, `unknown` if it is temporarily inaccessible."""
        try:
            found = self._path.with_name(self._path.name + journal).stat()
        except FileNotFoundError:
            return None
        except OSError:
            return unknown
        return found.st_dev, found.st_ino
