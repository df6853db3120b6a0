"""A job on a Dask cluster of several hosts, of which some lose their network in mid-job: the bytes of one machine.

The hosts are network namespaces. Images, features and results lie in real buckets that they reach over their network,
so that a host that is cut off can neither read nor write, nor say so.
"""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import obstore
import pandas as pd
import pytest
from requests_oauthlib import OAuth2Session

from tests.services.conftest import Gateway
from tests.support import client
from tests.support.dask_cluster import Cluster, surroundings
from tests.support.hosts import Network, hindrance, network
from tests.support.parcels import good_parcels, write_geopackage
from tests.support.relay import relay
from tests.support.scripts import slow_script
from tests.support.server import Server, wait_for

pytestmark = pytest.mark.services
pytest.importorskip("distributed", reason="needs Dask: install arpent[dask]")

FIELDS = 400
TURNS = 8_000
ROW = ["id", "from", "output", "band"]
LEASE_SECONDS = 6
SETTINGS = {
    "BUCKETS": None, "PIXEL_BUDGET": "3000", "LOG_FORMAT": "json",
    "POLICY__LEASE_SECONDS": str(LEASE_SECONDS), "POLICY__RETRY_SECONDS": "0.2",
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def wanted() -> None:
    if not os.environ.get("ARPENT_TEST_DASK"):
        pytest.skip("needs time for Dask: run `make test-services`, or set ARPENT_TEST_DASK to 1")
    if why := hindrance():
        pytest.skip(f"needs network namespaces as hosts: {why}")


@pytest.fixture(scope="module")
def fields(gateway: Gateway, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("fields") / "parcels.gpkg"
    write_geopackage(path, good_parcels(FIELDS))
    obstore.put(gateway.store, "hosts/parcels.gpkg", path.read_bytes())


@pytest.fixture(scope="module")
def wish(gateway: Gateway, fields: None) -> dict[str, object]:
    return body(gateway, TURNS)


def body(gateway: Gateway, turns: int) -> dict[str, object]:
    """A job whose pixels take these turns each; its numbers are always the same."""
    asked = client.seed_body("s3://x/y", slow_script(turns), "s3://x/z", aggregationInterval={"of": "P10D"})
    asked["input"]["features"] = gateway.access("hosts/parcels.gpkg")
    asked["output"] = gateway.access("hosts/results")
    return asked


@dataclass(frozen=True, kw_only=True)
class Left:
    """What a job left in its folder."""

    files: dict[str, bytes]
    """All but those of the table."""
    table: pd.DataFrame
    """Its rows in order: in which of its files they stand tells how often a partition was begun."""


def left_by(gateway: Gateway, job: str) -> Left:
    prefix = f"hosts/results/{job}"
    found = [entry["path"] for batch in obstore.list(gateway.store, prefix) for entry in batch]
    content = {path.removeprefix(f"{prefix}/"): bytes(obstore.get(gateway.store, path).bytes()) for path in found}
    parts = [pd.read_parquet(io.BytesIO(part)) for name, part in content.items() if name.startswith("parquet/")]
    return Left(
        files={name: part for name, part in content.items() if not name.startswith("parquet/")},
        table=pd.concat([part for part in parts if len(part)]).sort_values(ROW).reset_index(drop=True),
    )


@pytest.fixture(scope="module")
def expected(
    tmp_path_factory: pytest.TempPathFactory, cloud_catalog: Path, gateway: Gateway, machine: dict[str, str],
    fields: None,
) -> Left:  # fmt: skip
    """What the same job leaves on this machine's processes, undisturbed."""
    server = Server(
        folder=tmp_path_factory.mktemp("alone"), catalog=cloud_catalog, settings=SETTINGS, variables=machine
    )
    try:
        server.start()
        with client.signed_in(server, *server.add_client()) as session:
            job = client.run_job(session, server, body(gateway, 10), seconds=240)
    finally:
        server.close()
    assert (job["status"], job["progress"]["done"]) == ("DONE", len(good_parcels(FIELDS))), job
    return left_by(gateway, job["id"])


@pytest.fixture
def hosts() -> Iterator[Network]:
    with network("scheduler", "one", "two", "three") as made:
        yield made


@pytest.fixture
def workers(hosts: Network, machine: dict[str, str], tmp_path: Path) -> Iterator[Cluster]:
    """On hosts one and two, which reach the buckets at this machine's address."""
    (tmp_path / "dask").mkdir()
    buckets = urlsplit(machine["AWS_ENDPOINT_URL_S3"])
    with ExitStack() as stack:
        passage = stack.enter_context(relay((str(buckets.hostname), int(buckets.port or 80)), hosts.home))
        settings = {
            **machine, "AWS_ENDPOINT_URL_S3": f"http://{passage.address}",
            "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0",
        }  # fmt: skip
        made = Cluster(folder=tmp_path / "dask", environment=surroundings(**settings), host=hosts.hosts["scheduler"])
        stack.callback(made.close)
        made.scheduler()
        for name in ("one", "two"):
            made.worker(host=hosts.hosts[name], nanny=True)
        made.wait_for_threads(2)
        yield made


@pytest.fixture
def server(tmp_path: Path, cloud_catalog: Path, machine: dict[str, str], workers: Cluster) -> Iterator[Server]:
    (tmp_path / "server").mkdir()
    settings = {**SETTINGS, "EXECUTOR": workers.address.replace("tcp", "dask")}
    server = Server(folder=tmp_path / "server", catalog=cloud_catalog, settings=settings, variables=machine)
    with server:
        yield server


@pytest.fixture
def session(server: Server) -> Iterator[OAuth2Session]:
    with client.signed_in(server, *server.add_client()) as session:
        yield session


def begin(session: OAuth2Session, server: Server, wish: dict[str, object]) -> str:
    """A job that has written some of its files and has many to write."""
    job = client.create(session, server, wish)
    assert client.act(session, server, job, "start") == 204
    wait_for(lambda: client.status(session, server, job)["completionPercentage"] > 0, 60, "the first whole partition")
    assert client.status(session, server, job)["completionPercentage"] < 50, "too fast to be caught in the middle"
    return job


def check(session: OAuth2Session, server: Server, gateway: Gateway, job: str, expected: Left) -> None:
    done = client.wait_until(session, server, job, seconds=180)
    assert (done["status"], done["progress"]["done"]) == ("DONE", len(good_parcels(FIELDS))), done
    check_left(gateway, job, expected)


def check_left(gateway: Gateway, job: str, expected: Left) -> None:
    found = left_by(gateway, job)
    assert found.files.keys() == expected.files.keys(), "nothing is missing, nothing is left over"
    # These name the request, which differs in how fast it is made to be, or the job.
    named = ("features/", "fingerprints/", "stac/")
    same = {name: content for name, content in expected.files.items() if not name.startswith(named)}
    assert [name for name, content in same.items() if found.files[name] != content] == []
    pd.testing.assert_frame_equal(found.table, expected.table, check_exact=True)


def test_hosts_are_cut_off_and_another_joins(
    server: Server, session: OAuth2Session, workers: Cluster, hosts: Network, gateway: Gateway,
    wish: dict[str, object], expected: Left,
) -> None:  # fmt: skip
    """Both hosts that began it are gone before it ends: the one that joined meanwhile takes what they had and all
    that is left. Dask itself would wait five minutes for their workers."""
    job = begin(session, server, wish)
    hosts.cut("one")
    workers.worker(host=hosts.hosts["three"])
    workers.wait_for_threads(3)  # as the scheduler thinks
    hosts.cut("two")
    left = client.status(session, server, job)["completionPercentage"]
    assert left < 90, "it is too late to need the newcomer"
    check(session, server, gateway, job, expected)
    assert f"was silent for {LEASE_SECONDS} s" in server.log
    for name in ("one", "two"):
        hosts.join(name)
    time.sleep(3)  # what was under way there may come to its end, and writes the same
    check_left(gateway, job, expected)


def test_the_schedulers_host_is_cut_off_for_a_while(
    server: Server, session: OAuth2Session, hosts: Network, gateway: Gateway, wish: dict[str, object],
    expected: Left,
) -> None:  # fmt: skip
    job = begin(session, server, wish)
    hosts.cut("scheduler")
    wait_for(lambda: "scheduler was silent for" in server.log, 60, "the runner to notice", pause=0.2)
    hosts.join("scheduler")
    check(session, server, gateway, job, expected)
