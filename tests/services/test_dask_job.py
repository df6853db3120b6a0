"""A whole job on a Dask cluster: the same bytes as on one machine, whoever dies meanwhile, and no secret on the way."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from requests_oauthlib import OAuth2Session

from tests.support import client
from tests.support.dask_cluster import Cluster, cluster
from tests.support.parcels import good_parcels, write_geopackage
from tests.support.scripts import slow_script
from tests.support.server import Server, wait_for

pytestmark = pytest.mark.services
pytest.importorskip("distributed")

SETTINGS = {"PIXEL_BUDGET": "2000", "POLICY__RETRY_SECONDS": "0.1", "LOG_FORMAT": "json"}
SECRET = "never-say-this-aloud"
SERVER_KEY = "the-key-of-this-server-" * 2


@pytest.fixture(scope="module", autouse=True)
def wanted() -> None:
    if not os.environ.get("ARPENT_TEST_DASK"):
        pytest.skip("ARPENT_TEST_DASK is not set")


def body() -> dict[str, object]:
    return client.seed_body(
        "s3://fields/parcels.gpkg", slow_script(20_000), "s3://results/dask", aggregationInterval={"of": "P10D"}
    )


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory, catalog: Path) -> dict[str, bytes]:
    """File name → bytes of the same job on this machine's processes."""
    server = Server(folder=tmp_path_factory.mktemp("local"), catalog=catalog, settings=SETTINGS)
    write_geopackage(server.buckets / "fields" / "parcels.gpkg", good_parcels(30))
    (server.buckets / "results").mkdir()
    try:
        server.start()
        with client.signed_in(server, *server.add_client()) as session:
            job = client.run_job(session, server, body())
        assert job["status"] == "DONE", job
        return client.result_bytes(server, job)
    finally:
        server.close()


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("dask"), (1, 1), DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="0") as made:
        yield made


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, catalog: Path, workers: Cluster) -> Iterator[Server]:
    settings = {**SETTINGS, "EXECUTOR": workers.address.replace("tcp", "dask"), "SECRET_KEY": SERVER_KEY}
    server = Server(folder=tmp_path_factory.mktemp("server"), catalog=catalog, settings=settings)
    write_geopackage(server.buckets / "fields" / "parcels.gpkg", good_parcels(30))
    (server.buckets / "results").mkdir()
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture(scope="module")
def session(server: Server) -> Iterator[OAuth2Session]:
    with client.signed_in(server, *server.add_client()) as session:
        yield session


def begin(session: OAuth2Session, server: Server) -> str:
    """A job that has written some of its files and has others to write."""
    job = client.create(session, server, body())
    assert client.act(session, server, job, "start") == 204
    folder = server.buckets / "results" / "dask" / job
    wait_for(lambda: len(list(folder.glob("*.json"))) > 2, 60, "the first results", pause=0.01)
    assert client.status(session, server, job)["status"] == "PROCESSING"
    return job


def test_workers_die_and_join(
    server: Server, session: OAuth2Session, workers: Cluster, expected: dict[str, bytes]
) -> None:
    job = begin(session, server)
    workers.processes[1].kill()
    workers.worker()
    workers.worker()
    done = client.wait_until(session, server, job, seconds=120)
    assert done["status"] == "DONE", done
    assert client.result_bytes(server, done) == expected
    workers.wait_for_threads(3)


def test_stop_and_go_on(server: Server, session: OAuth2Session, expected: dict[str, bytes]) -> None:
    job = begin(session, server)
    wait_for(lambda: client.status(session, server, job)["completionPercentage"] > 0, 30, "the first whole partition")
    assert client.act(session, server, job, "stop") == 204
    stopped = client.wait_until(session, server, job, ("STOPPED",))
    assert 0 < stopped["completionPercentage"] < 100
    assert client.act(session, server, job, "start") == 204
    done = client.wait_until(session, server, job, seconds=120)
    assert done["status"] == "DONE", done
    assert client.result_bytes(server, done) == expected


def test_nothing_is_told(server: Server, workers: Cluster) -> None:
    for text in (server.log, workers.log):
        for secret in (SECRET, SERVER_KEY):
            assert secret not in text
