"""One client cannot stop the others: whatever it sends, another's job and calls go on, and no process dies."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from requests_oauthlib import OAuth2Session

from tests.support import attacker as attacking
from tests.support import client
from tests.support.hostile_features import nested, unending
from tests.support.parcels import good_parcels, write_geopackage
from tests.support.scripts import NDVI, at_the_head_of_evaluate_pixel
from tests.support.server import Server
from tests.support.world import NORTH, WEST

HANG = 30.0
"""Seconds after which a call of somebody else counts as held up, on the slowest machine."""
ATTACK_SECONDS = 40.0
LONGEST = 600.0
"""Seconds after which the other's job counts as held up: it has its share of a busy machine, no more."""
GOOD = good_parcels(1)[0].id
"""The parcel in each of the hostile files; the next id is the hostile one's."""
BOX = [WEST, NORTH - 2_500, WEST + 2_500, NORTH]
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, catalog: Path) -> Iterator[Server]:
    settings = {"SCRIPT_SECONDS": "4", "SCRIPT_MEMORY": "128", "SYNCHRONOUS_SECONDS": "30"}
    server = Server(folder=tmp_path_factory.mktemp("bulkhead"), catalog=catalog, settings=settings)
    fields = server.buckets / "fields"
    write_geopackage(fields / "parcels.gpkg", good_parcels())
    nested(fields / "nested.gpkg")
    unending(fields / "unending.gpkg")
    (server.buckets / "results").mkdir()
    with server:
        yield server


@pytest.fixture(scope="module")
def attacker(server: Server) -> Iterator[OAuth2Session]:
    with client.signed_in(server, *server.add_client("attacker")) as session:
        yield session


def script(outputs: int, statement: str = "", mosaicking: str = "SIMPLE", setup: str = "") -> str:
    value = "s.B04" if mosaicking == "SIMPLE" else "s.length"
    return (
        "//VERSION=3\nfunction setup() {" + setup + " return {input: [{bands: ['B04', 'dataMask']}], output: "
        f"[{{id: 'o', bands: {outputs}}}, {{id: 'dataMask', bands: 1}}], mosaicking: '{mosaicking}'}}; }}\n"
        f"function evaluatePixel(s) {{ {statement} return {{o: Array({outputs}).fill({value}), dataMask: [1]}}; }}"
    )


def wish(text: str, side: int = 2500, **more: Any) -> dict[str, Any]:
    return {
        "input": {
            "bounds": {"bbox": BOX, "properties": {"crs": "http://www.opengis.net/def/crs/EPSG/0/32633"}},
            "data": [{"type": "sentinel-2-l2a"}],
        },
        "aggregation": {
            "timeRange": {"from": "2023-06-01T00:00:00Z", "to": "2023-07-31T00:00:00Z"},
            "aggregationInterval": {"of": "P60D"}, "evalscript": text, "width": side, "height": side,
        },
        **more,
    }  # fmt: skip


def comb() -> dict[str, Any]:
    west, south, east, north = BOX
    step = (east - west) / 120_000
    top = [[west + n * step, south + 1 if n % 2 else north - 1] for n in range(120_001)]
    return {"type": "Polygon", "coordinates": [[*top, [east, south], [west, south], top[0]]]}


def heavy_wishes() -> dict[str, tuple[dict[str, Any], str]]:
    """Body, and a word of its refusal."""
    percentiles = {"default": {"statistics": {"default": {"percentiles": {"k": [k / 10 for k in range(1000)]}}}}}
    of_comb = wish(script(1))
    of_comb["input"]["bounds"]["geometry"] = comb()
    return {
        "64 bands": (wish(script(64)), "would fit"),
        "ORBIT": (wish(script(1, mosaicking="ORBIT")), "would fit"),
        "a comb": (of_comb, "crosses the lines"),
        "9 MB of script": (wish(script(1) + "/*" + "x" * 9_000_000 + "*/"), "32 KB"),
        "4096 bands, 1000 percentiles": (wish(script(4096), 64, calculations=percentiles), "numbers"),
    }


@pytest.mark.parametrize("name", heavy_wishes())
def test_what_is_too_much_is_refused_with_what_would_do(server: Server, attacker: OAuth2Session, name: str) -> None:
    body, word = heavy_wishes()[name]
    answer = attacker.post(f"{server.url}/api/v1/statistics", json=body, timeout=HANG)
    assert answer.status_code == 400, answer.text[:500]
    assert word in answer.json()["error"]["message"]


def test_explain_of_hostile_features(server: Server, attacker: OAuth2Session) -> None:
    """Of requests that are merely CREATED: nothing has looked at the file before."""
    said = {}
    for name, feature in (("nested", GOOD), ("nested", GOOD + 1), ("unending", GOOD)):
        job = client.create(attacker, server, client.seed_body(f"s3://fields/{name}.gpkg", NDVI.text))
        said[name, feature] = attacker.get(f"{server.batch}/{job}/features/{feature}/explain", timeout=HANG)
    assert said["nested", GOOD].status_code == 200
    assert said["nested", GOOD + 1].status_code == 200
    assert "nested too deep" in said["nested", GOOD + 1].json()["error"]["message"]
    assert said["unending", GOOD].status_code == 400
    assert "view" in said["unending", GOOD].json()["error"]["message"]
    assert requests.get(f"{server.url}/healthz", timeout=HANG).ok


