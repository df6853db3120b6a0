"""Latency: time of a status call while jobs use every core, or features are analysed, compared with an idle server.

Run: python -m benchmarks.latency --size S. Server, runner and workers are real processes, as `arpent serve` starts
them. The client uses one connection, which stays open, with a pause between calls; it needs a little of a core itself.
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
"""Number of calls in each state, if it lasts long enough; ten of them lie above the 99th percentile."""
FEWEST = 200
"""Minimum number of calls, without which the 99th percentile would be meaningless."""
REST_SECONDS = 0.005
"""Pause between two calls, to act like a client that polls, not like an attack."""
JOBS = 6
"""Number of simultaneous jobs, enough to keep every core busy for long enough."""
LEAST_DENSE = 10_000
"""Minimum number of features of a job, so that it takes long enough."""
ANALYSED = 200_000
"""Number of features that are analysed."""

Numbers = dict[str, float]


class Poller:
    """Polls the status of a job over one connection."""

    def __init__(self, server: Server, token: str) -> None:
        self._connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
        self._headers = {"Authorization": f"Bearer {token}"}
        self._path = server.batch.removeprefix(server.url)

    def once(self, job: str) -> tuple[float, bytes]:
        """Milliseconds that one call took, and the response body."""
        began = time.perf_counter()
        self._connection.request("GET", f"{self._path}/{job}/status", headers=self._headers)
        answer = self._connection.getresponse()
        text = answer.read()
        assert answer.status == 200, text
        return 1000 * (time.perf_counter() - began), text

    def measure(self, job: str, status: str) -> Numbers:
        """Percentiles of the milliseconds of up to CALLS calls, made while the job has this status."""
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
    """Milliseconds of status calls by state (idle, processing, analysing); empty for a size whose jobs end too soon."""
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
    for job in jobs:  # a job that is already done refuses to be stopped
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
