"""A full disk under the buckets or the database: nothing is half-written, and with room again the job is whole."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from requests_oauthlib import OAuth2Session

from tests.support import client
from tests.support.middle import catch, serving, slow_body, undisturbed
from tests.support.parcels import good_parcels
from tests.support.server import Server, wait_for
from tests.support.small_disk import SmallDisk, small_disk

pytestmark = pytest.mark.slow

PARCELS = good_parcels(60)
SETTINGS = {
    "PIXEL_BUDGET": "1500", "POLICY__ATTEMPTS": "2", "POLICY__RETRY_SECONDS": "0.1", "POLICY__LEASE_SECONDS": "5",
    "POLICY__OUTAGE_SECONDS": "1", "POLICY__ABSENCE_SECONDS": "1",
}  # fmt: skip
ROOM = 200_000
"""Bytes for about half of the results: a file takes whole pages."""


@pytest.fixture(scope="module")
def disks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SmallDisk, SmallDisk]]:
    """Those of the buckets and of the database."""
    folder = tmp_path_factory.mktemp("disks")
    with small_disk(folder / "buckets", 4) as buckets, small_disk(folder / "database", 16) as database:
        yield buckets, database


@pytest.fixture(scope="module")
def server(disks: tuple[SmallDisk, SmallDisk], catalog: Path) -> Iterator[Server]:
    buckets, database = disks
    settings = {**SETTINGS, "DATABASE_URL": f"sqlite:///{database.path / 'arpent.db'}"}
    with serving(buckets.path.parent, catalog, settings, fields=PARCELS) as server:
        assert server.buckets == buckets.path
        yield server


@pytest.fixture(scope="module")
def session(server: Server) -> Iterator[OAuth2Session]:
    with client.signed_in(server, *server.add_client()) as session:
        yield session


def body(turns: int) -> dict[str, Any]:
    return slow_body("s3://results/disk", turns)


@pytest.fixture(scope="module")
def expected(server: Server, session: OAuth2Session) -> dict[str, bytes]:
    """File name → bytes of a run with enough disk."""
    return client.result_bytes(server, undisturbed(session, server, body(1_000)))


def check_nothing_is_half_written(server: Server, job: dict[str, Any], expected: dict[str, bytes]) -> set[str]:
    """Every file is that of the undisturbed run or tells why it has no numbers; returns the names of the former."""
    whole = set()
    for name, content in client.result_bytes(server, job).items():
        if content == expected[name]:
            whole.add(name)
        else:
            assert "is full" in json.dumps(json.loads(content)), name
    assert list(client.result_folder(server, job).rglob(".arpent-partial-*")) == []
    return whole


def test_the_buckets_disk_is_full(
    server: Server, session: OAuth2Session, disks: tuple[SmallDisk, SmallDisk], expected: dict[str, bytes]
) -> None:
    disk, _ = disks
    job = client.create(session, server, body(1_000))
    assert client.act(session, server, job, "analyse") == 204
    client.wait_until(session, server, job, ("ANALYSIS_DONE",))
    disk.fill(leaving=ROOM)
    assert client.act(session, server, job, "start") == 204
    full = client.wait_until(session, server, job, seconds=120)
    assert (full["status"], full["completionPercentage"]) == ("FAILED", 100), full
    assert full["progress"]["failed"] == 0, "no feature is to blame"
    assert full["progress"]["done"] > 0
    assert "Cannot write s3://results/disk/" in full["error"]
    assert "the disk of bucket 'results' is full. Free space on it, and START the request again." in full["error"]
    folder = client.result_folder(server, full)
    wait_for(lambda: not list(folder.rglob(".arpent-partial-*")), 60, "what was in hand to end")
    whole = check_nothing_is_half_written(server, full, expected)
    assert full["progress"]["done"] <= len(whole) < len(expected)

    disk.clear()
    assert client.act(session, server, job, "start") == 204
    client.wait_until(session, server, job, ("PROCESSING", "DONE"))
    done = client.wait_until(session, server, job, seconds=120)
    assert (done["status"], done["progress"]["failed"]) == ("DONE", 0), done
    assert client.result_bytes(server, done) == expected
    check_nothing_is_half_written(server, done, expected)


def test_the_databases_disk_is_full(
    server: Server, session: OAuth2Session, disks: tuple[SmallDisk, SmallDisk], expected: dict[str, bytes]
) -> None:
    """What is computed is kept until there is room: the job goes on by itself."""
    _, disk = disks
    job = catch(session, server, body(20_000))
    disk.fill()
    before = len(server.log)
    wait_for(lambda: "disk is full; free space on its disk" in server.log[before:], 60, "the runner to notice")
    refused = session.request("POST", server.batch, headers=client.JSON, json=body(1))
    assert refused.status_code == 503, refused.text
    assert "free space on its disk" in refused.json()["error"]["message"]
    time.sleep(3.0)
    now = client.status(session, server, job)
    assert (now["status"], now["completionPercentage"] < 100) == ("PROCESSING", True), now
    disk.clear()
    done = client.wait_until(session, server, job, seconds=120)
    assert (done["status"], done["progress"]["failed"]) == ("DONE", 0), done
    assert client.result_bytes(server, done) == expected, "the loop in the script changes no number"
