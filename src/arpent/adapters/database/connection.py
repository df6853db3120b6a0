"""Connection: engines for SQLite and PostgreSQL, and transactions that read or write."""

from __future__ import annotations

import logging
import os
import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection, ExceptionContext
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InterfaceError,
    NoSuchModuleError,
    OperationalError,
    StatementError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry

from arpent.adapters.database.same_file import JOURNALS, SameFile
from arpent.domain.errors import DatabaseRefused, InvalidSetting, WorldError

log = logging.getLogger(__name__)
BUSY_MILLISECONDS = 30_000
"""How long SQLite waits for another writer."""
DAMAGED = frozenset({sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT})
"""SQLite's codes for a damaged file."""
OTHERS = stat.S_IRWXG | stat.S_IRWXO
"""File permissions of users other than the owner, which are removed."""
DISK_FULL = frozenset({sqlite3.SQLITE_FULL, "53100"})
"""Codes of SQLite and PostgreSQL for a full disk."""
MAY_PASS = {"25": True, "26": True, "42": True, "54": False}
"""SQLSTATE classes for which the driver's exception class is misleading → whether the same call may succeed later. 25:
a server is read-only while another one takes over. 26 and 42: a prepared statement, permission, table or column may be
missing for a while. 54: what is too large for PostgreSQL stays too large."""
READ_ONLY = "25006"
"""SQLSTATE of a server that is read-only."""
REFUSALS = (StatementError, UnicodeEncodeError, OverflowError)
"""Errors that do not mean that the database is unavailable, unless their code says so: DataError, IntegrityError,
ProgrammingError …, and values that no driver accepts."""


def make_engine(url: str, *, reader: bool = False) -> Engine:
    """An engine for `sqlite:///file` or `postgresql://user:password@host/name`; connects on first use. A `reader`
    changes nothing and creates no file. Raises InvalidSetting for an invalid URL or a missing driver."""
    try:
        parsed = make_url(url)
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        if parsed.get_backend_name() == "sqlite":
            return _sqlite(parsed, reader)
        return _postgresql(parsed)
    except ImportError:
        raise InvalidSetting(
            "ARPENT_DATABASE_URL names PostgreSQL, whose driver cannot be loaded: pip install 'arpent[postgres]'"
        ) from None
    except (ArgumentError, NoSuchModuleError, ValueError):
        # from None: their text repeats the URL, password included
        raise InvalidSetting(
            "ARPENT_DATABASE_URL cannot be read: write sqlite:///file or postgresql://user:password@host:5432/name, "
            "characters such as @ and / of the password as %40 and %2F"
        ) from None


def _postgresql(url: URL) -> Engine:
    # Poolers such as PgBouncer may give each transaction another connection, without the statements prepared before.
    unprepared = {"prepare_threshold": None}
    engine = create_engine(
        url, hide_parameters=True, pool_pre_ping=True, pool_size=10, max_overflow=20, connect_args=unprepared,
        isolation_level="READ COMMITTED",  # as the stores expect, whatever the database's default
    )  # fmt: skip
    event.listen(engine, "handle_error", _leave_read_only)
    return engine


def _leave_read_only(context: ExceptionContext) -> None:
    """Reconnect after a read-only server refused a change: the same host name may now lead to a server that accepts
    it."""
    if _code_of(context.original_exception) == READ_ONLY:
        context.is_disconnect = True


def _sqlite(url: URL, reader: bool) -> Engine:
    path = Path(url.database or "")
    try:
        fault = _file_fault(path, reader) if url.database else None
    except OSError as error:
        fault = f"which cannot be examined: {error.strerror}"
    if fault is not None:
        raise InvalidSetting(f"ARPENT_DATABASE_URL names {path.absolute()}, {fault}")
    engine = create_engine(url, hide_parameters=True)
    private = bool(url.database) and not reader  # SQLite's temporary database has no file
    same = SameFile(path)
    if private:
        event.listen(engine, "do_connect", lambda *_: same.check())  # no new file in place of one that was removed
        event.listen(engine, "do_connect", lambda *_: _make_private(path))
    event.listen(engine, "connect", partial(_prepare_sqlite, reader=reader))
    if private:
        event.listen(engine, "connect", lambda *_: _keep_private(path))  # preparing read it: it is a database
        same.watch(engine)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _make_private(path: Path) -> None:
    """Create the file for its owner only: it holds the server's key and secrets of requests."""
    with suppress(OSError):  # it exists already, or connecting will say what is wrong
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def _keep_private(path: Path) -> None:
    """Remove other users' permissions. SQLite gives its journals the same permissions as the file."""
    for file in (path, *(path.with_name(path.name + end) for end in (*JOURNALS, "-journal"))):
        _tighten(file)


