"""Fairness: how fast a server answers, and how evenly it serves its clients, under load: 200 slow synchronous requests
and 100 jobs of five clients.

Run: python -m benchmarks.fairness. The first client is greedy: it sends 80 of the jobs and 160 of the requests.
Meanwhile one process polls /healthz, and another the status of a job. A client's fair time is when its last job would
end if the server's work were split evenly, at every moment, among the clients that still have some. The table gives how
many times as long it took, and lists requests and jobs that were lost, refused or failed. The results are meaningful
only on a machine without other work.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPConnection
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import requests

from arpent.landscape.make import Landscape, make_landscape
from tests.support import client
from tests.support.scripts import NDVI
from tests.support.server import Server

CLIENTS = 5
REST_SECONDS = 0.01
"""Pause between two calls of a poller."""
IDLE_SECONDS = 10.0
PATIENCE = 3600.0
SLOW = """//VERSION=3
function setup() {
  return { input: ["B04", "dataMask"], output: [{ id: "x", bands: 1 }, { id: "dataMask", bands: 1 }] };
}
function evaluatePixel(samples) {
  let x = samples.B04;
  for (let i = 0; i < 1e7; i++) x = Math.sin(x + i);
  return { x: [x], dataMask: [samples.dataMask] };
}"""
"""Evalscript of the synchronous requests: one sample takes some tenths of a second on an idle core."""


@dataclass(kw_only=True)
class Client:
    """A client, how much work it sends, and what it has got."""

    id: str
    secret: str
    jobs: int
    requests: int
    token: str = ""
    began: float = 0.0
    """Time at which the client started its first job."""
    ids: list[str] = field(default_factory=list)
    answered: list[float] = field(default_factory=list)
    """Seconds from the start to each synchronous answer."""
    faults: list[str] = field(default_factory=list)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}


def shares(total: int) -> list[int]:
    """How many of `total` each client sends: the first, greedy one 16 times as many as each of the others."""
    other = max(1, total // 20)
    return [total - (CLIENTS - 1) * other, *([other] * (CLIENTS - 1))]


def fair_ends(amounts: Sequence[float], rate: float) -> list[float]:
    """When each client's work would end if `rate` were split evenly among the clients that still have some."""
    ends, passed, done = [0.0] * len(amounts), 0.0, 0.0
    for place, index in enumerate(order := sorted(range(len(amounts)), key=lambda each: amounts[each])):
        passed += (amounts[index] - done) * (len(order) - place) / rate
        done, ends[index] = amounts[index], passed
    return ends


def poll(port: int, path: str, headers: Mapping[str, str], told: Connection) -> None:
    """Poll a path until a message arrives on `told`; then send back the milliseconds of each call, and how many answers
    were not 200."""
    connection, taken, bad = HTTPConnection("127.0.0.1", port, timeout=60), [], 0
    while not told.poll():
        began = time.perf_counter()
        connection.request("GET", path, headers=dict(headers))
        answer = connection.getresponse()
        answer.read()
        taken.append(1000 * (time.perf_counter() - began))
        bad += answer.status != 200
        time.sleep(REST_SECONDS)
    told.send((taken, bad))


class Pollers:
    """Polls several paths, each from a process of its own, so that calls wait for nothing but the server."""

    def __init__(self, port: int, paths: Mapping[str, tuple[str, Mapping[str, str]]]) -> None:
        context = multiprocessing.get_context("spawn")
        self._told = {}
        for name, (path, headers) in paths.items():
            ours, theirs = context.Pipe()
            context.Process(target=poll, args=(port, path, headers, theirs), daemon=True).start()
            self._told[name] = ours

    def end(self) -> dict[str, dict[str, float]]:
        found = {}
        for name, told in self._told.items():
            told.send(None)
            taken, bad = told.recv()
            found[name] = {
                "calls": len(taken), "median": float(np.percentile(taken, 50)), "p99": float(np.percentile(taken, 99)),
                "longest": max(taken), "not 200": bad,
            }  # fmt: skip
        return found


