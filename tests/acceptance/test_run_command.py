"""`arpent run REQUEST.json`: the same job without a server gives the same bytes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from requests_oauthlib import OAuth2Session

from tests.support import client
from tests.support.parcels import bad_parcels, good_parcels, write_geopackage
from tests.support.scripts import NDVI
from tests.support.server import Server


def alone(folder: Path, catalog: Path, buckets: Path, **settings: str) -> Server:
    """Settings for commands that need no server. They compute in their own process: what others do is the first
    test's."""
    folder.mkdir(exist_ok=True)
    return Server(
        folder=folder, catalog=catalog, settings={"BUCKETS": str(buckets), "EXECUTOR": "inline"} | settings
    )  # fmt: skip


def request_file(folder: Path, features: str, output: str) -> Path:
    body = client.seed_body(features, NDVI.text, output, aggregationInterval={"of": "P10D"})
    path = folder / "request.json"
    path.write_text(json.dumps(body))
    return path


def test_the_same_bytes_without_a_server(server: Server, oauth: OAuth2Session, catalog: Path, tmp_path: Path) -> None:
    features = "s3://fields/parcels-32633.gpkg"
    served = client.run_job(oauth, server, client.seed_body(features, NDVI.text, aggregationInterval={"of": "P10D"}))
    here = Server(folder=tmp_path, catalog=catalog, settings={"BUCKETS": str(server.buckets)})
    try:
        done = here.run(["run", "--json", str(request_file(tmp_path, features, "s3://results/alone"))])
    finally:
        here.close()
    assert done.returncode == 0, done.stdout + done.stderr
    (folder,) = (server.buckets / "results" / "alone").iterdir()
    outcome = json.loads(done.stdout)
    assert (outcome["id"], outcome["status"], outcome["failed"]) == (folder.name, "DONE", 0)
    files = {path.name: path.read_bytes() for path in sorted(folder.glob("*.json"))}
    assert files == client.result_bytes(server, served)
    assert "never-say-this-aloud" not in done.stdout + done.stderr


def test_rows_that_failed_are_counted_where_no_feature_did(server: Server, catalog: Path, tmp_path: Path) -> None:
    """The images of one acquisition are gone: 3, and the end says how many rows that cost, and why."""
    broken = shutil.copytree(catalog, tmp_path / "stac")
    for path in broken.glob("*20230608*/*.tif"):
        path.unlink()
    here = alone(tmp_path, broken, server.buckets)
    try:
        request = request_file(tmp_path, "s3://fields/parcels-32633.gpkg", "s3://results/broken")
        done = here.run(["run", "--json", str(request)])
    finally:
        here.close()
    outcome = json.loads(done.stdout)
    rows = outcome["rows"]
    assert (done.returncode, outcome["failed"], outcome["status"]) == (3, 0, "DONE"), done.stderr
    assert rows["failed"] > 0
    assert (
        sum(rows[kind] for kind in ("withNumbers", "allMasked", "withoutImagery", "failed")) == outcome["features"] * 6
    )
    assert sum(each["count"] for each in rows["reasons"]) == rows["failed"]
    assert "20230608" in rows["reasons"][0]["reason"]
    assert f"{rows['failed']} failed" in done.stderr
    assert f"{rows['reasons'][0]['count']} x " in done.stderr


def test_what_is_wrong_is_said_and_the_exit_code_tells(server: Server, catalog: Path, tmp_path: Path) -> None:
    here = alone(tmp_path, catalog, server.buckets)
    try:
        missing = here.run(["run", str(request_file(tmp_path, "s3://fields/is-not-there.gpkg", "s3://results/no"))])
        (tmp_path / "broken.json").write_text("{")
        broken = here.run(["run", str(tmp_path / "broken.json")])
    finally:
        here.close()
    for done, word in ((missing, "is-not-there.gpkg"), (broken, "JSON")):
        assert done.returncode != 0
        assert word in done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr


def test_a_range_without_a_whole_interval_is_pointed_out(
    server: Server, oauth: OAuth2Session, catalog: Path, tmp_path: Path
) -> None:
    """The real service writes files that hold no interval and says nothing; a client may count on the former."""
    body = client.seed_body("s3://fields/parcels-32633.gpkg", NDVI.text, aggregationInterval={"of": "P6M"})
    job = client.run_job(oauth, server, body)
    assert (job["status"], job["estimate"]["intervals"]) == ("DONE", 0)
    assert "lastIntervalBehavior" in job["hint"]
    assert {len(answer["response"]["data"]) for answer in client.results(server, job).values()} == {0}
    lines = oauth.get(f"{server.batch}/{job['id']}/features").json()["data"]
    hinted = {line["id"] for line in lines if (line["verdict"], line["kind"]) == ("WARNING", "no-interval")}
    assert hinted == set(client.results(server, job))
    assert "no whole interval" in server.run(["status", job["id"]]).stdout
    (tmp_path / "request.json").write_text(json.dumps(body))
    here = alone(tmp_path, catalog, server.buckets)
    try:
        done = here.run(["run", str(tmp_path / "request.json")])
    finally:
        here.close()
    assert (done.returncode, done.stdout.split(":")[0]) == (0, "DONE")
    assert "no whole interval" in done.stderr


@pytest.mark.parametrize("way", ["setting", "request"])
def test_a_table_unfolds_into_the_files_byte_for_byte(way: str, catalog: Path, tmp_path: Path) -> None:
    """Also where features have no statistics, and intervals no imagery; and the table of rows is the same."""
    buckets = tmp_path / "buckets"
    (buckets / "results").mkdir(parents=True)
    write_geopackage(buckets / "fields" / "mixed.gpkg", good_parcels(5) + bad_parcels())
    features = "s3://fields/mixed.gpkg"
    found: dict[str, dict[str, bytes]] = {}
    rows: dict[str, str] = {}
    for form in ("files,table", "table"):
        here = alone(tmp_path / form, catalog, buckets, **({"RESULTS": form} if way == "setting" else {}))
        request = request_file(tmp_path / form, features, f"s3://results/{way}/{form}/<REQUEST_ID>/<ID>.json")
        if way == "request":
            body = json.loads(request.read_text())
            body["output"]["results"] = form
            request.write_text(json.dumps(body))
        try:
            done = here.run(["run", "--json", str(request)])
            assert done.returncode == 3, done.stderr
            folder = buckets / "results" / way / form / json.loads(done.stdout)["id"]
            assert bool(list(folder.glob("*.json"))) == (form != "table")
            assert list(folder.glob("parquet/*.parquet"))
            rows[form] = here.run(["results", str(folder)]).stdout
            assert rows[form]
            if form == "table":
                told = here.run(["results", str(folder), "--unfold"])
                assert told.returncode == 0, told.stderr
                assert told.stdout == f"{len(found['files,table'])} files\n"
        finally:
            here.close()
        found[form] = {path.name: path.read_bytes() for path in folder.glob("*.json")}
    assert found["table"] == found["files,table"]
    assert len(found["table"]) == 21
    assert rows["table"] == rows["files,table"]
