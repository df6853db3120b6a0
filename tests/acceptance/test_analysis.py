"""What the analysis tells before anything is computed: an estimate, and a report of the features."""

from __future__ import annotations

import json
from typing import Any

import pytest
from requests_oauthlib import OAuth2Session
from sentinelhub.api.batch.statistical import BatchStatisticalRequest

from tests.support import client
from tests.support.parcels import Parcel, bad_parcels, good_parcels, write_geopackage
from tests.support.scripts import GREENEST_DAY, GREENEST_TILE, NDVI, SEED
from tests.support.server import Server


def analysed(session: OAuth2Session, server: Server, body: dict[str, Any]) -> dict[str, Any]:
    job = client.create(session, server, body)
    assert client.act(session, server, job, "analyse") == 204
    return client.wait_until(session, server, job, ("ANALYSIS_DONE", "FAILED"))


@pytest.mark.parametrize("script", [SEED, NDVI, GREENEST_DAY, GREENEST_TILE], ids=["seed", "ndvi", "orbit", "tile"])
def test_the_estimated_units_are_the_ones_paid(server: Server, oauth: OAuth2Session, script: Any) -> None:
    body = client.seed_body("s3://fields/mixed.gpkg", script.text, aggregationInterval={"of": "P10D"})
    before = analysed(oauth, server, body)
    assert before["status"] == "ANALYSIS_DONE"
    assert client.status(oauth, server, before["id"])["estimate"] == before["estimate"]
    estimate = before["estimate"]
    assert estimate["features"] == 13
    assert estimate["items"] == 11
    assert estimate["acquisitions"] > 50
    assert 10_000 < estimate["bytes"] < 2_000_000
    assert 0 < estimate["minutes"] < 1
    assert client.act(oauth, server, before["id"], "start") == 204
    after = client.wait_until(oauth, server, before["id"])
    assert after["costPU"] == pytest.approx(estimate["processingUnits"], rel=1e-12)
    progress = after["progress"]
    assert [progress[name] for name in ("features", "done", "failed", "open")] == [18, 13, 5, 0]
    told = BatchStatisticalRequest.from_dict(after)
    assert told.cost_pu == after["costPU"]
    assert told.other_data["estimate"] == estimate


@pytest.mark.parametrize("later", [None, SEED.text.replace("samples.B04", "42")], ids=["gone", "replaced"])
def test_a_script_in_a_bucket_is_the_one_that_was_analysed(
    server: Server, oauth: OAuth2Session, later: str | None
) -> None:
    """Otherwise partitions before and after would have numbers of two scripts."""
    inline = client.seed_body("s3://fields/mixed.gpkg", SEED.text)
    expected = client.result_bytes(server, client.run_job(oauth, server, inline))
    stored = server.buckets / "fields" / "script.js"
    stored.write_text(SEED.text)
    body = client.seed_body("s3://fields/mixed.gpkg", "")
    del body["aggregation"]["evalscript"]
    body["aggregation"]["evalscriptReference"] = {"s3": {"url": "s3://fields/script.js"}}
    job = analysed(oauth, server, body)
    assert job["status"] == "ANALYSIS_DONE", job
    if later is None:
        stored.unlink()
    else:
        assert later != SEED.text
        stored.write_text(later)
    assert client.act(oauth, server, job["id"], "start") == 204
    done = client.wait_until(oauth, server, job["id"])
    assert done["status"] == "DONE", done
    assert client.result_bytes(server, done) == expected
    feature = min(client.results(server, done))
    explained = oauth.get(f"{server.batch}/{job['id']}/features/{feature}/explain")
    assert explained.status_code == 200, explained.text


def test_the_report_of_the_features(server: Server, oauth: OAuth2Session) -> None:
    good = good_parcels(2)
    twin = Parcel(id=8_000, geometry=good[-1].geometry, identifier=good[-1].identifier, kind="twin")
    parcels = (*good, twin, *bad_parcels())
    write_geopackage(server.buckets / "fields" / "report.gpkg", parcels)
    job = analysed(oauth, server, client.seed_body("s3://fields/report.gpkg", SEED.text, "s3://results/report"))
    url = f"{server.batch}/{job['id']}/features"
    listed = oauth.get(url).json()["data"]
    kinds = {parcel.kind: parcel.id for parcel in parcels}
    expected = {
        kinds["null"]: ("FAILED", "empty"),
        kinds["empty"]: ("FAILED", "empty"),
        kinds["invalid"]: ("FAILED", "invalid"),
        kinds["point"]: ("FAILED", "not-a-polygon"),
        kinds["line"]: ("FAILED", "not-a-polygon"),
        kinds["tiny"]: ("WARNING", "smaller-than-a-sample"),
        kinds["outside the imagery"]: ("WARNING", "outside-imagery"),
        kinds["twin"]: ("WARNING", "duplicate-identifier"),
    }
    assert {line["id"]: (line["verdict"], line["kind"]) for line in listed} == expected
    assert all(line["message"].endswith((".", "]")) and len(line["message"]) > 20 for line in listed)
    written = client.result_folder(server, job) / "report" / "features.json"
    assert sorted(json.loads(written.read_text())["findings"], key=lambda line: line["id"]) == listed

    first = oauth.get(url, params={"count": 3}).json()
    rest = oauth.get(first["links"]["next"]).json()
    assert [line["id"] for line in first["data"] + rest["data"]] == [line["id"] for line in listed][:6]

    assert client.act(oauth, server, job["id"], "start") == 204
    done = client.wait_until(oauth, server, job["id"])
    assert (done["status"], done["progress"]["failed"]) == ("DONE", 5)
    after = oauth.get(url, params={"count": 100}).json()["data"]
    assert [(line["id"], line["kind"]) for line in after] == [(line["id"], line["kind"]) for line in listed], (
        "each once"
    )
    files = client.results(server, done)
    assert {fid for fid, file in files.items() if "error" in file} == {
        fid for fid, (verdict, _) in expected.items() if verdict == "FAILED"
    }
    assert files[kinds["outside the imagery"]]["response"]["data"] == []
    assert files[kinds["twin"]]["response"] == files[good[-1].id]["response"]


def test_a_clean_file_has_an_empty_report(server: Server, oauth: OAuth2Session) -> None:
    fields = [parcel for parcel in good_parcels(5) if parcel.kind == "field"]
    write_geopackage(server.buckets / "fields" / "clean.gpkg", fields)
    job = analysed(oauth, server, client.seed_body("s3://fields/clean.gpkg", SEED.text, "s3://results/clean"))
    assert oauth.get(f"{server.batch}/{job['id']}/features").json()["data"] == []
    report = client.result_folder(server, job) / "report" / "features.json"
    assert json.loads(report.read_text()) == {"findings": []}
