"""Two servers and two more runners on one PostgreSQL: nothing is processed to the end twice, and nothing is left."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest
import requests

from tests.support import client
from tests.support.parcels import good_parcels, write_geopackage
from tests.support.scripts import slow_script
from tests.support.server import Server, arpent, wait_for

pytestmark = pytest.mark.services


@pytest.fixture
def servers(tmp_path: Path, catalog: Path, postgres: str) -> Iterator[tuple[Server, Server]]:
    settings = {
        "DATABASE_URL": postgres, "BUCKETS": str(tmp_path / "buckets"), "EXECUTOR": "processes:1",
        "PIXEL_BUDGET": "125", "LOG_FORMAT": "json",
    }  # fmt: skip
    made = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        made.append(Server(folder=tmp_path / name, catalog=catalog, settings=settings))
    write_geopackage(tmp_path / "buckets" / "fields" / "parcels.gpkg", good_parcels(30))
    (tmp_path / "buckets" / "results").mkdir()
    runners = []
    try:
        for server in made:
            server.start()
            with (server.folder / "runner.log").open("wb") as log:
                runners.append(subprocess.Popen([*arpent(), "work"], env=server.environment, stderr=log))
        yield made[0], made[1]
    finally:
        for server in made:
            server.close()
        for runner in runners:
            runner.wait(10)


def test_partitions_are_shared(servers: tuple[Server, Server], tmp_path: Path) -> None:
    """Jobs made on either server, asked for on the other."""
    one, other = servers
    credentials = one.add_client()
    asked = client.seed_body("s3://fields/parcels.gpkg", slow_script(5_000), aggregationInterval={"of": "P10D"})
    with client.signed_in(one, *credentials) as here, client.signed_in(other, *credentials) as there:
        jobs = [client.create(session, server, asked) for session, server in ((here, one), (there, other))]
        for job in jobs:
            assert client.act(here, one, job, "start") == 204
        ended = [client.wait_until(there, other, job, seconds=120) for job in jobs]
    assert [job["status"] for job in ended] == ["DONE", "DONE"]
    files = [
        {path.name: path.read_bytes() for path in (tmp_path / "buckets" / "results" / "out" / job).glob("*.json")}
        for job in jobs
    ]
    assert len(files[0]) == len(good_parcels(30))
    assert files[0] == files[1]

    logs = {path: lines_of(path) for server in servers for path in server.folder.glob("*.log")}
    finished = {path: [each for line in lines if (each := finished_partition(line))] for path, lines in logs.items()}
    every = list(chain.from_iterable(finished.values()))
    assert [name for name, count in Counter(every).items() if count > 1] == []
    assert len(every) > 20
    assert sum(bool(found) for found in finished.values()) >= 2, "one runner did it all"
    everything = list(chain.from_iterable(logs.values()))
    assert [line for line in everything if line["level"] != "INFO"] == []
    assert not any("lease" in line["message"].lower() for line in everything)

    page = requests.get(f"{other.url}/metrics", timeout=10).text
    assert 'arpent_jobs{status="DONE"} 2.0' in page
    assert "arpent_open_partitions 0.0" in page
    counted = f'arpent_features_total{{result="done"}} {2 * len(good_parcels(30))}.0'
    wait_for(lambda: counted in requests.get(f"{one.url}/metrics", timeout=10).text, 10, "the last runner to count")


def lines_of(log: Path) -> list[dict[str, str]]:
    """Every line is a JSON object."""
    return [json.loads(line) for line in log.read_text().splitlines()]


def finished_partition(line: dict[str, str]) -> tuple[str, str] | None:
    """Job and partition, if the line tells of a finished one."""
    name, found, _ = line["message"].partition(" is finished")
    return (line["job"], name) if found else None
