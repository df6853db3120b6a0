"""Bad input gets a clear error and loses nothing: neither the other features, nor the server, nor a secret."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest
from requests_oauthlib import OAuth2Session

from tests.support import client
from tests.support.parcels import Parcel, bad_parcels, good_parcels, write_geopackage
from tests.support.scripts import GREENEST_DAY, SEED, SEED_TEXT, at_the_head_of_evaluate_pixel
from tests.support.server import Server

Body = dict[str, Any]
FEATURES = "s3://fields/parcels-32633.gpkg"
SECRET = "never-say-this-aloud"


def with_script(text: str) -> Body:
    return client.seed_body(FEATURES, text)


def swapped(old: str, new: str) -> Body:
    """The seed's script with something else in place of a piece of it."""
    assert old in SEED_TEXT
    return with_script(SEED_TEXT.replace(old, new))


def evaluating(statement: str) -> Body:
    return with_script(at_the_head_of_evaluate_pixel(statement))


def with_features(name: str) -> Body:
    return client.seed_body(f"s3://{name}", SEED_TEXT)


def changed(change: Callable[[Body], Any]) -> Body:
    body = client.seed_body(FEATURES, SEED_TEXT)
    change(body)
    return body


def aggregation(**fields: Any) -> Body:
    return changed(lambda body: body["aggregation"].update(fields))


def filtered(**fields: Any) -> Body:
    return changed(lambda body: body["input"]["data"][0]["dataFilter"].update(fields))


def between(start: str, end: str) -> Body:
    return aggregation(timeRange={"from": f"{start}T00:00:00Z", "to": f"{end}T00:00:00Z"})


def every(of: str, **fields: str) -> Body:
    return aggregation(aggregationInterval={"of": of, **fields})


def into(url: str) -> Body:
    return changed(lambda body: body["output"]["s3"].update(url=url))


def histogram(**fields: Any) -> Body:
    return changed(lambda body: body.update(calculations={"default": {"histograms": {"default": fields}}}))


def percentiles(k: Any) -> Body:
    wish = {"default": {"statistics": {"default": {"percentiles": {"k": k}}}}}
    return changed(lambda body: body.update(calculations=wish))


REFUSED = {
    "neither size nor resolution": (
        changed(lambda body: [body["aggregation"].pop(name) for name in ("resx", "resy")]),
        "resx",
    ),
    "unknown collection": (changed(lambda body: body["input"]["data"][0].update(type="sentinel-9")), "sentinel-9"),
    "no input": (changed(lambda body: body.pop("input")), "input"),
    "no data": (changed(lambda body: body["input"].update(data=[])), "data"),
    "no output": (changed(lambda body: body.pop("output")), "output"),
    "no script": (changed(lambda body: body["aggregation"].pop("evalscript")), "evalscript"),
    "both size forms": (aggregation(width=10, height=10), "Only width and height or resx and resy can be set"),
    "half a pair": (changed(lambda body: body["aggregation"].pop("resy")), "resy"),
    "negative resolution": (aggregation(resx=-10), "resx"),
    "zero resolution": (aggregation(resx=0), "resx"),
    "unknown order": (filtered(mosaickingOrder="best"), "mosaickingOrder"),
    "cloud cover over 100": (filtered(maxCloudCoverage=101), "maxCloudCoverage"),
    "time runs backwards": (between("2023-07-01", "2023-06-01"), "timeRange"),
    "no such date": (between("2023-02-30", "2023-06-01"), "timeRange"),
    "no duration": (every("ten days"), "of"),
    "less than a day": (every("PT1H"), "of"),
    "unknown last interval": (every("P1D", lastIntervalBehavior="KEEP"), "lastIntervalBehavior"),
    "k over 100": (percentiles([50, 101]), "k"),
    "k below 0": (percentiles([-1]), "k"),
    "k is text": (percentiles("median"), "k"),
    "one bin edge": (histogram(bins=[1.0]), "bins"),
    "bins run backwards": (histogram(bins=[1.0, 0.0]), "bins"),
    "two kinds of bins": (histogram(nBins=3, binWidth=0.1), "nBins"),
    "no bins": (histogram(nBins=0), "nBins"),
    "no width": (histogram(binWidth=-0.1), "binWidth"),
    "misspelt statistics": (
        changed(lambda body: body.update(calculations={"default": {"statistic": {}}})),
        "did you mean 'statistics'",
    ),
    "edges run backwards": (histogram(nBins=3, lowEdge=1.0, highEdge=0.0), "Edge"),
    "template without <ID>": (into("s3://results/<REQUEST_ID>/x.json"), "<ID>"),
    "not a bucket's URL": (changed(lambda body: body["input"]["features"]["s3"].update(url="/etc/passwd")), "url"),
}
"""What creating refuses: name → (body, what the message must hold)."""


