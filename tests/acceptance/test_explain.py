"""Why is my number different? Over HTTP under both paths, as a picture, and without a server."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from requests_oauthlib import OAuth2Session

from tests.support import client
from tests.support.parcels import bad_parcels, good_parcels
from tests.support.scripts import NDVI
from tests.support.server import Server

SECRET = "never-say-this-aloud"
OVERLAP = next(parcel.id for parcel in good_parcels(2) if parcel.kind == "overlap")
Job = dict[str, Any]


@pytest.fixture(scope="module")
def job(server: Server, oauth: OAuth2Session) -> Job:
    body = client.seed_body("s3://fields/mixed.gpkg", NDVI.text, "s3://results/why", aggregationInterval={"of": "P10D"})
    return client.run_job(oauth, server, body)


def address(server: Server, job: Job, feature: object, path: str = "/api/v1/statistics/batch") -> str:
    return f"{server.url}{path}/{job['id']}/features/{feature}/explain"


@pytest.mark.parametrize("path", ["/api/v1/statistics/batch", "/statistics/batch/v1"])
def test_the_explanation_is_of_the_number_in_the_file(
    server: Server, oauth: OAuth2Session, job: Job, path: str
) -> None:
    file = client.results(server, job)[OVERLAP]["response"]
    for entry in file["data"]:
        answer = oauth.get(address(server, job, OVERLAP, path), params={"from": entry["interval"]["from"]})
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/json;charset=utf-8"
        told = answer.json()
        assert told["response"]["data"] == [entry]
        assert told["counts"]["inside"] == file["geometryPixelCount"]
        stats = entry["outputs"]["index"]["bands"]["B0"]["stats"]
        values = [each["output"]["index"][0] for each in told["samples"]["data"] if each["counts"]["index"][0]]
        assert sum(values) / len(values) == pytest.approx(stats["mean"], rel=1e-12)
        assert SECRET not in answer.text
    first = oauth.get(address(server, job, OVERLAP, path)).json()
    assert first["interval"] == file["data"][0]["interval"]


def test_as_a_picture(server: Server, oauth: OAuth2Session, job: Job) -> None:
    for answer in (
        oauth.get(address(server, job, OVERLAP), headers={"Accept": "image/png"}),
        oauth.get(address(server, job, OVERLAP), params={"format": "png"}),
    ):
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
        assert Image.open(io.BytesIO(answer.content)).width > 1_000
    both = oauth.get(address(server, job, OVERLAP), headers={"Accept": "image/png"}, params={"format": "json"})
    assert both.json()["id"] == OVERLAP
    empty = next(parcel.id for parcel in bad_parcels() if parcel.kind == "empty")
    assert oauth.get(address(server, job, empty), params={"format": "png"}).status_code == 200


def test_what_is_refused(server: Server, oauth: OAuth2Session, job: Job) -> None:
    cases: dict[str, tuple[object, dict[str, str], int, str]] = {
        "no such feature": (4711, {}, 404, "4711"),
        "no number": ("x", {}, 404, "whole number"),
        "no interval begins then": (OVERLAP, {"from": "2023-06-02T00:00:00Z"}, 400, "2023-06-11T00:00:00Z"),
        "no instant": (OVERLAP, {"from": "yesterday"}, 400, "from"),
        "no format": (OVERLAP, {"format": "svg"}, 400, "png"),
    }
    for name, (feature, query, status, word) in cases.items():
        answer = oauth.get(address(server, job, feature), params=query)
        assert answer.status_code == status, name
        assert word in answer.json()["error"]["message"], name


def test_only_for_whom_the_job_is(server: Server, oauth: OAuth2Session, job: Job) -> None:
    with client.signed_in(server, *server.add_client("somebody else")) as stranger:
        answer = stranger.get(address(server, job, OVERLAP))
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "COMMON_NOT_FOUND")


def test_it_leaves_the_job_alone(server: Server, oauth: OAuth2Session, job: Job) -> None:
    before = client.result_bytes(server, job)
    oauth.get(address(server, job, OVERLAP))
    after = oauth.get(f"{server.batch}/{job['id']}").json()
    assert (after["lastUpdated"], after["costPU"], client.result_bytes(server, job)) == (
        job["lastUpdated"], job["costPU"], before
    )  # fmt: skip


def test_without_a_server(server: Server, job: Job, catalog: Path, tmp_path: Path, oauth: OAuth2Session) -> None:
    body = client.seed_body("s3://fields/mixed.gpkg", NDVI.text, aggregationInterval={"of": "P10D"})
    (tmp_path / "request.json").write_text(json.dumps(body))
    start = "2023-06-11T00:00:00Z"
    alone = Server(folder=tmp_path, catalog=catalog, settings={"BUCKETS": str(server.buckets)})
    command = ["explain", "request.json", "--feature", str(OVERLAP), "--from", start]
    try:
        told, drawn, absent = (
            alone.run(command), alone.run([*command, "--png", "why.png"]),
            alone.run(["explain", "request.json", "--feature", "4711"]),
        )  # fmt: skip
    finally:
        alone.close()
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout) == oauth.get(address(server, job, OVERLAP), params={"from": start}).json()
    assert SECRET not in told.stdout + told.stderr
    assert drawn.returncode == 0, drawn.stderr
    with Image.open(tmp_path / "why.png") as image:
        assert image.format == "PNG"
    assert absent.returncode == 2
    assert "4711" in absent.stderr
