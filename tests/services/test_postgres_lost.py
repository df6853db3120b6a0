"""The database goes away in mid-job, by cut connections and by an end of the server: the job ends DONE all the same."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests
from requests_oauthlib import OAuth2Session

from tests.services.postgres import Cluster, running_cluster
from tests.support import client
from tests.support.middle import serving, slow_body, undisturbed
from tests.support.parcels import good_parcels
from tests.support.server import Server, wait_for

pytestmark = pytest.mark.services

SETTINGS = {"PIXEL_BUDGET": "1000", "POLICY__LEASE_SECONDS": "5", "POLICY__RETRY_SECONDS": "0.2"}
PARCELS = good_parcels(40)
CUT = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = %s"
)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL of this test alone."""
    if not os.environ.get("ARPENT_TEST_POSTGRES"):
        pytest.skip("needs PostgreSQL: run `make test-services`, or set ARPENT_TEST_POSTGRES to its URL")
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, catalog: Path, cluster: Cluster) -> Iterator[Server]:
    settings = {**SETTINGS, "DATABASE_URL": cluster.url}
    with serving(tmp_path_factory.mktemp("lost"), catalog, settings, fields=PARCELS) as server:
        yield server


@pytest.fixture(scope="module")
def session(server: Server) -> Iterator[OAuth2Session]:
    with client.signed_in(server, *server.add_client()) as session:
        yield session


def body(turns: int) -> dict[str, Any]:
    return slow_body("s3://results/lost", turns)


@pytest.fixture(scope="module")
def expected(server: Server, session: OAuth2Session) -> dict[str, bytes]:
    """File name → bytes of an undisturbed run."""
    return client.result_bytes(server, undisturbed(session, server, body(1_000)))


def disturb(server: Server, session: OAuth2Session, disturbance: Callable[[], object], times: int) -> dict[str, Any]:
    """A job that meets with the disturbance so often, the last time before it is DONE; the job at its end."""
    job = client.create(session, server, body(150_000))
    assert client.act(session, server, job, "start") == 204
    folder = server.buckets / "results" / "lost" / job
    wait_for(lambda: len(list(folder.glob("*.json"))) > 2, 60, "the first results", pause=0.01)
    for _ in range(times):
        disturbance()
        time.sleep(0.3)
    wait_for(lambda: session.get(f"{server.batch}/{job}/status").ok, 30, "the server to have a connection again")
    last = client.status(session, server, job)
    assert last["status"] == "PROCESSING", "the case must disturb a running job"
    done = client.wait_until(session, server, job, seconds=180)
    assert (done["status"], done["progress"]["failed"], done["completionPercentage"]) == ("DONE", 0, 100), done
    return done


def test_connections_are_cut(
    server: Server, session: OAuth2Session, cluster: Cluster, expected: dict[str, bytes]
) -> None:
    """All of them, again and again."""
    victims = 0

    def cut() -> None:
        nonlocal victims
        with psycopg.connect(cluster.url, autocommit=True) as connection:
            found = connection.execute(CUT, ("client backend",)).fetchone()
        victims += 0 if found is None else found[0]

    done = disturb(server, session, cut, 10)
    assert victims >= 10, "the case must cut connections"
    assert client.result_bytes(server, done) == expected


def test_the_server_ends_and_comes_back(
    server: Server, session: OAuth2Session, cluster: Cluster, expected: dict[str, bytes]
) -> None:
    def away() -> None:
        cluster.stop()
        time.sleep(1.0)
        ready = requests.get(f"{server.url}/readyz", timeout=30)
        healthy = requests.get(f"{server.url}/healthz", timeout=30)
        cluster.start()
        assert (ready.status_code, healthy.status_code) == (503, 200)

    done = disturb(server, session, away, 2)
    assert client.result_bytes(server, done) == expected
    assert "does not answer as it should" in server.log
    assert "for-tests-only" not in server.log, "the database's password is no secret any more"