def test_a_nested_feature_costs_itself(server: Server, attacker: OAuth2Session) -> None:
    job = client.run_job(
        attacker, server, client.seed_body("s3://fields/nested.gpkg", NDVI.text, "s3://results/nested")
    )
    assert (job["status"], job["progress"]["failed"]) == ("DONE", 1)
    found = client.results(server, job)
    assert "nested too deep" in found[GOOD + 1]["error"]["message"]
    assert found[GOOD]["response"]["data"]


def test_stop_ends_the_reading_of_features(
    server: Server, attacker: OAuth2Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipe under the name of a GeoPackage: whoever opens it waits for ever. START begins anew."""
    path = server.buckets / "fields" / "pipe.gpkg"
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    job = client.create(attacker, server, client.seed_body("s3://fields/pipe.gpkg", NDVI.text, "s3://results/pipe"))
    assert client.act(attacker, server, job, "analyse") == 204
    time.sleep(3)
    assert client.status(attacker, server, job)["status"] == "ANALYSING"
    assert client.act(attacker, server, job, "stop") == 204
    client.wait_until(attacker, server, job, ("STOPPED",), HANG)
    path.unlink()
    write_geopackage(path, good_parcels(1))
    assert client.act(attacker, server, job, "start") == 204
    assert client.wait_until(attacker, server, job)["status"] == "DONE"


@pytest.mark.slow
def test_nobody_notices_what_one_client_does(server: Server, attacker: OAuth2Session, tmp_path: Path) -> None:
    """All attacks at once, repeated, beside twenty jobs with an endless setup()."""
    somebody = server.add_client("somebody else")
    with client.signed_in(server, *somebody) as other:  # on a new machine the first request compiles kernels
        _ask_at_once(server, other)
    for number in range(20):
        body = client.seed_body("s3://fields/parcels.gpkg", script(1, setup="while (true);"), f"s3://results/{number}")
        client.act(attacker, server, client.create(attacker, server, body), "start")
    assert server.process is not None
    before = server.process.pid
    (tmp_path / "attacks.json").write_text(json.dumps(attacks(server, attacker)))
    command = [sys.executable, str(Path(attacking.__file__)), str(tmp_path / "attacks.json")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as attack:
        try:
            with client.signed_in(server, *somebody) as other:
                waits = _live_beside_it(server, other)
        finally:
            told, _ = attack.communicate(timeout=HANG)
    statuses = {int(status): count for status, count in json.loads(told).items()}
    print(f"{len(waits)} status calls: p50 {_share(waits, 0.5):.1f} ms, p99 {_share(waits, 0.99):.1f} ms; {statuses}")
    assert max(waits) < HANG
    assert {400, 429} <= set(statuses) <= {200, 400, 429, 503}, statuses
    assert (server.process.pid, server.process.poll()) == (before, None)
    assert "the runner ended" not in server.log


def attacks(server: Server, attacker: OAuth2Session) -> list[dict[str, Any]]:
    """What the attacker does, for `tests.support.attacker`."""
    headers = JSON | {"Authorization": f"Bearer {attacker.token['access_token']}"}
    statistics, batch = f"{server.url}/api/v1/statistics", server.batch
    endless = wish(at_the_head_of_evaluate_pixel("while (true);"), 100)
    wrong = {"input": {"data": [{"type": 1, "dataFilter": {"maxCloudCoverage": "x"}}] * 70_000}}
    done = [(statistics, body, 60.0) for body, _ in heavy_wishes().values()]
    done += [(statistics, endless, 60.0), (statistics, endless, 0.3), (batch, wrong, 60.0)]
    for name, feature in (("nested", GOOD + 1), ("unending", GOOD)):
        job = client.create(attacker, server, client.seed_body(f"s3://fields/{name}.gpkg", NDVI.text))
        done.append((f"{batch}/{job}/features/{feature}/explain", None, 60.0))
    return [{"url": url, "headers": headers, "body": body, "seconds": seconds} for url, body, seconds in done]


def _live_beside_it(server: Server, other: OAuth2Session) -> list[float]:
    """A job, status calls and synchronous requests of somebody else; seconds of each status call."""
    body = client.seed_body("s3://fields/parcels.gpkg", NDVI.text, "s3://results/other")
    job = client.create(other, server, body)
    assert client.act(other, server, job, "start") == 204
    waits, end = [], time.monotonic() + ATTACK_SECONDS
    state = ""
    while state != "DONE" or time.monotonic() < end:
        began = time.monotonic()
        state = client.status(other, server, job)["status"]
        waits.append(time.monotonic() - began)
        assert began < end + LONGEST, f"{state}\n{server.log[-3000:]}"
        time.sleep(0.02)
        if len(waits) % 200 == 0:
            _ask_at_once(server, other)
    return waits


def _ask_at_once(server: Server, other: OAuth2Session) -> None:
    answer = other.post(f"{server.url}/api/v1/statistics", json=wish(script(1), 50), timeout=2 * HANG)
    assert answer.status_code == 200, answer.text


def _share(waits: list[float], share: float) -> float:
    return 1000 * sorted(waits)[min(len(waits) - 1, int(share * len(waits)))]