def ask(server: Server, one: Client, body: Mapping[str, Any], began: float) -> None:
    """Send one synchronous request, and record its time or its failure."""
    try:
        answer = requests.post(f"{server.url}/api/v1/statistics", json=body, headers=one.headers, timeout=PATIENCE)
    except requests.RequestException as error:
        one.faults.append(type(error).__name__)
        return
    if answer.status_code == 200 and answer.json()["data"]:
        one.answered.append(time.monotonic() - began)
    else:
        one.faults.append(f"{answer.status_code}: {answer.text[:100]}")


def fairness(folder: Path, jobs: int, synchronous: int, parcels: int) -> dict[str, Any]:
    """Run the benchmark. Returns calls of pollers in milliseconds, and the clients' times in seconds."""
    os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"
    land = make_landscape(folder / "land", parcels=parcels, scenes=3, tile=256)
    settings = {
        "SYNCHRONOUS_QUEUE": str(synchronous), "SYNCHRONOUS_SECONDS": str(PATIENCE),
        "TOKEN_SECONDS": str(int(PATIENCE)),
        "EXECUTOR": "processes", "PIXEL_BUDGET": "20000",
    }  # fmt: skip
    server = Server(folder=folder, catalog=Path(land.catalog), settings=settings)
    for bucket in ("fields", "results"):
        (server.buckets / bucket).mkdir(parents=True)
    (server.buckets / "fields" / "fields.gpkg").write_bytes(Path(land.features).read_bytes())
    clients = [
        Client(id=pair[0], secret=pair[1], jobs=own, requests=asked)
        for own, asked in zip(shares(jobs), shares(synchronous), strict=True)
        for pair in [server.add_client(f"client {own} {time.monotonic_ns()}")]
    ]
    try:
        server.start()
        return _measured(server, land, clients)
    finally:
        server.close()


def _measured(server: Server, land: Landscape, clients: list[Client]) -> dict[str, Any]:
    body = batch_body(land)
    for one in clients:
        with client.signed_in(server, one.id, one.secret) as session:
            one.token = str(session.token["access_token"])
        one.ids = [_created(server, one, body) for _ in range(one.jobs)]
    watched = (f"/api/v1/statistics/batch/{clients[-1].ids[-1]}/status", clients[-1].headers)
    paths: dict[str, tuple[str, Mapping[str, str]]] = {"/healthz": ("/healthz", {}), "status": watched}
    pollers = Pollers(server.port, paths)
    time.sleep(IDLE_SECONDS)
    idle = pollers.end()
    pollers, began, small = Pollers(server.port, paths), time.monotonic(), synchronous_body(land)
    with ThreadPoolExecutor(sum(one.requests for one in clients)) as threads:
        for one in clients:
            for _ in range(one.requests):
                threads.submit(ask, server, one, small, began)
        for one in clients:  # the greedy client comes first
            one.began = time.monotonic()
            for job in one.ids:
                answer = requests.post(f"{server.batch}/{job}/start", headers=one.headers, timeout=PATIENCE)
                assert answer.status_code == 204, answer.text
        ended = _ends(server, clients)
    return {"idle": idle, "busy": pollers.end(), **_told(server, clients, ended)}


def _created(server: Server, one: Client, body: str) -> str:
    answer = requests.post(server.batch, data=body, headers=one.headers, timeout=60)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def _ends(server: Server, clients: list[Client]) -> dict[str, float]:
    """Wait for all jobs. Returns for each client the seconds from the start of its first job to the end of its last."""
    open_jobs = {one.id: list(one.ids) for one in clients}
    ended: dict[str, float] = {}
    while len(ended) < len(clients):
        time.sleep(1)
        for one in clients:
            while open_jobs[one.id] and one.id not in ended:
                job = open_jobs[one.id][0]
                answer = requests.get(f"{server.batch}/{job}/status", headers=one.headers, timeout=60).json()
                if answer["status"] not in client.ENDS:
                    break
                if answer["status"] != "DONE":
                    one.faults.append(f"job {answer['status']}")
                del open_jobs[one.id][0]
            if not open_jobs[one.id]:
                ended.setdefault(one.id, time.monotonic() - one.began)
    return ended


