"""`arpent results`, `arpent jobs` and `arpent status` beside a running server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from requests_oauthlib import OAuth2Session

from tests.support import client
from tests.support.scripts import NDVI, slow_script
from tests.support.server import Server

Job = dict[str, Any]
CALCULATIONS = {
    "default": {
        "statistics": {"default": {"percentiles": {"k": [5, 99.9]}}},
        "histograms": {"default": {"nBins": 4}},
    },
    "classes": {"histograms": {"default": {"bins": [0, 5, 12]}}},
}
FROM_FILES = ["items"]
"""Columns that files do not tell."""


@pytest.fixture(scope="module")
def job(server: Server, oauth: OAuth2Session) -> Job:
    body = client.seed_body(
        "s3://fields/mixed.gpkg", NDVI.text, "s3://results/table", aggregationInterval={"of": "P10D"}
    )
    return client.run_job(oauth, server, body | {"calculations": CALCULATIONS})


def sorted_rows(table: pd.DataFrame) -> pd.DataFrame:
    return table.sort_values(["id", "from", "output", "band"], na_position="first").reset_index(drop=True)


@pytest.mark.parametrize("local", [False, True], ids=["s3", "folder"])
def test_the_table_of_the_files_is_the_jobs_own(server: Server, job: Job, local: bool, tmp_path: Path) -> None:
    folder = client.result_folder(server, job)
    url = str(folder) if local else f"s3://results/table/{job['id']}"
    done = server.run(["results", url, "--parquet", str(tmp_path / "t.parquet"), "--csv", str(tmp_path / "t.csv")])
    assert done.returncode == 0, done.stderr
    own, read = pd.read_parquet(folder / "parquet"), pd.read_parquet(tmp_path / "t.parquet")
    assert list(read.columns) == list(own.columns)
    # A feature that has no geometry has no samples: files of failed features do not say so.
    own.loc[own["from"].isna(), "geometry_pixel_count"] = pd.NA
    pd.testing.assert_frame_equal(
        sorted_rows(read).drop(columns=FROM_FILES), sorted_rows(own).drop(columns=FROM_FILES), check_dtype=False
    )
    lines = pd.read_csv(tmp_path / "t.csv")
    assert (len(lines), list(lines.columns)) == (len(own), list(own.columns))


def test_csv_unless_told_and_what_is_wrong(server: Server, job: Job) -> None:
    done = server.run(["results", str(client.result_folder(server, job))])
    assert done.stdout.startswith('"id","identifier","from","to"')
    wrong = server.run(["results", "s3://results/nothing-is-here"])
    assert wrong.returncode == 2
    assert "nothing-is-here" in wrong.stderr
    assert "Traceback" not in wrong.stderr


def test_jobs(server: Server, job: Job, credentials: tuple[str, str]) -> None:
    data = json.loads(server.run(["jobs", "--json", "--owner", credentials[0]]).stdout)["data"]
    (mine,) = [each for each in data if each["id"] == job["id"]]
    assert (mine["status"], mine["completionPercentage"], mine["owner"]) == ("DONE", 100, credentials[0])
    assert mine["progress"]["failed"] == 5
    assert "request" not in mine
    everybody = json.loads(server.run(["jobs", "--json", "--count", "1000"]).stdout)["data"]
    assert {each["id"] for each in everybody} >= {each["id"] for each in data}
    assert json.loads(server.run(["jobs", "--json", "--owner", "nobody"]).stdout)["data"] == []
    shown = server.run(["jobs"]).stdout
    assert job["id"][:8] in shown
    assert "DONE" in shown


def test_status_follows_a_job_to_its_end(server: Server, oauth: OAuth2Session) -> None:
    body = client.seed_body("s3://fields/parcels-32633.gpkg", slow_script(30_000), "s3://results/slow")
    job = client.create(oauth, server, body)
    at_rest = json.loads(server.run(["status", job, "--json"]).stdout)
    assert (at_rest["status"], at_rest["completionPercentage"]) == ("CREATED", 0)
    assert client.act(oauth, server, job, "start") == 204
    lines = [json.loads(line) for line in server.run(["status", job, "--watch", "--json"]).stdout.splitlines()]
    shares = [line["completionPercentage"] for line in lines]
    assert shares == sorted(shares)
    assert (lines[-1]["status"], shares[-1]) == ("DONE", 100)
    shown = server.run(["status", job]).stdout
    assert "27 of 27 features" in shown
    assert "DONE" in shown


def test_status_of_nothing(server: Server) -> None:
    name = "00000000-0000-4000-8000-000000000000"
    wrong = server.run(["status", name])
    assert wrong.returncode == 2
    assert name in wrong.stderr
