"""The documentation's workflow on real Sentinel-2 scenes and real parcels; a sample of the numbers by the oracle."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from requests_oauthlib import OAuth2Session

from tests.support import client
from tests.support.compare import differences
from tests.support.oracle import batch_answers
from tests.support.scripts import NDVI, SEED, Script
from tests.support.server import Server

FILES = {"geopackage-example.gpkg": 364, "si_fiboa_100_4326.gpkg": 100, "si_fiboa_100_3794.gpkg": 100}
"""GeoPackage → features."""
SEASON = {"from": "2023-08-01T00:00:00Z", "to": "2023-08-31T00:00:00Z"}


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> Iterator[Server]:
    catalog = shared_data / "stac" / "s2-l2a-33t-120m"
    server = Server(folder=tmp_path_factory.mktemp("real"), catalog=catalog)
    (server.buckets / "fields").mkdir(parents=True)
    (server.buckets / "results").mkdir()
    for name in FILES:
        shutil.copy(shared_data / "parcels" / name, server.buckets / "fields" / name)
        (server.buckets / "fields" / name).chmod(0o644)
    with server:
        yield server


@pytest.fixture(scope="module")
def session(real: Server) -> Iterator[OAuth2Session]:
    with client.signed_in(real, *real.add_client()) as session:
        yield session


def run(server: Server, session: OAuth2Session, name: str, script: Script, **aggregation: Any) -> dict[str, Any]:
    body = client.seed_body(f"s3://fields/{name}", script.text, timeRange=SEASON, **aggregation)
    job = client.run_job(session, server, body, seconds=120)
    assert job["status"] == "DONE", job
    return job


def check(server: Server, job: dict[str, Any], name: str, script: Script, every: int) -> dict[int, dict[str, Any]]:
    """All features are there; every n-th is checked to the last number. Returns all answers."""
    actual = client.results(server, job)
    assert len(actual) == FILES[name]
    features = server.buckets / "fields" / name
    sample = sorted(actual)[::every]
    expected = batch_answers(job["request"], features=features, catalog=server.catalog, script=script, only=sample)
    assert set(expected) == set(sample)
    wrong = {fid: found for fid in sample if (found := differences(actual[fid], expected[fid]))}
    assert not wrong, "\n".join(f"{fid} {line}" for fid, lines in wrong.items() for line in lines[:3])
    return actual


def test_the_real_services_own_example(real: Server, session: OAuth2Session) -> None:
    """Word by word the documentation's request, but for the season and degrees for metres."""
    name = "geopackage-example.gpkg"
    job = run(real, session, name, SEED, resx=0.0001, resy=0.0001)
    answers = check(real, job, name, SEED, every=9)
    assert {answer["response"]["status"] for answer in answers.values()} == {"OK"}
    assert {len(answer["response"]["data"]) for answer in answers.values()} == {1}
    assert answers[1]["identifier"] == "SI21.FOI.7059004001"


@pytest.mark.parametrize(("name", "step"), [("si_fiboa_100_4326.gpkg", 0.0001), ("si_fiboa_100_3794.gpkg", 10)])
def test_slovenian_parcels_in_degrees_and_in_the_national_grid(
    real: Server, session: OAuth2Session, name: str, step: float
) -> None:
    """Days one by one, mosaicked over two tiles, with cloud masks, percentiles and histograms."""
    body = client.seed_body(
        f"s3://fields/{name}", NDVI.text, timeRange=SEASON, aggregationInterval={"of": "P5D"}, resx=step, resy=step
    )
    body["input"]["data"][0]["dataFilter"] = {"mosaickingOrder": "mostRecent"}
    body["calculations"] = {
        "default": {
            "statistics": {"default": {"percentiles": {"k": [10, 50, 90]}}},
            "histograms": {"B0": {"nBins": 10, "lowEdge": -1.0, "highEdge": 1.0}},
        },
        "classes": {"histograms": {"default": {"bins": list(range(13))}}},
    }
    job = client.run_job(session, real, body, seconds=120)
    assert job["status"] == "DONE", job
    answers = check(real, job, name, NDVI, every=11)
    assert any(len(answer["response"]["data"]) > 1 for answer in answers.values())
