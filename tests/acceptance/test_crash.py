"""`kill -9` while a job is PROCESSING: after a restart it goes on by itself and ends with exactly the same files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from requests_oauthlib import OAuth2Session

from tests.support import client
from tests.support.middle import FIELDS, catch, check_the_same, serving, slow_body, stop
from tests.support.server import Server, wait_for

pytestmark = pytest.mark.slow

SETTINGS = {"PIXEL_BUDGET": "2000", "POLICY__LEASE_SECONDS": "3"}
"""Many small partitions, soon taken over."""
BODY = slow_body("s3://results/crash", 10_000)


@pytest.fixture(scope="module")
def fragile(tmp_path_factory: pytest.TempPathFactory, catalog: Path) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("fragile"), catalog, SETTINGS) as server:
        yield server


@pytest.fixture(scope="module")
def session(fragile: Server) -> Iterator[OAuth2Session]:
    with client.signed_in(fragile, *fragile.add_client()) as session:
        yield session


@pytest.fixture(autouse=True)
def up(fragile: Server) -> None:
    """Restart the server if the test before killed it."""
    if fragile.process is None or fragile.process.poll() is not None:
        fragile.close()
        fragile.start()


@pytest.fixture(scope="module")
def undisturbed(fragile: Server, session: OAuth2Session) -> dict[str, bytes]:
    """File name → bytes of an undisturbed run."""
    job = client.run_job(session, fragile, BODY)
    assert job["status"] == "DONE", job
    files = client.result_bytes(fragile, job)
    assert len(files) == len(FIELDS)
    return files


@pytest.mark.parametrize("whole", [False, True], ids=["the server alone", "the whole process tree"])
def test_the_server_is_killed(
    fragile: Server, session: OAuth2Session, undisturbed: dict[str, bytes], whole: bool
) -> None:
    job = catch(session, fragile, BODY)
    if whole:
        fragile.close()
    else:
        fragile.kill()
        wait_for(lambda: not fragile.members(), 60, "the killed server's children to notice and end")
    written = {path.name for path in (fragile.buckets / "results" / "crash" / job).glob("*.json")}
    assert written < set(undisturbed), "it was killed too late to tell anything"
    fragile.start()
    check_the_same(session, fragile, job, undisturbed)


def test_the_processes_below_it_are_killed(
    fragile: Server, session: OAuth2Session, undisturbed: dict[str, bytes]
) -> None:
    """Workers and script children, one after the other, while the server lives on."""
    job = catch(session, fragile, BODY)
    for victim in fragile.children()[:3]:
        try:
            victim.kill()
        except psutil.NoSuchProcess:
            continue
    check_the_same(session, fragile, job, undisturbed)


def test_a_polite_end_and_a_restart(fragile: Server, session: OAuth2Session, undisturbed: dict[str, bytes]) -> None:
    job = catch(session, fragile, BODY)
    fragile.stop()
    assert fragile.members() == []
    fragile.start()
    check_the_same(session, fragile, job, undisturbed)


def test_stop_and_go_on(fragile: Server, session: OAuth2Session, undisturbed: dict[str, bytes]) -> None:
    """STOP finishes what is in hand and keeps the percentage; START does only what is left."""
    job = catch(session, fragile, BODY)
    stopped = stop(session, fragile, job)
    folder = client.result_folder(fragile, stopped)
    before = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.json")}
    assert client.act(session, fragile, job, "start") == 204
    check_the_same(session, fragile, job, undisturbed)
    assert {name: (folder / name).stat().st_mtime_ns for name in before} == before