def _told(server: Server, clients: list[Client], ended: Mapping[str, float]) -> dict[str, Any]:
    whole = max(ended.values())
    fair = fair_ends([one.jobs for one in clients], sum(one.jobs for one in clients) / whole)
    lasts = [max(one.answered, default=math.nan) for one in clients]
    answered = max((each for one in clients for each in one.answered), default=math.nan)
    total = sum(len(one.answered) for one in clients)
    fair_answers = fair_ends([one.requests for one in clients], total / answered)
    return {
        "clients": [
            {
                "jobs": one.jobs, "end": ended[one.id], "fair": end, "times": ended[one.id] / end,
                "requests": one.requests, "answered": len(one.answered), "last": last, "fair last": fair_last,
                "times last": last / fair_last, "faults": one.faults,
            }
            for one, end, last, fair_last in zip(clients, fair, lasts, fair_answers, strict=True)
        ],
        "files": sum(1 for _ in (server.buckets / "results").rglob("*.json")),
    }  # fmt: skip


def _aggregation(land: Landscape, script: str) -> dict[str, Any]:
    return {
        "timeRange": {"from": f"{land.start}T00:00:00Z", "to": f"{land.end}T23:00:00Z"},
        "aggregationInterval": {"of": "P5D", "lastIntervalBehavior": "SHORTEN"},
        "evalscript": script, "resx": 10, "resy": 10,
    }  # fmt: skip


def batch_body(land: Landscape) -> str:
    """Body of a batch request for all parcels."""
    body = client.seed_body("s3://fields/fields.gpkg", NDVI.text)
    return json.dumps({**body, "aggregation": _aggregation(land, NDVI.text)})


def synchronous_body(land: Landscape) -> dict[str, Any]:
    """Body of a synchronous request for one sample, with the slow script."""
    from arpent.adapters.formats.geopackage import read_features

    (features,) = read_features(land.features)
    x, y = (float(each) for each in features.geometries[0].centroid.coords[0])
    bounds = {
        "bbox": [x, y, x + 10, y + 10],
        "properties": {"crs": f"http://www.opengis.net/def/crs/EPSG/0/{features.crs.to_epsg()}"},
    }
    return {
        "input": {"bounds": bounds, "data": [{"type": "sentinel-2-l2a"}]},
        "aggregation": {
            **_aggregation(land, SLOW),
            "aggregationInterval": {"of": "P1D", "lastIntervalBehavior": "SHORTEN"},
            "timeRange": {"from": f"{land.start}T00:00:00Z", "to": f"{land.start}T23:00:00Z"},
        },
    }  # fmt: skip


def tell(found: Mapping[str, Any]) -> list[str]:
    """The results as lines of a table."""
    lines = [f"{'milliseconds':<16}{'calls':>7}{'median':>9}{'p99':>9}{'longest':>9}{'not 200':>9}"]
    for state in ("idle", "busy"):
        for name, each in found[state].items():
            numbers = "".join(f"{each[column]:>9.1f}" for column in ("median", "p99", "longest"))
            lines.append(f"{state + ' ' + name:<16}{each['calls']:>7}{numbers}{each['not 200']:>9}")
    shown = f"{'s':>8}{'fair s':>8}{'times':>7}"
    lines.append(f"{'client':<8}{'jobs':>5}{shown}{'answers':>10}{shown}")
    for number, each in enumerate(found["clients"]):
        jobs = f"{each['jobs']:>5}{each['end']:>8.1f}{each['fair']:>8.1f}{each['times']:>7.2f}"
        answers = f"{each['last']:>8.1f}{each['fair last']:>8.1f}{each['times last']:>7.2f}"
        name = "greedy" if number == 0 else str(number)
        lines.append(f"{name:<8}{jobs}{each['answered']:>6}/{each['requests']:<3}{answers}")
        lines.extend(f"  {fault}" for fault in each["faults"][:3])
    return [*lines, f"{found['files']} files; load {os.getloadavg()[1]:.1f} on {os.cpu_count()} cores"]


def main() -> None:
    """Print a table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--jobs", type=int, default=100)
    arguments.add_argument("--synchronous", type=int, default=200)
    arguments.add_argument("--parcels", type=int, default=60)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="arpent-fairness-") as name:
        found = fairness(Path(name), given.jobs, given.synchronous, given.parcels)
    print("\n".join(tell(found)))


if __name__ == "__main__":
    main()
