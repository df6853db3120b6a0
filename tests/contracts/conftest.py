"""The databases that the behaviour of the stores is checked over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from arpent.adapters.database.jobs import SqlJobStore
from arpent.adapters.database.work.store import SqlWorkStore
from tests.support.databases import KINDS, database
from tests.support.jobs import Clock


@pytest.fixture(params=KINDS)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    with database(request.param, tmp_path) as engine:
        yield engine


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def jobs(engine: Engine, clock: Clock) -> SqlJobStore:
    return SqlJobStore(engine, now=clock)


@pytest.fixture
def work(engine: Engine, clock: Clock) -> SqlWorkStore:
    return SqlWorkStore(engine, now=clock)
