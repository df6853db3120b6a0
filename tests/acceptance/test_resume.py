"""Stop, resume, retry: what is done stays untouched, what is left is done, and what failed is done again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from requests_oauthlib import OAuth2Session

from tests.support import client
from tests.support.middle import FIELDS, serving, stop
from tests.support.parcels import bad_parcels, write_geopackage
from tests.support.scripts import SEED, slow_script
from tests.support.server import Server, wait_for

pytestmark = pytest.mark.slow

SETTINGS = {"PIXEL_BUDGET": "1500", "POLICY__RESTART_PAUSE_MINUTES": "30", "POLICY__RETRY_SECONDS": "0.1"}
EAST = "33TYM"
"""Some parcels lie on this tile alone."""


@pytest.fixture(scope="module")
def resuming(tmp_path_factory: pytest.TempPathFactory, catalog: Path) -> Iterator[Server]:
    """With a country of its own, to break."""
    folder = tmp_path_factory.mktemp("resuming")
    shutil.copytree(catalog, folder / "stac")
    with serving(folder, folder / "stac", SETTINGS) as server:
        write_geopackage(server.buckets / "fields" / "mixed.gpkg", FIELDS + bad_parcels())
        yield server


@pytest.fixture(scope="module")
def session(resuming: Server) -> Iterator[OAuth2Session]:
    with client.signed_in(resuming, *resuming.add_client()) as session:
        yield session


def body(script: str, features: str = "parcels", **aggregation: Any) -> dict[str, Any]:
    return client.seed_body(f"s3://fields/{features}.gpkg", script, "s3://results/resume", **aggregation)


def stamps(server: Server, job: dict[str, Any]) -> dict[str, int]:
    """File name → when it was written."""
    return {path.name: path.stat().st_mtime_ns for path in client.result_folder(server, job).glob("*.json")}


def test_the_lock_after_a_stop_and_what_is_left_after_it(resuming: Server, session: OAuth2Session) -> None:
    script = slow_script(8_000)
    whole = client.run_job(session, resuming, body(script))
    job = client.create(session, resuming, body(script))
    assert client.act(session, resuming, job, "start") == 204
    stopped = stop(session, resuming, job)
    refused = session.post(f"{resuming.batch}/{job}/start")
    assert refused.status_code == 400
    assert "30 minutes" in refused.json()["error"]["message"]

    def in_hand_is_finished() -> bool:
        now = client.status(session, resuming, job)
        assert now["completionPercentage"] >= stopped["completionPercentage"]
        return len(stamps(resuming, stopped)) == session.get(f"{resuming.batch}/{job}").json()["progress"]["done"]

    wait_for(in_hand_is_finished, 60, "what was in hand to be finished and counted")
    before = stamps(resuming, stopped)
    assert 0 < len(before) < len(FIELDS)
    resuming.stop()
    resuming.settings = {**SETTINGS, "POLICY__RESTART_PAUSE_MINUTES": "0"}
    resuming.start()
    assert client.act(session, resuming, job, "start") == 204
    done = client.wait_until(session, resuming, job)
    assert (done["status"], done["completionPercentage"]) == ("DONE", 100), done
    after = stamps(resuming, done)
    assert {name: after[name] for name in before} == before, "what was done is not done again"
    assert client.result_bytes(resuming, done) == client.result_bytes(resuming, whole)
    assert done["costPU"] == pytest.approx(whole["costPU"])


def test_what_failed_is_done_again_and_nothing_else(resuming: Server, session: OAuth2Session) -> None:
    """The images of one tile are lost, and found again: START does the features that had nothing else."""
    one_day = {
        "timeRange": {"from": "2023-06-13T00:00:00Z", "to": "2023-06-14T00:00:00Z"},
        "aggregationInterval": {"of": "P1D"},
    }
    wish = body(SEED.text, "mixed", **one_day)
    whole = client.run_job(session, resuming, wish)
    images = sorted(resuming.catalog.glob(f"*{EAST}_20230613*/*.tif"))
    assert images
    for image in images:
        image.rename(image.with_suffix(".lost"))
    partly = client.run_job(session, resuming, wish)
    assert partly["status"] == "DONE", partly
    assert partly["progress"]["done"] > 0
    assert partly["progress"]["failed"] > len(bad_parcels())
    lost = {
        feature: answer["response"]["data"][0]["error"]
        for feature, answer in client.results(resuming, partly).items()
        if "response" in answer and answer["response"]["status"] == "FAILED"
    }
    assert len(lost) == partly["progress"]["failed"] - len(bad_parcels())
    assert all(EAST in error["message"] and "does not exist" in error["message"] for error in lost.values())
    report = session.get(f"{resuming.batch}/{partly['id']}/features").text
    assert all(f"{feature}" in report for feature in lost)

    for image in images:
        image.with_suffix(".lost").rename(image)
    before = stamps(resuming, partly)
    assert client.act(session, resuming, partly["id"], "start") == 204
    client.wait_until(session, resuming, partly["id"], ("PROCESSING",))
    done = client.wait_until(session, resuming, partly["id"])
    assert (done["status"], done["progress"]["failed"]) == ("DONE", len(bad_parcels())), done
    after = stamps(resuming, done)
    again = lost.keys() | {parcel.id for parcel in bad_parcels()}
    assert {int(name.removesuffix(".json")) for name in before if after[name] != before[name]} <= again
    assert client.result_bytes(resuming, done) == client.result_bytes(resuming, whole)


def test_a_failed_job_reports_100(resuming: Server, session: OAuth2Session) -> None:
    failed = client.run_job(session, resuming, body(SEED.text, "nowhere"))
    assert (failed["status"], failed["completionPercentage"]) == ("FAILED", 100)
    assert "nowhere" in failed["error"]
