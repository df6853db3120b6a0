"""A feature that kills every worker that computes it: it alone fails, with the reason; all others are written."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import closing
from math import ceil, log2
from pathlib import Path

import pandas as pd
import pytest

from arpent.adapters.executors.processes.executor import ProcessExecutor
from arpent.domain.job import Job, Status
from arpent.settings import Settings
from tests.support import client
from tests.support.killer import DeadlySite
from tests.support.parcels import Parcel, bad_parcels, good_parcels, write_geopackage
from tests.support.scripts import SEED

pytestmark = pytest.mark.slow

ATTEMPTS = 2
PARCELS: tuple[Parcel, ...] = (*good_parcels(20), *bad_parcels()[:2])
KILLERS = {PARCELS[7].id: signal.SIGKILL, PARCELS[20].id: signal.SIGSEGV}
ROW = ["id", "from", "output", "band"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, catalog: Path) -> Iterator[DeadlySite]:
    folder = tmp_path_factory.mktemp("deadly")
    settings = Settings.model_validate(
        {
            "database_url": f"sqlite:///{folder / 'arpent.db'}",
            "buckets": folder / "buckets",
            "catalog": str(catalog),
            "policy": {"attempts": ATTEMPTS, "retry_seconds": 0.05},
        }
    )
    write_geopackage(folder / "buckets" / "fields" / "parcels.gpkg", PARCELS)
    (folder / "buckets" / "results").mkdir()
    executor = ProcessExecutor(2)
    try:
        with closing(DeadlySite(folder=folder, settings=settings, executor=executor)) as made:
            yield made
    finally:
        executor.close()


def run(site: DeadlySite, killers: dict[int, int]) -> Job:
    body = client.seed_body("s3://fields/parcels.gpkg", SEED.text, "s3://results/out")
    return site.start(site.create(json.dumps(body)), killers)


def files(site: DeadlySite, job: Job) -> dict[int, bytes]:
    folder = site.folder / "buckets" / "results" / "out" / job.id
    return {int(path.stem): path.read_bytes() for path in folder.glob("*.json")}


def table(site: DeadlySite, job: Job) -> pd.DataFrame:
    found = pd.read_parquet(site.folder / "buckets" / "results" / "out" / job.id / "parquet")
    return found.sort_values(ROW).reset_index(drop=True)


def test_it_alone_fails(site: DeadlySite) -> None:
    whole = run(site, {})
    assert (whole.status, whole.progress.done, whole.progress.failed) == (Status.DONE, len(PARCELS) - 2, 2)
    expected = files(site, whole)
    broken = site.reasons(whole.id).keys()

    job = run(site, KILLERS)
    assert (job.status, job.progress.failed) == (Status.DONE, 2 + len(KILLERS))
    assert job.progress.done + job.progress.failed == job.progress.features == len(PARCELS)
    assert site.percentages == sorted(site.percentages), "progress ran backwards"
    reasons = site.reasons(job.id)
    assert reasons.keys() == broken | KILLERS.keys()
    for feature, number in KILLERS.items():
        assert "computed this feature alone died" in reasons[feature]
        assert f"A worker process died ({number.name})" in reasons[feature]
    found = files(site, job)
    assert found.keys() == expected.keys()
    assert {each for each in found if found[each] != expected[each]} == KILLERS.keys()
    for feature in KILLERS:
        assert reasons[feature] in found[feature].decode(), "the file says it too"
    deaths = site.deaths.read_text().splitlines()
    print(f"{len(deaths)} deaths: {deaths}")
    assert len(deaths) <= len(KILLERS) * (ATTEMPTS + 2 * ceil(log2(len(PARCELS))))

    rows = table(site, job)
    assert not rows.duplicated(ROW).any(), "what a dead worker had written is replaced, not joined"
    assert set(rows["id"]) == set(table(site, whole)["id"])
    assert set(rows[rows["status"] == "FAILED"]["id"]) == reasons.keys()

    healed = site.start(job.id, {})
    assert (healed.status, healed.progress.failed) == (Status.DONE, 2)
    assert files(site, healed) == expected
    assert site.deaths.read_text() == ""
    pd.testing.assert_frame_equal(table(site, healed), table(site, whole))
