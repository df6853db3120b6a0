"""On a machine without system-call filters no script runs, everybody is told why, and one setting changes it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from arpent.adapters.scripts.v8 import seccomp as v8_seccomp
from tests.support import client
from tests.support.parcels import good_parcels, write_geopackage
from tests.support.scripts import NDVI
from tests.support.server import Server
from tests.support.without_seccomp import WRAPPED
from tests.support.world import NORTH, WEST

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(v8_seccomp.obstacle() is not None, reason="needs a system-call filter, to take it away"),
]
SETTING = "ARPENT_UNFILTERED_SCRIPTS=true"
UTM = "http://www.opengis.net/def/crs/EPSG/0/32633"
PARCELS = "s3://fields/parcels.gpkg"


def server_of(folder: Path, catalog: Path, **settings: str) -> Server:
    server = Server(folder=folder, catalog=catalog, settings=settings, before=WRAPPED)
    write_geopackage(server.buckets / "fields" / "parcels.gpkg", good_parcels(2), 32633)
    (server.buckets / "results").mkdir()
    return server


def test_a_server_refuses_and_says_why(tmp_path: Path, catalog: Path) -> None:
    server = server_of(tmp_path, catalog)
    try:
        server.start()
        with client.signed_in(server, *server.add_client()) as oauth:
            body = client.seed_body(PARCELS, NDVI.text, aggregationInterval={"of": "P10D"})
            job = client.run_job(oauth, server, body)
            assert job["status"] == "FAILED"
            assert SETTING in job["error"]
            box = {"bbox": [WEST + 2_200, NORTH - 900, WEST + 2_400, NORTH - 700], "properties": {"crs": UTM}}
            alone = {"input": {"bounds": box, "data": body["input"]["data"]}, "aggregation": body["aggregation"]}
            answer = oauth.post(f"{server.url}/api/v1/statistics", json=alone)
            assert answer.status_code == 503
            assert SETTING in answer.json()["error"]["message"]
        started = [line for line in server.log.splitlines() if SETTING in line and "ERROR" in line]
        assert len(started) >= 2, "the server and the runner say it when they start"
    finally:
        server.close()


def test_the_setting_reaches_every_process(tmp_path: Path, catalog: Path) -> None:
    """The runner's needs it for the analysis, the worker's for partitions."""
    settings = {"UNFILTERED_SCRIPTS": "true", "EXECUTOR": "processes:1", "COMPILE_SCRIPTS": "false"}
    server = server_of(tmp_path, catalog, **settings)
    body = client.seed_body(PARCELS, NDVI.text, aggregationInterval={"of": "P10D"})
    path = tmp_path / "request.json"
    path.write_text(json.dumps(body))
    done = server.run(["run", "--json", str(path)])
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    assert (outcome["status"], outcome["failed"]) == ("DONE", 0)
    assert outcome["done"] > 0
    assert done.stderr.count("run without the system-call filter") >= 2, "both say it"


def test_the_command_line_says_it_in_one_line(tmp_path: Path, catalog: Path) -> None:
    server = server_of(tmp_path, catalog)
    (tmp_path / "script.js").write_text(NDVI.text)
    for arguments in (["script", "check", "script.js"], ["script", "sandbox"]):
        done = server.run(arguments)
        assert done.returncode == 2
        assert SETTING in done.stderr
        assert "Traceback" not in done.stderr
    server = Server(folder=tmp_path, catalog=catalog, settings={"UNFILTERED_SCRIPTS": "true"}, before=WRAPPED)
    done = server.run(["script", "sandbox", "--json"])
    told = json.loads(done.stdout)
    assert (done.returncode, told["filtered"]) == (0, False)
    assert "not implemented" in told["obstacle"]