@pytest.mark.parametrize("case", REFUSED)
def test_create_refuses(server: Server, oauth: OAuth2Session, case: str) -> None:
    body, word = REFUSED[case]
    answer = oauth.request("POST", server.batch, headers=client.JSON, json=body)
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert (error["status"], error["reason"]) == (400, "Bad Request")
    assert error["code"].startswith("COMMON_")
    assert word in json.dumps(error), error
    assert SECRET not in answer.text


@pytest.mark.parametrize(("payload", "word"), [(b"", "non-empty"), (b"{", "JSON"), (b"[]", "object")])
def test_create_refuses_what_is_no_object(server: Server, oauth: OAuth2Session, payload: bytes, word: str) -> None:
    answer = oauth.request("POST", server.batch, headers=client.JSON, data=payload)
    assert answer.status_code == 400, answer.text
    assert word in answer.json()["error"]["message"]


LOOP = "while (true) {}"
TOO_LONG = "second|long|time"

FAILING = {
    "missing GeoPackage": (with_features("fields/is-not-there.gpkg"), r"fields/is-not-there\.gpkg"),
    "missing bucket": (with_features("no-such-bucket/a.gpkg"), "no-such-bucket"),
    "not a GeoPackage": (with_features("fields/notes.gpkg"), "GeoPackage"),
    "not even a layer": (with_features("fields/bare.gpkg"), "GeoPackage|table|layer"),
    "no CRS": (with_features("fields/nowhere.gpkg"), "CRS"),
    "CRS not served": (with_features("fields/british.gpkg"), "27700"),
    "no features": (with_features("fields/none.gpkg"), "no features"),
    "syntax error": (with_script("//VERSION=3\nfunction setup() {\n  return {{;\n}\n"), "line 3"),
    "no version": (swapped("//VERSION=3", ""), "VERSION"),
    "no setup": (with_script("//VERSION=3\nfunction evaluatePixel(s) { return [1]; }\n"), "setup"),
    "no evaluatePixel": (swapped("evaluatePixel", "evaluate"), "evaluatePixel"),
    "setup throws": (swapped("  return {\n    input", "  throw Error('ouch');\n  return {\n    input"), "ouch"),
    "unknown band": (swapped('"B04"', '"B44"'), "B44"),
    "no dataMask": (swapped(',\n      { id: "dataMask", bands: 1 }', ""), "dataMask"),
    "misspelt mosaicking": (swapped("output: [", "mosaicking: Mosaicking.TILES, output: ["), "osaicking"),
    "endless loop": (evaluating(LOOP), TOO_LONG),
    "endless setup": (swapped("setup() {", f"setup() {{ {LOOP}"), TOO_LONG),
    "memory eater": (evaluating("const all = []; while (true) all.push(new Array(1e5).fill(7));"), "memory"),
    "buffer eater": (
        evaluating("const all = []; while (true) all.push(new Uint8Array(1e7).fill(7));"),
        "memory|allocation",
    ),
    "missing output bucket": (into("s3://no-such-bucket/out"), "no-such-bucket"),
    "output below a file": (into("s3://results/a-file/out"), "results"),
    "integer bins, float output": (histogram(bins=[0, 1, 2]), "mis-matched"),
    "unknown output": (
        changed(lambda body: body.update(calculations={"output_B4": {"statistics": {}}})),
        "did you mean 'output_B04'",
    ),
    "unknown band of an output": (
        changed(lambda body: body.update(calculations={"default": {"histograms": {"B9": {"nBins": 2}}}})),
        "no band 'B9'",
    ),
    "setup of version 1": (
        with_script("//VERSION=3\nfunction setup(ds) { setInputComponents([ds.B04]) }\nfunction evaluatePixel(s) {}\n"),
        "of version 1",
    ),
    "metres in degrees": (client.seed_body("s3://fields/parcels-4326.gpkg", SEED_TEXT), "meters per pixel"),
}
"""What stops a job: name → (body, pattern of its `error`). Creating may refuse some of it already."""


