"""A feature that kills every worker of a Dask cluster that computes it: it alone fails, all others are written."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import closing
from math import ceil, log2
from pathlib import Path

import pytest

pytest.importorskip("distributed", reason="needs Dask: install arpent[dask]")

from arpent.adapters.executors.dask.executor import DaskExecutor
from arpent.domain.job import Status
from arpent.settings import Settings
from tests.support import client
from tests.support.dask_cluster import Cluster, cluster
from tests.support.killer import DeadlySite
from tests.support.parcels import good_parcels, write_geopackage
from tests.support.scripts import SEED

pytestmark = pytest.mark.services

ATTEMPTS = 2
PARCELS = good_parcels(20)
KILLER = PARCELS[11].id


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Cluster]:
    """Two workers that a nanny starts again when they die."""
    if not os.environ.get("ARPENT_TEST_DASK"):
        pytest.skip("needs time for Dask: run `make test-services`, or set ARPENT_TEST_DASK to 1")
    environment = {"PYTHONPATH": str(Path(__file__).parents[2]), "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}
    with cluster(tmp_path, (), **environment) as made:
        for number in range(2):
            made.start(
                "worker", made.address, "--nthreads", "1", "--host", "127.0.0.1",
                "--local-directory", str(tmp_path / f"nanny-{number}"),
            )  # fmt: skip
        made.wait_for_threads(2)
        yield made


@pytest.fixture
def site(tmp_path: Path, postgres: str, catalog: Path, workers: Cluster) -> Iterator[DeadlySite]:
    buckets = tmp_path / "buckets"
    write_geopackage(buckets / "fields" / "parcels.gpkg", PARCELS)
    (buckets / "results").mkdir()
    settings = Settings.model_validate(
        {
            "database_url": postgres,
            "buckets": buckets,
            "catalog": str(catalog),
            "policy": {"attempts": ATTEMPTS, "retry_seconds": 0.2},
        }
    )
    executor = DaskExecutor(workers.address)
    try:
        with closing(DeadlySite(folder=tmp_path, settings=settings, executor=executor)) as made:
            yield made
    finally:
        executor.close()


def test_it_alone_fails(site: DeadlySite) -> None:
    body = client.seed_body("s3://fields/parcels.gpkg", SEED.text, "s3://results/out")
    job = site.start(site.create(json.dumps(body)), {KILLER: signal.SIGKILL})
    deaths = site.deaths.read_text().splitlines()
    print(f"{len(deaths)} deaths: {deaths}")
    assert (job.status, job.progress.done, job.progress.failed) == (Status.DONE, len(PARCELS) - 1, 1)
    assert site.percentages == sorted(site.percentages), "progress ran backwards"
    assert site.reasons(job.id).keys() == {KILLER}
    assert "Workers of the cluster died" in site.reasons(job.id)[KILLER]
    assert len(deaths) <= ATTEMPTS + 2 * ceil(log2(len(PARCELS)))
    healed = site.start(job.id, {})
    assert (healed.status, healed.progress.done, healed.progress.failed) == (Status.DONE, len(PARCELS), 0)
