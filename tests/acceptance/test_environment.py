"""What arpent runs on is at fault: the job fails in words, no feature does, and START makes it whole."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Engine

from arpent.adapters.executors.inline import InlineExecutor
from arpent.adapters.executors.processes.executor import ProcessExecutor
from arpent.domain.job import Job, Status, UserAction
from arpent.domain.ports.execution import Executor
from arpent.settings import Settings
from arpent.wiring import server, store
from tests.support import client
from tests.support.parcels import good_parcels, write_geopackage
from tests.support.scripts import SEED

pytestmark = pytest.mark.slow

OWNER = "tests"
PARCELS = good_parcels(6)


CANNOT_BEGIN = partial(exec, "import a_library_that_is_missing")
"""What a worker does first; it needs nothing else, so that its dozens of starts take no time."""


class Place:
    """A database and buckets; runners come and go."""

    def __init__(self, folder: Path, catalog: Path) -> None:
        self.folder, self.buckets = folder, folder / "buckets"
        self.settings = Settings.model_validate(
            {
                "database_url": f"sqlite:///{folder / 'arpent.db'}",
                "buckets": self.buckets,
                "catalog": str(catalog),
                "policy": {"attempts": 2, "retry_seconds": 0.05, "outage_seconds": 0.5, "absence_seconds": 0.5},
            }
        )
        write_geopackage(self.buckets / "fields" / "parcels.gpkg", PARCELS)
        (self.buckets / "results").mkdir()
        self.engine: Engine = store.database(self.settings)
        self.service = server.service(self.settings, self.engine)

    def create(self, script: str = SEED.text) -> str:
        body = client.seed_body("s3://fields/parcels.gpkg", script, "s3://results/out")
        return self.service.create(OWNER, json.dumps(body)).id

    def run(self, job_id: str, executor: Executor, action: UserAction = UserAction.START) -> Job:
        """The action, and the job when it rests."""
        self.service.act(OWNER, job_id, action)
        rest = {Status.DONE, Status.FAILED} | ({Status.ANALYSIS_DONE} if action is UserAction.ANALYSE else set())
        try:
            runner = server.runner(self.settings, self.engine, executor)
            runner.run_until(lambda: self.service.get(OWNER, job_id).status in rest)
        finally:
            executor.close()
        return self.service.get(OWNER, job_id)

    def files(self, job_id: str) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (self.buckets / "results" / "out" / job_id).glob("*.json")}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, catalog: Path) -> Place:
    return Place(tmp_path_factory.mktemp("environment"), catalog)


@pytest.fixture(scope="module")
def whole(place: Place) -> dict[str, bytes]:
    job = place.run(place.create(), InlineExecutor())
    assert (job.status, job.progress.done) == (Status.DONE, len(PARCELS))
    return place.files(job.id)


def check(place: Place, job_id: str, failed: Job, pattern: str, whole: dict[str, bytes]) -> None:
    """It failed in these words, has cost no feature, and is whole after START."""
    assert (failed.status, failed.progress.failed) == (Status.FAILED, 0)
    assert pattern in (failed.error or "")
    again = place.run(job_id, InlineExecutor())
    assert (again.status, again.progress.done, again.progress.failed) == (Status.DONE, len(PARCELS), 0)
    assert place.files(job_id) == whole


def test_workers_that_cannot_start(place: Place, whole: dict[str, bytes]) -> None:
    job_id = place.create()
    failed = place.run(job_id, ProcessExecutor(1, CANNOT_BEGIN))
    check(place, job_id, failed, "Worker processes end while starting", whole)


@pytest.fixture
def hidden(place: Place) -> Iterator[Callable[[str], None]]:
    names: list[str] = []

    def hide(name: str) -> None:
        names.append(name)
        (place.buckets / name).rename(place.folder / name)

    yield hide
    for name in names:
        if (place.folder / name).exists():
            (place.folder / name).rename(place.buckets / name)


@pytest.mark.parametrize("bucket", ["fields", "results"])
@pytest.mark.parametrize("analysed", [False, True], ids=["before the analysis", "after it"])
def test_a_bucket_that_is_gone(
    place: Place, whole: dict[str, bytes], hidden: Callable[[str], None], bucket: str, analysed: bool
) -> None:
    job_id = place.create()
    if analysed:
        place.run(job_id, InlineExecutor(), UserAction.ANALYSE)
    hidden(bucket)
    ended = place.run(job_id, InlineExecutor())
    (place.folder / bucket).rename(place.buckets / bucket)
    if bucket == "fields" and analysed:
        assert (ended.status, place.files(job_id)) == (Status.DONE, whole), "it is not needed any more"
        return
    check(place, job_id, ended, f"there is no bucket '{bucket}'", whole)
