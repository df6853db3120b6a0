"""Chaos: whatever is killed, stopped or taken away, a job ends DONE with exactly the bytes of an undisturbed run."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import shapely
from requests_oauthlib import OAuth2Session
from shapely import affinity

from tests.support import client
from tests.support.chaos import Chaos
from tests.support.parcels import Parcel, write_geopackage
from tests.support.scripts import slow_script
from tests.support.server import Server, wait_for
from tests.support.world import NORTH, WEST

pytestmark = pytest.mark.slow

ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "20"))
SEED = int(os.environ["CHAOS_SEED"])
"""Drawn anew for every run, see tests/conftest.py; set CHAOS_SEED to have a run again."""
FEATURES = 2_500
TURNS = 4_000
LEASE_SECONDS = 2.0
SETTINGS = {
    "PIXEL_BUDGET": "600",
    "POLICY__LEASE_SECONDS": f"{LEASE_SECONDS:g}",
    "POLICY__RETRY_SECONDS": "0.3",
    "POLICY__ATTEMPTS": "8",
    "SCRIPT_SECONDS": "20",
}
"""Many small partitions, soon taken over, soon tried again."""


def small_parcels(count: int) -> tuple[Parcel, ...]:
    """Small fields in rows, each turned a little."""
    columns = 60
    return tuple(
        Parcel(
            id=row + 1,
            identifier=f"P{row}",
            geometry=affinity.rotate(
                shapely.box(x := WEST + 40 + row % columns * 70, y := NORTH - 80 - row // columns * 55, x + 45, y + 35),
                row % 90,
            ),
        )
        for row in range(count)
    )


def one_file(catalog: Path, target: Path) -> Path:
    """The items in one file, apart from their images."""
    features = []
    for path in sorted(catalog.rglob("*.json")):
        item = json.loads(path.read_text())
        for asset in item["assets"].values():
            asset["href"] = str(path.parent / asset["href"])
        features.append(item)
    target.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return target


@pytest.fixture(scope="module")
def chaos(tmp_path_factory: pytest.TempPathFactory, catalog: Path) -> Iterator[Chaos]:
    folder = tmp_path_factory.mktemp("chaos")
    items = one_file(catalog, folder / "items.json")
    server = Server(folder=folder, catalog=items, settings={**SETTINGS, "REACHABLE": str(catalog)})
    write_geopackage(server.buckets / "fields" / "small.gpkg", small_parcels(FEATURES))
    (server.buckets / "results").mkdir()
    chaos = Chaos(server=server, catalog=items, lease_seconds=LEASE_SECONDS, seed=SEED)
    try:
        chaos.start()
        yield chaos
    finally:
        chaos.close()


@pytest.fixture(scope="module")
def session(chaos: Chaos) -> Iterator[OAuth2Session]:
    with client.signed_in(chaos.server, *chaos.server.add_client()) as session:
        yield session


def body() -> dict[str, Any]:
    return client.seed_body(
        "s3://fields/small.gpkg", slow_script(TURNS), "s3://results/chaos", aggregationInterval={"of": "P10D"}
    )


def tree(chaos: Chaos, job: str) -> dict[str, bytes]:
    """Path → bytes of all that the job has written, its id taken out; a partial file has a hidden name of its own, and
    counts not."""
    folder = chaos.server.buckets / "results" / "chaos" / job
    return {
        str(path.relative_to(folder)): path.read_bytes().replace(job.encode(), b"")
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".arpent-partial-")
    }


def start(chaos: Chaos, session: OAuth2Session, job: str) -> None:
    """START the job, trying again while the server is down."""

    def started() -> bool:
        try:
            return (
                client.act(session, chaos.server, job, "start") == 204
                or status(chaos, session, job)["status"] != "CREATED"
            )
        except requests.ConnectionError:
            return False

    wait_for(started, 60, "START")


def status(chaos: Chaos, session: OAuth2Session, job: str) -> dict[str, Any]:
    try:
        return client.status(session, chaos.server, job)
    except requests.ConnectionError:
        return {"status": "UNKNOWN"}


def check(chaos: Chaos, session: OAuth2Session, job: str, expected: dict[str, bytes]) -> None:
    told = "\n".join([f"CHAOS_SEED={SEED}", *chaos.done])
    wait_for(lambda: status(chaos, session, job)["status"] in client.ENDS, 120, f"{job} to end; {told}")
    done = client.wait_until(session, chaos.server, job)
    assert (done["status"], done["progress"]["failed"], done["completionPercentage"]) == ("DONE", 0, 100), (told, done)
    actual = tree(chaos, job)
    assert sorted(actual) == sorted(expected), told
    assert [name for name in expected if actual[name] != expected[name]] == [], told


def test_whatever_happens_the_job_is_done_and_the_same(chaos: Chaos, session: OAuth2Session) -> None:
    began = time.monotonic()
    undisturbed = client.run_job(session, chaos.server, body(), seconds=120)
    assert undisturbed["status"] == "DONE", undisturbed
    print(f"CHAOS_SEED={SEED}")
    print(f"undisturbed: {time.monotonic() - began:.1f} s, {undisturbed['progress']}")
    expected = tree(chaos, undisturbed["id"])
    assert len([name for name in expected if "/" not in name]) == FEATURES
    while len(chaos.done) < ROUNDS:
        job = client.create(session, chaos.server, body())
        chaos.round("analysis", lambda job=job: start(chaos, session, job))  # type: ignore[misc]
        percentage = 0.0
        while (now := status(chaos, session, job))["status"] != "DONE":
            told = (f"CHAOS_SEED={SEED}", chaos.done, now)
            assert now["status"] not in ("FAILED", "STOPPED"), told
            assert now.get("completionPercentage", percentage) >= percentage, ("progress ran backwards", told)
            percentage = now.get("completionPercentage", percentage)
            if now["status"] == "PROCESSING" and len(chaos.done) < ROUNDS:
                chaos.round("processing")
                if chaos.met["processing"] >= chaos.met["analysis"]:  # then another analysis, this one as it is
                    break
            time.sleep(0.1)
        check(chaos, session, job, expected)
    print(f"{ROUNDS} rounds: {time.monotonic() - began:.1f} s")
    print("\n".join(chaos.done))


def test_nothing_is_left_behind(chaos: Chaos) -> None:
    """After a polite end: no server, runner, worker, zygote or interpreter of all that ever were."""
    chaos.seen.update(chaos.processes())
    assert chaos.runner is not None
    chaos.runner.terminate()
    chaos.runner.wait(60)
    chaos.server.stop()
    wait_for(lambda: not chaos.survivors(), 60, f"these to end: {[process.cmdline() for process in chaos.survivors()]}")
