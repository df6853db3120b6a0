"""What stays away until all attempts are used up costs what needed it, with the reason; START then makes it good."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from requests_oauthlib import OAuth2Session

from tests.support import client
from tests.support.middle import serving, slow_body, undisturbed
from tests.support.parcels import good_parcels
from tests.support.server import Server, wait_for
from tests.support.web import Web, serve

pytestmark = pytest.mark.slow

PARCELS = good_parcels(30)
SETTINGS = {
    "PIXEL_BUDGET": "1500", "POLICY__ATTEMPTS": "2", "POLICY__RETRY_SECONDS": "0.1", "EXECUTOR": "processes:4",
    "POLICY__OUTAGE_SECONDS": "4", "POLICY__ABSENCE_SECONDS": "4",
}  # fmt: skip
LOST = "33TYM_20230613"
"""An image that some parcels need in one of their intervals."""


@pytest.fixture(scope="module")
def web(catalog: Path) -> Iterator[Web]:
    with serve(catalog) as web:
        yield web


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, catalog: Path, web: Web) -> Iterator[Server]:
    """The items in one file, the images on the web."""
    folder = tmp_path_factory.mktemp("away")
    items = []
    for path in sorted(catalog.rglob("*.json")):
        item = json.loads(path.read_text())
        for asset in item["assets"].values():
            asset["href"] = f"{web.url}/{path.parent.name}/{Path(asset['href']).name}"
        items.append(item)
    (folder / "items.json").write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    with serving(folder, folder / "items.json", {**SETTINGS, "REACHABLE": web.url}, fields=PARCELS) as server:
        yield server


@pytest.fixture(scope="module")
def session(server: Server) -> Iterator[OAuth2Session]:
    with client.signed_in(server, *server.add_client()) as session:
        yield session


def body(turns: int) -> dict[str, Any]:
    return slow_body("s3://results/away", turns)


@pytest.fixture(scope="module")
def whole(server: Server, session: OAuth2Session) -> dict[str, Any]:
    """The job when nothing is away."""
    return undisturbed(session, server, body(1_000))


def report(server: Server, session: OAuth2Session, job: str) -> list[dict[str, Any]]:
    answer = session.get(f"{server.batch}/{job}/features", params={"count": 1000})
    assert answer.ok, answer.text
    (lines,) = [value for value in answer.json().values() if isinstance(value, list)]
    return list(lines)


def table(server: Server, job: dict[str, Any]) -> pd.DataFrame:
    found = pd.read_parquet(client.result_folder(server, job) / "parquet")
    return found.sort_values(["id", "from", "output", "band"]).reset_index(drop=True)


def check_it_is_whole(server: Server, done: dict[str, Any], whole: dict[str, Any]) -> None:
    assert (done["status"], done["progress"]["failed"]) == ("DONE", 0), done
    assert client.result_bytes(server, done) == client.result_bytes(server, whole)
    pd.testing.assert_frame_equal(table(server, done), table(server, whole))


def go_on(server: Server, session: OAuth2Session, job: str) -> dict[str, Any]:
    assert client.act(session, server, job, "start") == 204
    client.wait_until(session, server, job, ("PROCESSING", "DONE"))
    return client.wait_until(session, server, job, seconds=180)


def test_a_catalogue_that_comes_back_costs_nothing(
    server: Server, session: OAuth2Session, whole: dict[str, Any]
) -> None:
    """The job says what its partitions wait for."""
    job = client.create(session, server, body(100_002))
    assert client.act(session, server, job, "start") == 204
    folder = server.buckets / "results" / "away" / job
    wait_for(lambda: len(list(folder.glob("*.json"))) > 2, 60, "the first results", pause=0.01)
    hidden = server.catalog.rename(server.catalog.with_suffix(".hidden"))
    wait_for(lambda: "waiting" in client.status(session, server, job), 60, "that it waits", pause=0.05)
    told = client.status(session, server, job)
    hidden.rename(server.catalog)
    assert (told["status"], "items.json" in told["waiting"]["for"]) == ("PROCESSING", True), told
    done = client.wait_until(session, server, job, seconds=180)
    assert "waiting" not in done
    check_it_is_whole(server, done, whole)


def test_the_catalogue_is_away(server: Server, session: OAuth2Session, whole: dict[str, Any]) -> None:
    """The features of the partitions that were tried meanwhile fail, and no others."""
    job = client.create(session, server, body(100_000))
    assert client.act(session, server, job, "start") == 204
    folder = server.buckets / "results" / "away" / job
    wait_for(lambda: len(list(folder.glob("*.json"))) > 2, 60, "the first results", pause=0.01)
    hidden = server.catalog.rename(server.catalog.with_suffix(".hidden"))
    partly = client.wait_until(session, server, job, seconds=180)
    hidden.rename(server.catalog)
    assert partly["status"] == "DONE", partly
    assert partly["progress"]["done"] > 0
    assert partly["progress"]["failed"] > 0
    failed = {line["id"]: line["message"] for line in report(server, session, job) if line["verdict"] == "FAILED"}
    assert len(failed) == partly["progress"]["failed"]
    assert all("catalogue" in message and "items.json" in message for message in failed.values()), failed
    expected = client.result_bytes(server, whole)
    answers = client.result_bytes(server, partly)
    assert {int(name.removesuffix(".json")) for name in answers if answers[name] != expected[name]} == failed.keys()
    check_it_is_whole(server, go_on(server, session, job), whole)


@pytest.mark.parametrize("answer", [503, 403])
def test_one_image_is_away(
    server: Server, session: OAuth2Session, web: Web, whole: dict[str, Any], answer: int
) -> None:
    """Who needed it lacks an interval; START does these again, and leaves the other files alone. Rights that are
    withdrawn for a while are given back, too."""
    job = client.create(session, server, body(1_001))
    assert client.act(session, server, job, "analyse") == 204
    client.wait_until(session, server, job, ("ANALYSIS_DONE",))
    web.away, web.away_status = LOST, answer
    assert client.act(session, server, job, "start") == 204
    partly = client.wait_until(session, server, job, seconds=500)
    web.away, web.away_status = "", 503
    assert (partly["status"], partly["progress"]["done"]) == ("DONE", len(PARCELS)), partly
    incomplete = {line["id"] for line in report(server, session, job) if line["kind"] == "intervals-unavailable"}
    assert 0 < len(incomplete) < len(PARCELS)
    stamps = {path.name: path.stat().st_mtime_ns for path in client.result_folder(server, partly).glob("*.json")}
    done = go_on(server, session, job)
    after = {path.name: path.stat().st_mtime_ns for path in client.result_folder(server, done).glob("*.json")}
    assert {int(name.removesuffix(".json")) for name in after if after[name] != stamps[name]} == incomplete
    assert [
        line for line in report(server, session, job) if line["id"] in incomplete and "interval" in line["kind"]
    ] == []
    check_it_is_whole(server, done, whole)
    assert session.post(f"{server.batch}/{job}/start").status_code == 400, "nothing is left to better"
