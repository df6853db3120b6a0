"""TLS on the way to a Dask cluster: who has no certificate stays outside, and who listens in learns nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("distributed", reason="needs Dask: install arpent[dask]")

from dask import config

from arpent.adapters.executors.dask.executor import DaskExecutor
from arpent.domain.errors import WorldError
from tests.support import client
from tests.support.certificates import Papers, make_papers
from tests.support.dask_calls import MODULES, SECRET, count, lease, outcome
from tests.support.dask_cluster import Cluster, cluster
from tests.support.middle import FIELDS, serving, slow_body
from tests.support.relay import relay
from tests.support.server import wait_for

pytestmark = pytest.mark.services


@pytest.fixture(scope="module", autouse=True)
def wanted() -> None:
    if not os.environ.get("ARPENT_TEST_DASK"):
        pytest.skip("needs time for Dask: run `make test-services`, or set ARPENT_TEST_DASK to 1")


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    return make_papers(tmp_path_factory.mktemp("papers"))


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    """Of another authority."""
    return make_papers(tmp_path_factory.mktemp("strangers"))


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory, papers: Papers) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("dask"), (1, 1), scheme="tls", **papers.dask, **MODULES) as made:
        yield made


def heard(workers: Cluster) -> bytes:
    """What somebody on the way hears of a piece of work and its outcome."""
    with relay(("127.0.0.1", workers.port), listens_in=True) as way:
        executor = DaskExecutor(f"{workers.scheme}://{way.address}")
        try:
            assert outcome(executor.submit(count, lease())).done == 3
        finally:
            executor.close()
    return bytes(way.heard)


def test_who_listens_in_learns_nothing(workers: Cluster, papers: Papers, tmp_path: Path) -> None:
    with config.set(papers.client):
        said = heard(workers)
    assert len(said) > 1000
    for word in (SECRET, "token-of-this-lease", "arpent", "submit"):
        assert word.encode() not in said
    with cluster(tmp_path, (1,), **MODULES) as unprotected:
        assert SECRET.encode() in heard(unprotected), "so it would be heard"


def test_strangers_stay_outside(workers: Cluster, strangers: Papers, tmp_path: Path) -> None:
    with config.set(strangers.client), pytest.raises(WorldError, match="does it use TLS") as caught:
        DaskExecutor(workers.address)
    assert caught.value.transient, "the operator may still put that right"
    plain = workers.address.replace("tls", "tcp")
    with pytest.raises(WorldError, match="No Dask scheduler answers at tcp:"):
        DaskExecutor(plain)
    theirs = {**workers.environment, **strangers.dask}
    intruder = Cluster(folder=tmp_path, environment=theirs, scheme="tls", port=workers.port)
    try:
        intruder.worker()
        wait_for(lambda: intruder.log.count("Waiting to connect") > 20, 30, "the intruder to knock in vain")
        assert "Registered to" not in intruder.log
        workers.wait_for_threads(2)
    finally:
        intruder.close()


def test_no_certificates_are_an_error_of_the_operator(workers: Cluster) -> None:
    with pytest.raises(WorldError, match=r"TLS__CA_FILE.*must name certificates") as caught:
        DaskExecutor(workers.address)
    assert not caught.value.transient


def test_a_whole_job(workers: Cluster, papers: Papers, catalog: Path, tmp_path: Path) -> None:
    settings = {"PIXEL_BUDGET": "4000", "EXECUTOR": workers.address.replace("tls", "dask+tls")}
    with serving(tmp_path, catalog, settings, papers.dask) as server:
        with client.signed_in(server, *server.add_client()) as session:
            job = client.run_job(session, server, slow_body("s3://results/tls", 100), seconds=120)
        assert (job["status"], job["progress"]["done"]) == ("DONE", len(FIELDS)), job
        wait_for(lambda: "is finished" in server.log, 10, "the log")
        assert "unencrypted" not in server.log
