"""How long a status call takes while a job uses every core, and while features are analysed: ratios to an idle server.

Run: python -m benchmarks.latency --size S. Server, runner and workers are real processes, as `arpent serve` starts
them; the client is one connection that stays open and rests between calls, and takes a little of a core itself.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
from requests_oauthlib import OAuth2Session

from benchmarks import ours
from benchmarks.country import SIZES, make
from benchmarks.report import tell_latency
from tests.support import client
from tests.support.server import Server

CALLS = 1000
"""Calls of each kind, if the work lasts so long: the 99th percentile is then that of ten."""
FEWEST = 200
"""Less than so many tell nothing of the slowest hundredth."""
REST_SECONDS = 0.005
"""Between two calls: somebody who polls, not somebody who attacks."""
JOBS = 6
"""At once: they keep every core busy for long enough."""
LEAST_DENSE = 10_000
"""Features of a job, so that it lasts."""
ANALYSED = 200_000
"""Features of the analysis."""

Numbers = dict[str, float]


class Poller:
    """Asks for a status again and again, over one connection."""

    def __init__(self, server: Server, token: str) -> None:
        self._connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
        self._headers = {"Authorization": f"Bearer {token}"}
        self._path = server.batch.removeprefix(server.url)

    def once(self, job: str) -> tuple[float, bytes]:
        """Milliseconds of one call, and the answer."""
        began = time.perf_counter()
        self._connection.request("GET", f"{self._path}/{job}/status", headers=self._headers)
        answer = self._connection.getresponse()
        text = answer.read()
        assert answer.status == 200, text
        return 1000 * (time.perf_counter() - began), text

    def measure(self, job: str, status: str) -> Numbers:
        """Percentiles over up to CALLS calls, as long as the job has this status."""
        taken = []
        for _ in range(CALLS):
            milliseconds, text = self.once(job)
            if f'"status":"{status}"'.encode() not in text:
                break
            taken.append(milliseconds)
            time.sleep(REST_SECONDS)
        assert len(taken) >= FEWEST, f"{status} lasted for {len(taken)} calls only; take a larger size"
        return {
            "calls": len(taken),
            "median": float(np.percentile(taken, 50)),
            "p99": float(np.percentile(taken, 99)),
            "longest": max(taken),
        }


def latency(folder: Path, size: str) -> dict[str, Numbers]:
    """Milliseconds of status calls: idle, processing, analysing; nothing for a size that is done too soon."""
    from benchmarks.cases import UTM, layer

    if SIZES[size].dense < LEAST_DENSE:
        return {}
    os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"
    dense, dates = layer(folder, size, "dense", UTM)
    many, _ = layer(folder, size, "dense", UTM, ANALYSED / SIZES[size].dense)
    with tempfile.TemporaryDirectory(prefix="arpent-latency-") as name:
        settings = {"BUCKETS": str(ours.root(folder)), "EXECUTOR": "processes"}
        server = Server(folder=Path(name), catalog=folder / "catalog", settings=settings)
        try:
            server.start()
            with client.signed_in(server, *server.add_client()) as session:
                return _measured(server, session, ours.body(dense, dates), ours.body(many, 1))
        finally:
            server.close()


def _measured(server: Server, session: OAuth2Session, processed: str, analysed: str) -> dict[str, Numbers]:
    poller = Poller(server, str(session.token["access_token"]))

    def create(text: str) -> str:
        answer = session.post(server.batch, data=text, headers={"Content-Type": "application/json"})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def act(jobs: list[str], action: str) -> None:
        for job in jobs:
            assert client.act(session, server, job, action) == 204

    jobs = [create(processed) for _ in range(JOBS)]
    act(jobs, "analyse")
    _wait(lambda: all(b"ANALYSIS_DONE" in poller.once(job)[1] for job in jobs))
    found = {"idle": poller.measure(jobs[-1], "ANALYSIS_DONE")}
    act(jobs, "start")
    _wait(lambda: b"PROCESSING" in poller.once(jobs[-1])[1])
    found["processing"] = poller.measure(jobs[-1], "PROCESSING")
    for job in jobs:  # one that is done by now refuses to be stopped
        client.act(session, server, job, "stop")
    two = [create(analysed), create(analysed)]
    act(two, "analyse")
    found["analysing"] = poller.measure(two[0], "ANALYSING")
    return found


def _wait(reached: Callable[[], bool]) -> None:
    end = time.monotonic() + 300
    while not reached():
        assert time.monotonic() < end, "the server takes too long"
        time.sleep(0.1)


def main() -> None:
    """Print a table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--size", choices=SIZES, default="S")
    size = arguments.parse_args().size
    folder = make(Path(__file__).parent / "out", size)
    if found := latency(folder, size):
        print("\n".join(tell_latency(found)))


if __name__ == "__main__":
    main()
