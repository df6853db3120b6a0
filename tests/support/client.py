"""What a user of the batch API does, with plain requests and oauthlib: create, start, wait, read the files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from oauthlib.oauth2 import BackendApplicationClient
from requests_oauthlib import OAuth2Session

from tests.support.server import Server, wait_for

JSON = {"Content-Type": "application/json", "Accept": "application/json"}
ENDS = ("DONE", "FAILED", "STOPPED")
PATIENCE = 300.0
"""Seconds that a job may take: the first one in a fresh checkout compiles kernels, on a machine that is busy."""


@contextmanager
def signed_in(server: Server, client_id: str, secret: str) -> Iterator[OAuth2Session]:
    """A session as the documentation makes it."""
    with OAuth2Session(client=BackendApplicationClient(client_id=client_id)) as session:
        session.fetch_token(token_url=server.token_url, client_secret=secret, include_client_id=True)
        yield session


def seed_body(features: str, script: str, output: str = "s3://results/out", **aggregation: Any) -> dict[str, Any]:
    """The documentation's batch example; `aggregation` replaces fields of that part."""
    keys = {"accessKey": "AKIATESTTESTTEST", "secretAccessKey": "never-say-this-aloud"}
    return {
        "input": {
            "features": {"s3": {"url": features, **keys}},
            "data": [{"type": "sentinel-2-l2a", "dataFilter": {"mosaickingOrder": "leastCC"}}],
        },
        "aggregation": {
            "timeRange": {"from": "2023-06-01T00:00:00Z", "to": "2023-07-31T00:00:00Z"},
            "aggregationInterval": {"of": "P30D"},
            "evalscript": script,
            "resx": 10,
            "resy": 10,
            **aggregation,
        },
        "output": {"s3": {"url": output, **keys}},
    }


def create(session: OAuth2Session, server: Server, body: Mapping[str, Any]) -> str:
    """The new job's id."""
    answer = session.request("POST", server.batch, headers=JSON, json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def act(session: OAuth2Session, server: Server, job: str, action: str) -> int:
    """The status code of analyse, start or stop."""
    return int(session.request("POST", f"{server.batch}/{job}/{action}").status_code)


def status(session: OAuth2Session, server: Server, job: str) -> dict[str, Any]:
    answer = session.request("GET", f"{server.batch}/{job}/status")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def wait_until(
    session: OAuth2Session, server: Server, job: str, states: tuple[str, ...] = ENDS, seconds: float = PATIENCE
) -> dict[str, Any]:
    """The full job, once it is in one of these states."""

    def reached() -> bool:
        return status(session, server, job)["status"] in states

    try:
        wait_for(reached, seconds, f"job {job} to be {' or '.join(states)}")
    except TimeoutError as late:
        last = session.request("GET", f"{server.batch}/{job}").text
        raise AssertionError(f"{late}; it says {last}\n{server.log[-3000:]}") from late
    return dict(session.request("GET", f"{server.batch}/{job}").json())


def run_job(
    session: OAuth2Session, server: Server, body: Mapping[str, Any], seconds: float = PATIENCE
) -> dict[str, Any]:
    """Create, start and wait; returns the job in its final state."""
    job = create(session, server, body)
    assert act(session, server, job, "start") == 204
    return wait_until(session, server, job, seconds=seconds)


def result_folder(server: Server, job: Mapping[str, Any]) -> Path:
    """The folder of its files, for an output without placeholders."""
    bucket, _, prefix = job["request"]["output"]["s3"]["url"].removeprefix("s3://").partition("/")
    return server.buckets / bucket / prefix.rstrip("/") / job["id"]


def results(server: Server, job: Mapping[str, Any]) -> dict[int, dict[str, Any]]:
    """Feature id → content of its file."""
    return {int(path.stem): json.loads(path.read_text()) for path in result_folder(server, job).glob("*.json")}


def result_bytes(server: Server, job: Mapping[str, Any]) -> dict[str, bytes]:
    """File name → bytes."""
    return {path.name: path.read_bytes() for path in sorted(result_folder(server, job).glob("*.json"))}
