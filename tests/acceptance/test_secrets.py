"""Secrets are only in the request, the database (sealed) and memory, also when something fails."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from requests_oauthlib import OAuth2Session

from tests.support import client
from tests.support.parcels import good_parcels, write_geopackage
from tests.support.scripts import SEED, at_the_head_of_evaluate_pixel, slow_script
from tests.support.server import Server, wait_for

pytestmark = pytest.mark.slow

SECRET = "never-say-this-aloud"
"""What `client.seed_body` sends as secretAccessKey."""
ACCOUNT = base64.b64encode(b'{"private_key": "nor-this-one"}').decode()
SERVER_KEY = "the-key-of-the-server-itself-is-secret-too"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, catalog: Path) -> Iterator[Server]:
    settings = {
        "PIXEL_BUDGET": "1000",
        "LOG_FORMAT": "json",
        "SECRET_KEY": SERVER_KEY,
        "SCRIPT_SECONDS": "2",
        "POLICY__RETRY_SECONDS": "0.1",
        "POLICY__LEASE_SECONDS": "3",
    }
    server = Server(folder=tmp_path_factory.mktemp("guarded"), catalog=catalog, settings=settings)
    write_geopackage(server.buckets / "fields" / "parcels.gpkg", good_parcels(20))
    (server.buckets / "results").mkdir()
    with server:
        yield server


@pytest.fixture(scope="module")
def credentials(guarded: Server) -> tuple[str, str]:
    return guarded.add_client()


@pytest.fixture(scope="module")
def session(guarded: Server, credentials: tuple[str, str]) -> Iterator[OAuth2Session]:
    with client.signed_in(guarded, *credentials) as session:
        yield session


def body(script: str = SEED.text, features: str = "s3://fields/parcels.gpkg") -> dict[str, Any]:
    wish = client.seed_body(features, script)
    wish["output"]["s3"]["credentials"] = ACCOUNT
    return wish


def command_lines(server: Server) -> str:
    """What `ps` shows of everything that belongs to the server."""
    lines = []
    for member in server.members():
        for process in (member, *member.children(recursive=True)):
            try:
                lines.append(" ".join(process.cmdline()))
            except psutil.NoSuchProcess:
                continue
    return "\n".join(lines)


def test_no_secret_gets_out_whatever_goes_wrong(
    guarded: Server, session: OAuth2Session, credentials: tuple[str, str]
) -> None:
    said: list[str] = []

    def told(job: dict[str, Any]) -> None:
        for path in ("", "/status", "/features"):
            said.append(session.get(f"{guarded.batch}/{job['id']}{path}").text)

    # a job that is killed in the middle, and seen at work
    job = client.create(session, guarded, body(slow_script(5_000)))
    assert client.act(session, guarded, job, "start") == 204
    wait_for(lambda: client.status(session, guarded, job)["status"] == "PROCESSING", 60, "the job to be processed")
    said += [command_lines(guarded) for _ in range(5)]
    assert "executors.processes.fork_server" in said[0]
    for child in guarded.children():
        if "executors.processes.fork_server" in " ".join(child.cmdline()):
            child.kill()
    said.append(session.get(f"{guarded.batch}?count=50").text)
    guarded.kill()
    wait_for(lambda: not guarded.members(), 60, "its children to end")
    guarded.start()
    told(client.wait_until(session, guarded, job))

    # jobs that fail in many ways
    told(client.run_job(session, guarded, body(features="s3://no-such-bucket/x.gpkg")))
    told(client.run_job(session, guarded, body("//VERSION=3\nfunction setup() {")))
    told(client.run_job(session, guarded, body(at_the_head_of_evaluate_pixel("throw new Error(Object.keys(this));"))))
    told(client.run_job(session, guarded, body(at_the_head_of_evaluate_pixel("if (samples.B04 > 0.2) throw 1;"))))
    lost = guarded.buckets / "results"
    waiting = client.create(session, guarded, body())
    assert client.act(session, guarded, waiting, "analyse") == 204
    client.wait_until(session, guarded, waiting, ("ANALYSIS_DONE",))
    lost.rename(lost.with_name("elsewhere"))
    assert client.act(session, guarded, waiting, "start") == 204
    told(client.wait_until(session, guarded, waiting))
    lost.with_name("elsewhere").rename(lost)

    # requests that are refused
    wrongs: list[dict[str, Any]] = [
        {"aggregation": 7},
        {"output": {"s3": {"url": "x", "secretAccessKey": SECRET}}},
        {"input": [SECRET]},
        body(features="gs://fields/x.gpkg"),
    ]
    said += [session.post(guarded.batch, headers=client.JSON, json={**body(), **wrong}).text for wrong in wrongs]
    said.append(session.post(guarded.batch, headers=client.JSON, data=json.dumps(body())[:-5]).text)
    said.append(requests.post(guarded.token_url, data={"client_id": "x", "client_secret": SECRET}, timeout=60).text)
    said += [requests.get(f"{guarded.url}{path}", timeout=60).text for path in ("/metrics", "/readyz", "/healthz")]

    secrets = [SECRET, ACCOUNT, "nor-this-one", credentials[1], SERVER_KEY]
    answers = "\n".join(said)
    assert [secret for secret in secrets if secret in answers] == []
    assert [secret for secret in secrets if secret in guarded.log] == []
    assert all(json.loads(line)["message"] for line in guarded.log.splitlines() if line.startswith("{"))
    holders = [
        (str(path.relative_to(guarded.folder)), secret)
        for path in guarded.folder.rglob("*")
        if path.is_file()
        for secret in secrets
        if secret.encode() in path.read_bytes()
    ]
    assert holders == [], "the database, its journal, reports and results"
