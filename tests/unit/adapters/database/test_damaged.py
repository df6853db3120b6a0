"""A SQLite file with a damaged page: told, and it costs whose page it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from arpent.adapters.database.connection import make_engine, reading
from arpent.adapters.database.counters import SqlCounters
from arpent.adapters.database.migrate import migrate
from arpent.adapters.database.schema import payloads
from arpent.adapters.executors.inline import InlineExecutor
from arpent.domain.errors import WorldError
from arpent.domain.job import Status
from arpent.domain.partition import Analysis
from arpent.jobs.policy import Policy
from arpent.jobs.runner import Runner
from arpent.jobs.work_functions import WorkFunctions
from tests.support.jobs import Clock, all_done, cut, make_request, processing_job
from tests.support.stores import in_database

PAGE = 4096
"""SQLite's default size of a page, in bytes."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "arpent.db"


def opened(path: Path) -> Engine:
    engine = make_engine(f"sqlite:///{path}")
    migrate(engine)
    return engine


def spoil(path: Path, content: bytes) -> None:
    """Zero the page in which this stands."""
    found = bytearray(path.read_bytes())
    page = found.index(content) // PAGE
    found[page * PAGE : (page + 1) * PAGE] = bytes(PAGE)
    path.write_bytes(found)


def payload_of(engine: Engine, job_id: str) -> bytes:
    with reading(engine) as connection:
        return bytes(connection.execute(select(payloads.c.features).where(payloads.c.job_id == job_id)).scalar_one())


def test_one_clients_features_cost_nobody_else(path: Path) -> None:
    """The first claim finds the damaged ones, and goes on with those of others."""
    engine, clock = opened(path), Clock()
    stores = in_database(engine, clock)
    spoilt = processing_job(stores.jobs, stores.work, clock, cut(1000, 1000), owner="anna").id
    whole = processing_job(stores.jobs, stores.work, clock, cut(1000, 1000), owner="bert").id
    inner = payload_of(engine, spoilt)[2 * PAGE :][:100]
    engine.dispose()
    spoil(path, inner)

    engine = opened(path)
    stores = in_database(engine, clock)
    functions = WorkFunctions(
        analyse=lambda job, wanted: Analysis(partitions=iter(())), process=all_done,
        parse=lambda job: make_request(), give_up=lambda lease, error: all_done(lease),
    )  # fmt: skip
    runner = Runner(stores.jobs, stores.work, InlineExecutor(), functions, Policy(), now=clock, pause=0.001)
    runner.run_until_idle()
    assert stores.jobs.get(whole).status is Status.DONE
    failed = stores.jobs.get(spoilt)
    assert failed.status is Status.FAILED
    assert "not a database, or a damaged one" in str(failed.error)
    engine.dispose()


def test_no_tables_are_no_readiness(path: Path) -> None:
    engine = make_engine(f"sqlite:///{path}")
    with pytest.raises(WorldError, match="no such table"):
        SqlCounters(engine).answers()
    engine.dispose()
