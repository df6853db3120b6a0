"""`kill -9` while a job is PROCESSING: after a restart it goes on by itself and ends with exactly the same files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from requests_oauthlib import OAuth2Session

from tests.support import client
from tests.support.parcels import good_parcels, write_geopackage
from tests.support.scripts import slow_script
from tests.support.server import Server, wait_for

TURNS = 20_000
"""Of a loop per pixel: enough to be caught in the middle of the job, the same numbers always."""
SETTINGS = {"PIXEL_BUDGET": "2000", "POLICY__LEASE_SECONDS": "3"}
"""Many small partitions, soon taken over."""


@pytest.fixture(scope="module")
def fragile(tmp_path_factory: pytest.TempPathFactory, catalog: Path) -> Iterator[Server]:
    server = Server(folder=tmp_path_factory.mktemp("fragile"), catalog=catalog, settings=SETTINGS)
    write_geopackage(server.buckets / "fields" / "parcels.gpkg", good_parcels(30))
    (server.buckets / "results").mkdir()
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture(scope="module")
def session(fragile: Server) -> Iterator[OAuth2Session]:
    with client.signed_in(fragile, *fragile.add_client()) as session:
        yield session


@pytest.fixture(autouse=True)
def up(fragile: Server) -> None:
    """Whatever the test before did to it."""
    if fragile.process is None or fragile.process.poll() is not None:
        fragile.close()
        fragile.start()


@pytest.fixture(scope="module")
def undisturbed(fragile: Server, session: OAuth2Session) -> dict[str, bytes]:
    """File name → bytes of a run that nobody disturbs."""
    job = client.run_job(session, fragile, body())
    assert job["status"] == "DONE", job
    files = client.result_bytes(fragile, job)
    assert len(files) == len(good_parcels(30))
    return files


def body() -> dict[str, object]:
    return client.seed_body(
        "s3://fields/parcels.gpkg", slow_script(TURNS), "s3://results/crash", aggregationInterval={"of": "P10D"}
    )


def catch_in_the_middle(server: Server, session: OAuth2Session) -> str:
    """Start a job and return its id once it has written some of its files and has others to write."""
    job = client.create(session, server, body())
    assert client.act(session, server, job, "start") == 204
    folder = server.buckets / "results" / "crash" / job
    wait_for(lambda: len(list(folder.glob("*.json"))) > 2, 60, "the first results", pause=0.005)
    assert client.status(session, server, job)["status"] == "PROCESSING"
    return job


def check_the_same(server: Server, session: OAuth2Session, job: str, expected: dict[str, bytes]) -> None:
    done = client.wait_until(session, server, job, seconds=90)
    assert (done["status"], done["completionPercentage"]) == ("DONE", 100), done
    assert client.result_bytes(server, done) == expected
    folder = client.result_folder(server, done)
    others = [path.name for path in folder.iterdir() if path.is_file() and path.suffix != ".json"]
    # a file that was being written when the power went may lie there under its hidden name, and under no other
    leftovers = [name for name in others if not name.startswith(".arpent-partial-")]
    assert leftovers == []


@pytest.mark.parametrize("whole", [False, True], ids=["the server alone", "the whole process tree"])
def test_the_server_is_killed(
    fragile: Server, session: OAuth2Session, undisturbed: dict[str, bytes], whole: bool
) -> None:
    job = catch_in_the_middle(fragile, session)
    if whole:
        fragile.close()
    else:
        fragile.kill()
        wait_for(lambda: not fragile.members(), 30, "the killed server's children to notice and end")
    written = {path.name for path in (fragile.buckets / "results" / "crash" / job).glob("*.json")}
    assert written < set(undisturbed), "it was killed too late to tell anything"
    fragile.start()
    check_the_same(fragile, session, job, undisturbed)


def test_the_processes_below_it_are_killed(
    fragile: Server, session: OAuth2Session, undisturbed: dict[str, bytes]
) -> None:
    """Workers and script children, one after the other, while the server lives on."""
    job = catch_in_the_middle(fragile, session)
    for victim in fragile.children()[:3]:
        try:
            victim.kill()
        except psutil.NoSuchProcess:
            continue
    check_the_same(fragile, session, job, undisturbed)


def test_a_polite_end_and_a_restart(fragile: Server, session: OAuth2Session, undisturbed: dict[str, bytes]) -> None:
    job = catch_in_the_middle(fragile, session)
    fragile.stop()
    assert fragile.members() == []
    fragile.start()
    check_the_same(fragile, session, job, undisturbed)


def test_stop_and_go_on(fragile: Server, session: OAuth2Session, undisturbed: dict[str, bytes]) -> None:
    """STOP finishes what is in hand and keeps the percentage; START does only what is left."""
    job = catch_in_the_middle(fragile, session)
    wait_for(lambda: client.status(session, fragile, job)["completionPercentage"] > 0, 30, "the first whole partition")
    assert client.act(session, fragile, job, "stop") == 204
    stopped = client.wait_until(session, fragile, job, ("STOPPED",))
    assert stopped["stoppedStatusReason"] == "USER_ACTION"
    assert 0 < stopped["completionPercentage"] < 100
    folder = client.result_folder(fragile, stopped)
    before = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.json")}
    assert client.act(session, fragile, job, "start") == 204
    check_the_same(fragile, session, job, undisturbed)
    assert {name: (folder / name).stat().st_mtime_ns for name in before} == before