@pytest.fixture(scope="module")
def bad_files(server: Server) -> None:
    fields = server.buckets / "fields"
    (fields / "notes.gpkg").write_text("these are my notes, not a database")
    sqlite3.connect(fields / "bare.gpkg").execute("CREATE TABLE t (a)").connection.close()
    (server.buckets / "results" / "a-file").write_text("in the way")
    parcels = good_parcels(0)
    write_geopackage(fields / "nowhere.gpkg", parcels, None)
    write_geopackage(fields / "british.gpkg", parcels, 27700)
    write_geopackage(fields / "none.gpkg", ())


@pytest.mark.usefixtures("bad_files")
@pytest.mark.parametrize("case", FAILING)
def test_a_job_fails_and_says_why(server: Server, oauth: OAuth2Session, case: str) -> None:
    body, pattern = FAILING[case]
    answer = oauth.request("POST", server.batch, headers=client.JSON, json=body)
    if answer.status_code == 400:
        assert re.search(pattern, answer.text), answer.text
        return
    job = answer.json()["id"]
    assert client.act(oauth, server, job, "start") == 204
    ended = client.wait_until(oauth, server, job)
    assert ended["status"] == "FAILED", ended
    assert re.search(pattern, ended["error"]), ended["error"]
    assert SECRET not in json.dumps(ended)


def test_what_is_most_likely_not_meant_is_hinted(server: Server, oauth: OAuth2Session) -> None:
    """Nobody calls preprocessScenes: the job runs, over all scenes, and says so."""
    more = "function preprocessScenes(c) { c.scenes.orbits = []; return c }\n"
    job = client.run_job(oauth, server, with_script(GREENEST_DAY.text + more))
    assert job["status"] == "DONE", job
    assert "did you mean 'preProcessScenes'" in job["hint"]
    report = server.buckets / "results" / "out" / job["id"] / "report" / "features.json"
    assert json.loads(report.read_text())["hints"] == [job["hint"]]


def test_a_script_that_fails_for_some_pixels_only_fails_there(server: Server, oauth: OAuth2Session) -> None:
    """It throws inside one of the features (a digital number that only some have): the others are whole."""
    body = evaluating("if (samples.B04 > 0.2) { throw new Error('too red: ' + samples.B04); }")
    body["aggregation"]["aggregationInterval"]["of"] = "P10D"
    job = client.run_job(oauth, server, body)
    assert job["status"] == "DONE", job
    intervals = [entry for answer in client.results(server, job).values() for entry in answer["response"]["data"]]
    failed = [entry["error"] for entry in intervals if "error" in entry]
    assert failed
    assert len(failed) < len(intervals)
    assert {error["type"] for error in failed} == {"EXECUTION_ERROR"}
    assert all("too red" in error["message"] for error in failed)


def test_bad_geometries_get_a_reason_and_the_others_finish(server: Server, oauth: OAuth2Session) -> None:
    job = client.run_job(oauth, server, client.seed_body("s3://fields/mixed.gpkg", SEED.text))
    assert job["status"] == "DONE", job
    answers = client.results(server, job)
    reasons = {"null": "empty", "empty": "empty", "invalid": "invalid", "point": "Point", "line": "LineString"}
    for parcel in bad_parcels():
        answer = answers.pop(parcel.id)
        assert answer["identifier"] == parcel.identifier
        assert answer["error"]["type"] == "BAD_REQUEST"
        assert reasons[parcel.kind] in answer["error"]["message"]
    assert set(answers) == {parcel.id for parcel in good_parcels(2)}
    assert all(answer["response"]["status"] == "OK" for answer in answers.values())


