"""The stores that the behaviour of every store is checked over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from arpent.domain.ports.jobs import JobStore, WorkStore
from tests.support.databases import KINDS, database
from tests.support.jobs import Clock
from tests.support.stores import EVERY_KIND, Stores, stores_of


@pytest.fixture(params=KINDS)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """For what only databases have."""
    with database(request.param, tmp_path) as engine:
        yield engine


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=EVERY_KIND)
def stores(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Stores]:
    with stores_of(request.param, tmp_path, clock) as stores:
        yield stores


@pytest.fixture
def jobs(stores: Stores) -> JobStore:
    return stores.jobs


@pytest.fixture
def work(stores: Stores) -> WorkStore:
    return stores.work
