"""A whole job on a Dask cluster: the same bytes as on one machine even if workers die, and no secret on the way."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from requests_oauthlib import OAuth2Session

from tests.support import client
from tests.support.dask_cluster import Cluster, cluster
from tests.support.middle import catch, check_the_same, serving, slow_body, stop
from tests.support.server import Server

pytestmark = pytest.mark.services
pytest.importorskip("distributed", reason="needs Dask: install arpent[dask]")

SETTINGS = {"PIXEL_BUDGET": "2000", "POLICY__RETRY_SECONDS": "0.1", "LOG_FORMAT": "json"}
SECRET = "never-say-this-aloud"
SERVER_KEY = "the-key-of-this-server-9f3a71c05b-and-no-other"
BODY = slow_body("s3://results/dask")


@pytest.fixture(scope="module", autouse=True)
def wanted() -> None:
    if not os.environ.get("ARPENT_TEST_DASK"):
        pytest.skip("needs time for Dask: run `make test-services`, or set ARPENT_TEST_DASK to 1")


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory, catalog: Path) -> dict[str, bytes]:
    """File name → bytes of the same job on this machine's processes."""
    with serving(tmp_path_factory.mktemp("local"), catalog, SETTINGS) as server:
        with client.signed_in(server, *server.add_client()) as session:
            job = client.run_job(session, server, slow_body("s3://results/dask", 100))
        assert job["status"] == "DONE", job
        return client.result_bytes(server, job)


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("dask"), (1, 1), DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="0") as made:
        yield made


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, catalog: Path, workers: Cluster) -> Iterator[Server]:
    settings = {**SETTINGS, "EXECUTOR": workers.address.replace("tcp", "dask"), "SECRET_KEY": SERVER_KEY}
    with serving(tmp_path_factory.mktemp("server"), catalog, settings) as made:
        yield made


@pytest.fixture(scope="module")
def session(server: Server) -> Iterator[OAuth2Session]:
    with client.signed_in(server, *server.add_client()) as session:
        yield session


def test_workers_die_and_join(
    server: Server, session: OAuth2Session, workers: Cluster, expected: dict[str, bytes]
) -> None:
    job = catch(session, server, BODY)
    workers.processes[1].kill()
    workers.worker()
    workers.worker()
    check_the_same(session, server, job, expected, seconds=120)
    workers.wait_for_threads(3)


def test_stop_and_go_on(server: Server, session: OAuth2Session, expected: dict[str, bytes]) -> None:
    job = catch(session, server, BODY)
    stop(session, server, job)
    assert client.act(session, server, job, "start") == 204
    check_the_same(session, server, job, expected, seconds=120)


def test_nothing_is_told(server: Server, workers: Cluster) -> None:
    for text in (server.log, workers.log):
        for secret in (SECRET, SERVER_KEY):
            assert secret not in text
