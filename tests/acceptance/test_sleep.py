"""A machine that sleeps in the midst of its work, and wakes when another has done it and the images are gone."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support import client
from tests.support.middle import serving, slow_body, undisturbed
from tests.support.server import Server, wait_for

pytestmark = pytest.mark.slow

SETTINGS = {"POLICY__LEASE_SECONDS": "3", "EXECUTOR": "processes:1"}


@pytest.fixture
def sleeping(tmp_path: Path, catalog: Path) -> Iterator[Server]:
    """With a country of its own, to break."""
    shutil.copytree(catalog, tmp_path / "stac")
    with serving(tmp_path, tmp_path / "stac", SETTINGS) as server:
        yield server


def resume(processes: list[psutil.Process]) -> None:
    for process in processes:
        if process.is_running():
            process.resume()


def test_who_wakes_up_replaces_nothing(sleeping: Server) -> None:
    """Its workers wake before its runner can learn from the database that the work is somebody else's."""
    keys, body = sleeping.add_client(), slow_body("s3://results/out", 8_000)
    with client.signed_in(sleeping, *keys) as session:
        good = client.result_bytes(sleeping, undisturbed(session, sleeping, body))
        job = client.create(session, sleeping, body)
        assert client.act(session, sleeping, job, "start") == 204
        wait_for(lambda: client.status(session, sleeping, job)["status"] == "PROCESSING", 60, "work", pause=0.01)
        time.sleep(0.5)
        asleep = sleeping.members()
        workers = [process for process in sleeping.children() if "work" not in process.cmdline()]
        for process in asleep:
            process.suspend()
    with (
        Server(folder=sleeping.folder, catalog=sleeping.catalog, settings=SETTINGS) as other,
        client.signed_in(other, *keys) as session,
    ):
        done = client.wait_until(session, other, job)
        assert (done["status"], done["progress"]["failed"]) == ("DONE", 0)
        assert client.result_bytes(other, done) == good
        for image in sleeping.catalog.rglob("*.tif"):
            image.unlink()
        resume(workers)
        time.sleep(8)
        resume(asleep)
        time.sleep(2)
        assert client.result_bytes(other, done) == good
        assert client.wait_until(session, other, job)["progress"]["failed"] == 0