def _tighten(file: Path) -> None:
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
        if not mode & OTHERS:
            return
        file.chmod(mode & ~OTHERS)
        log.warning("%s could be read or written by others (%o); now only by its owner", file, mode)
    except FileNotFoundError:
        return
    except OSError:
        log.warning("%s can be read or written by others, and holds secrets: chmod 600 it as its owner", file)


def _file_fault(path: Path, reader: bool) -> str | None:
    """A message that says what is wrong with a database's file and what to do; None if it looks usable."""
    folder = path.absolute().parent
    if path.is_dir():
        return "which is a folder: name a file in it"
    if path.exists():
        return None if os.access(path, os.R_OK if reader else os.R_OK | os.W_OK) else "which this user may not open"
    if reader:
        return "where there is no database: `arpent serve` creates one"
    if not folder.is_dir():
        return f"but there is no folder {folder}: create it"
    return None if os.access(folder, os.W_OK) else f"but this user may not write to {folder}"


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that only reads. Raises WorldError (transient) when the database does not answer, and
    DatabaseRefused when it refuses the statement."""
    with _explained(), engine.connect() as connection, connection.begin():
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that writes; on SQLite there is only one at a time. Raises WorldError and DatabaseRefused as
    `reading` does."""
    with _explained(), engine.connect().execution_options(arpent_writes=True) as connection, connection.begin():
        yield connection


@contextmanager
def _explained() -> Iterator[None]:
    """Turn a driver's error into one with its message but without the statement, whose parameters may be secret."""
    try:
        yield
    except (PoolTimeoutError, *REFUSALS) as error:
        raise _in_plain_words(error) from error


def _in_plain_words(error: Exception) -> WorldError:
    cause = error.orig if isinstance(error, DBAPIError) else error
    code = _code_of(cause)
    if _may_pass(error, code):
        advice = "; free space on its disk" if code in DISK_FULL else ""
        return WorldError(f"The database does not answer as it should: {cause}{advice}", transient=True)
    if isinstance(error, DBAPIError):
        if error.connection_invalidated:
            return WorldError("The connection to the database was lost", transient=True)
        if code in DAMAGED:
            damaged = f"ARPENT_DATABASE_URL names a file that is not a database, or a damaged one: {cause}"
            # Other statements may succeed: those that need no damaged page.
            return WorldError(damaged) if error.statement is None else DatabaseRefused(damaged)
        if error.statement is None:  # before any statement: due to an option of the URL, or to the server
            return WorldError(f"The database refuses: {cause}")
    return DatabaseRefused(f"The database does not accept this value ({type(error).__name__})")


def _may_pass(error: Exception, code: int | str | None) -> bool:
    """Whether the error comes from the state of the database and not from the statement or its values."""
    usual = isinstance(error, OperationalError | InterfaceError | PoolTimeoutError)
    return MAY_PASS.get(code[:2], usual) if isinstance(code, str) else usual


def _code_of(error: BaseException | None) -> int | str | None:
    """The code of an error: SQLite's primary one, or PostgreSQL's SQLSTATE; None if it has none."""
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", None)  # missing where Python's module itself raises
        return None if code is None else code & 0xFF
    return getattr(error, "sqlstate", None)


def _prepare_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry, *, reader: bool) -> None:
    assert isinstance(connection, sqlite3.Connection)
    connection.isolation_level = None  # `_begin_sqlite` sends BEGIN
    # A damaged row may hold bytes that are not UTF-8; they must not prevent the other rows from being read.
    connection.text_factory = partial(str, encoding="utf-8", errors="replace")
    connection.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}")
    if reader:
        connection.execute("PRAGMA query_only = ON")
        return
    _write_ahead(connection)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch SQLite to a write-ahead log. If several servers start on a new file at once, the switch fails at once on a
    lock that SQLite's timeout does not cover, so it is repeated."""
    end = time.monotonic() + BUSY_MILLISECONDS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY  # the low byte, whatever the reason
            if not busy or time.monotonic() > end:
                raise
        time.sleep(0.02)


def _begin_sqlite(connection: Connection) -> None:
    """Begin a transaction with the write lock: one that first reads and then writes could otherwise fail because
    another connection wrote in between."""
    writes = connection.get_execution_options().get("arpent_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
