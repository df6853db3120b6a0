"""Stores of jobs and work to run the tests of their behaviour over: in memory, in SQLite, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine

from arpent.adapters.database.jobs import SqlJobStore
from arpent.adapters.database.work.store import SqlWorkStore
from arpent.adapters.memory.jobs import MemoryJobStore
from arpent.adapters.memory.tables import Tables
from arpent.adapters.memory.work import MemoryWorkStore
from arpent.domain.ports.jobs import JobStore, WorkStore
from tests.support.databases import KINDS, database

EVERY_KIND = ["memory", *KINDS]


@dataclass(frozen=True)
class Stores:
    """Both stores on the same jobs."""

    jobs: JobStore
    work: WorkStore
    another: Callable[[], Stores]
    """The stores of another runner on these jobs, with the same clock."""


def in_memory(clock: Callable[[], datetime], tables: Tables | None = None) -> Stores:
    """Stores that touch no disk, with no jobs in them."""
    shared = tables or Tables()
    return Stores(
        MemoryJobStore(shared, now=clock), MemoryWorkStore(shared, now=clock), lambda: in_memory(clock, shared)
    )


def in_database(engine: Engine, clock: Callable[[], datetime]) -> Stores:
    """Stores on a database that has the tables."""
    return Stores(SqlJobStore(engine, now=clock), SqlWorkStore(engine, now=clock), lambda: in_database(engine, clock))


@contextmanager
def stores_of(kind: str, folder: Path, clock: Callable[[], datetime]) -> Iterator[Stores]:
    """Stores of a kind, with no jobs in them."""
    if kind == "memory":
        yield in_memory(clock)
        return
    with database(kind, folder) as engine:
        yield in_database(engine, clock)