def test_two_features_of_one_identifier_are_both_written(server: Server, oauth: OAuth2Session) -> None:
    """A template of identifiers only would write both to one object: the later one's name ends with its id."""
    twins = [Parcel(id=row, geometry=good_parcels(0)[0].geometry, identifier="SAME") for row in (1, 2)]
    write_geopackage(server.buckets / "fields" / "twins.gpkg", twins)
    template = "s3://results/twins/<IDENTIFIER>.json"
    job = client.run_job(oauth, server, client.seed_body("s3://fields/twins.gpkg", SEED.text, template))
    assert job["status"] == "DONE", job
    files = {path.name: json.loads(path.read_text()) for path in (server.buckets / "results" / "twins").glob("*.json")}
    assert {name: answer["id"] for name, answer in files.items()} == {"SAME.json": 1, "SAME~2.json": 2}
    assert all(answer["response"]["status"] == "OK" for answer in files.values())


def test_the_features_report_names_them_all(server: Server, oauth: OAuth2Session) -> None:
    job = client.run_job(oauth, server, client.seed_body("s3://fields/mixed.gpkg", SEED.text))
    answer = oauth.request("GET", f"{server.batch}/{job['id']}/features")
    assert answer.status_code == 200, answer.text
    said = answer.text
    for parcel in bad_parcels():
        assert str(parcel.id) in said
    (outside,) = [parcel for parcel in good_parcels(2) if parcel.kind == "outside the imagery"]
    assert str(outside.id) in said


def test_features_without_identifiers_have_null(server: Server, oauth: OAuth2Session) -> None:
    write_geopackage(server.buckets / "fields" / "nameless.gpkg", good_parcels(0)[:3], identifier=False)
    job = client.run_job(oauth, server, client.seed_body("s3://fields/nameless.gpkg", SEED.text))
    assert [answer["identifier"] for answer in client.results(server, job).values()] == [None] * 3


def test_no_way_out_of_the_buckets(server: Server, oauth: OAuth2Session) -> None:
    outside = write_geopackage(server.folder / "outside.gpkg", good_parcels(0)[:1])
    (server.buckets / "fields" / "link.gpkg").symlink_to(outside)
    for url in ("s3://fields/../../outside.gpkg", "s3://../outside.gpkg", "s3://fields/link.gpkg"):
        answer = oauth.request("POST", server.batch, headers=client.JSON, json=client.seed_body(url, SEED.text))
        if answer.status_code != 400:
            job = answer.json()["id"]
            client.act(oauth, server, job, "start")
            assert client.wait_until(oauth, server, job)["status"] == "FAILED", url


def test_secrets_are_never_said(server: Server, oauth: OAuth2Session, credentials: tuple[str, str]) -> None:
    """Not by any answer, not in the log, not in the database, not in a result; the access key's id may be."""
    job = client.run_job(oauth, server, client.seed_body(FEATURES, SEED.text, "s3://results/secret"))
    broken = client.run_job(oauth, server, with_features("no-such-bucket/a.gpkg"))
    for path in (f"/{job['id']}", f"/{broken['id']}", f"/{job['id']}/status", "?count=100"):
        answer = oauth.request("GET", server.batch + path)
        assert answer.status_code == 200
        assert SECRET not in answer.text
    assert job["request"]["input"]["features"]["s3"]["accessKey"] == "AKIATESTTESTTEST"
    files = [path for path in server.folder.rglob("*") if path.is_file()]
    holders = [path for path in files if any(word.encode() in path.read_bytes() for word in (SECRET, credentials[1]))]
    assert holders == []
    assert SECRET not in server.log


def test_the_server_is_still_well(server: Server, oauth: OAuth2Session) -> None:
    """After all of the above: the same process answers, works, and has left no script child behind."""
    assert server.process is not None
    assert server.process.poll() is None
    assert client.run_job(oauth, server, client.seed_body(FEATURES, SEED.text))["status"] == "DONE"
    assert "Traceback" not in server.log
    busy = [child for child in server.children() if child.cpu_percent(interval=0.2) > 50]
    assert busy == []
