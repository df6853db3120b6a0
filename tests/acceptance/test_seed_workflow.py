"""The documentation's batch workflow with plain requests and oauthlib; every number against the slow oracle."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import requests
from requests_oauthlib import OAuth2Session

from tests.support import client
from tests.support.compare import differences
from tests.support.oracle import batch_answers
from tests.support.scripts import GREENEST_DAY, GREENEST_TILE, NDVI, SEED, Script
from tests.support.server import Server

RESOLUTION = {32633: 10, 4326: 0.0001, 3035: 10}
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")

CALCULATIONS = {
    "index": {
        "histograms": {"default": {"nBins": 7, "lowEdge": -1.0, "highEdge": 1.0}},
        "statistics": {"default": {"percentiles": {"k": [0, 5, 50, 99.9, 100]}}},
    },
    "classes": {"histograms": {"B0": {"bins": [0, 1, 4, 5, 6, 8, 9, 12]}}},
    "default": {
        "histograms": {"red": {"binWidth": 0.02}, "blue": {"nBins": 5}},
        "statistics": {"red": {"percentiles": {"k": [33, 66]}}},
    },
}


def check_against_oracle(server: Server, job: dict[str, Any], features: Path, script: Script) -> None:
    """Every file, every number."""
    expected = batch_answers(job["request"], features=features, catalog=server.catalog, script=script)
    actual = client.results(server, job)
    assert set(actual) == set(expected)
    wrong = {fid: found for fid in expected if (found := differences(actual[fid], expected[fid]))}
    assert not wrong, "\n".join(line for lines in wrong.values() for line in lines[:3])


def test_the_snippet_of_the_documentation(server: Server, oauth: OAuth2Session) -> None:
    """Create, look, analyse, start, ask for the status, read the files: word by word as the snippet does it."""
    request_payload = client.seed_body("s3://fields/parcels-32633.gpkg", SEED.text)
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    url = f"{server.url}/api/v1/statistics/batch"

    response = oauth.request("POST", url=url, headers=headers, json=request_payload)
    assert response.status_code == 201
    created = response.json()
    request_id = created["id"]
    assert (created["status"], created["userAction"], created["completionPercentage"]) == ("CREATED", "NONE", 0)
    assert INSTANT.fullmatch(created["created"])
    assert created["costPU"] == 0

    response = oauth.request("GET", f"{url}/{request_id}")
    assert response.json()["request"]["output"]["s3"]["url"] == "s3://results/out"

    response = oauth.request("POST", f"{url}/{request_id}/analyse")
    assert (response.status_code, response.content) == (204, b"")
    client.wait_until(oauth, server, request_id, ("ANALYSIS_DONE", "FAILED"))

    response = oauth.request("POST", f"{url}/{request_id}/start")
    assert (response.status_code, response.content) == (204, b"")
    done = client.wait_until(oauth, server, request_id)

    response = oauth.request("GET", f"{url}/{request_id}/status")
    assert list(response.json())[:5] == ["id", "status", "completionPercentage", "lastUpdated", "costPU"]
    assert (done["status"], done["completionPercentage"]) == ("DONE", 100), done
    assert done["costPU"] > 0
    check_against_oracle(server, done, server.buckets / "fields" / "parcels-32633.gpkg", SEED)


@pytest.mark.parametrize("epsg", [4326, 3035])
def test_features_in_another_crs(server: Server, oauth: OAuth2Session, epsg: int) -> None:
    step = RESOLUTION[epsg]
    body = client.seed_body(f"s3://fields/parcels-{epsg}.gpkg", SEED.text, resx=step, resy=step)
    job = client.run_job(oauth, server, body)
    assert job["status"] == "DONE", job
    check_against_oracle(server, job, server.buckets / "fields" / f"parcels-{epsg}.gpkg", SEED)


@pytest.mark.parametrize("order", ["mostRecent", "leastRecent"])
def test_masks_types_percentiles_and_histograms(server: Server, oauth: OAuth2Session, order: str) -> None:
    body = client.seed_body(
        "s3://fields/parcels-32633.gpkg", NDVI.text, "s3://results/ndvi/", aggregationInterval={"of": "P10D"}
    )
    body["input"]["data"][0]["dataFilter"] = {"mosaickingOrder": order, "maxCloudCoverage": 40}
    body["calculations"] = CALCULATIONS
    job = client.run_job(oauth, server, body)
    assert job["status"] == "DONE", job
    check_against_oracle(server, job, server.buckets / "fields" / "parcels-32633.gpkg", NDVI)


@pytest.mark.parametrize("script", [GREENEST_DAY, GREENEST_TILE], ids=["ORBIT", "TILE"])
def test_several_samples_per_pixel(server: Server, oauth: OAuth2Session, script: Script) -> None:
    interval = {"of": "P1M", "lastIntervalBehavior": "SHORTEN"}
    time_range = {"from": "2023-06-02T12:00:00+02:00", "to": "2023-08-10T00:00:00Z"}
    body = client.seed_body(
        "s3://fields/parcels-32633.gpkg", script.text, aggregationInterval=interval, timeRange=time_range
    )
    body["input"]["data"][0]["dataFilter"] = {"mosaickingOrder": "mostRecent"}
    job = client.run_job(oauth, server, body)
    assert job["status"] == "DONE", job
    check_against_oracle(server, job, server.buckets / "fields" / "parcels-32633.gpkg", script)


def test_a_grid_by_size(server: Server, oauth: OAuth2Session) -> None:
    body = client.seed_body("s3://fields/parcels-4326.gpkg", SEED.text, aggregationInterval={"of": "P2M"})
    del body["aggregation"]["resx"], body["aggregation"]["resy"]
    body["aggregation"] |= {"width": 13, "height": 7}
    job = client.run_job(oauth, server, body)
    check_against_oracle(server, job, server.buckets / "fields" / "parcels-4326.gpkg", SEED)
    assert job["status"] == "DONE", job


def test_the_newer_path_and_the_script_as_its_own_part(server: Server, oauth: OAuth2Session) -> None:
    """multipart/form-data with `request` and `evalscript`, on `/statistics/batch/v1`."""
    body = client.seed_body("s3://fields/parcels-32633.gpkg", "")
    del body["aggregation"]["evalscript"]
    parts = {
        "request": (None, requests.models.complexjson.dumps(body), "application/json"),
        "evalscript": (None, SEED.text, "application/javascript"),
    }
    answer = oauth.request("POST", f"{server.url}/statistics/batch/v1", files=parts)
    assert answer.status_code == 201, answer.text
    job = answer.json()["id"]
    assert oauth.request("POST", f"{server.url}/statistics/batch/v1/{job}/start").status_code == 204
    done = client.wait_until(oauth, server, job)
    assert done["status"] == "DONE", done
    assert len(client.results(server, done)) > 20


def test_stop_is_refused_before_a_start(server: Server, oauth: OAuth2Session) -> None:
    job = client.create(oauth, server, client.seed_body("s3://fields/parcels-32633.gpkg", SEED.text))
    answer = oauth.request("POST", f"{server.batch}/{job}/stop")
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["message"] == "Illegal to change userAction from NONE to STOP with task status CREATED"
    assert (error["status"], error["reason"], error["code"]) == (400, "Bad Request", "COMMON_BAD_PAYLOAD")
    assert client.status(oauth, server, job)["status"] == "CREATED"


def test_who_is_not_signed_in_sees_nothing(server: Server, oauth: OAuth2Session) -> None:
    job = client.create(oauth, server, client.seed_body("s3://fields/parcels-32633.gpkg", SEED.text))
    for headers in ({}, {"Authorization": "Bearer nonsense"}):
        answer = requests.get(f"{server.batch}/{job}", headers=headers, timeout=60)
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "COMMON_UNAUTHORIZED"
    with client.signed_in(server, *server.add_client("a stranger")) as stranger:
        answer = stranger.request("GET", f"{server.batch}/{job}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "COMMON_NOT_FOUND")
        assert stranger.request("GET", server.batch).json()["data"] == []


@pytest.mark.parametrize("path", ["/oauth/token", "/auth/realms/main/protocol/openid-connect/token",
                                  "/auth/realms/CDSE/protocol/openid-connect/token"])  # fmt: skip
def test_a_token_at_every_usual_place(server: Server, credentials: tuple[str, str], path: str) -> None:
    name, secret = credentials
    form = {"grant_type": "client_credentials"}
    filled = {**form, "client_id": name, "client_secret": secret}
    in_body = requests.post(f"{server.url}{path}", data=filled, timeout=60)
    basic = requests.post(f"{server.url}{path}", data=form, auth=credentials, timeout=60)
    for answer in (in_body, basic):
        assert answer.status_code == 200, answer.text
        assert answer.json()["token_type"].lower() == "bearer"
        assert answer.json()["expires_in"] > 0
    wrong = requests.post(f"{server.url}{path}", data={**filled, "client_secret": "no"}, timeout=60)
    assert 400 <= wrong.status_code < 500
    assert wrong.json()["error"] == "invalid_client"
    assert secret not in wrong.text
