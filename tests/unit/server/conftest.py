"""One server for all tests of a module; each test gets it without jobs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from arpent.server.options import ServerOptions
from tests.unit.server.fakes import World, world


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    built = tmp_path_factory.mktemp("built")
    with world(ServerOptions(maximum_body=100_000), str(built)) as here:
        yield here


@pytest.fixture
def here(running: World) -> World:
    running.service.jobs.clear()
    running.clients.reset()
    running.quotas.clear()
    running.usage.amounts.clear()
    running.usage.away = running.full = False
    running.asked.clear()
    running.items.clear()
    running.searches.clear()
    running.ready = True
    running.shown.clear()
    running.views.clear()
    running.stored.clear()
    return running
