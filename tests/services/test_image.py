"""The container image: a server and a runner of it, confined as containers/compose.yaml confines them, over PostgreSQL
and an S3 gateway. `make image` builds the image; where none is named this is skipped."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest
import requests

from tests.services.conftest import Gateway
from tests.support import client
from tests.support.compare import differences
from tests.support.oracle import batch_answers
from tests.support.parcels import good_parcels, write_geopackage
from tests.support.scripts import NDVI
from tests.support.server import Server, free_port, wait_for

pytestmark = pytest.mark.services
CONFINED = (
    "--read-only", "--cap-drop=all", "--security-opt=no-new-privileges", "--user=10001:10001", "--network=host",
    "--tmpfs=/tmp:size=2g", "--tmpfs=/var/cache/arpent:size=256m",
    "--tmpfs=/var/lib/arpent:size=64m",
)  # fmt: skip


@dataclass(kw_only=True)
class Containers:
    """Containers of one image with the same settings."""

    image: list[str]
    """Options for `podman run`, and the image."""
    catalog: Path
    variables: Mapping[str, str]
    started: list[str] = field(default_factory=list)

    def _run(self, *options: str) -> list[str]:
        given = [f"--env={name}={value}" for name, value in self.variables.items()]
        return [
            "podman",
            "run",
            "--rm",
            *CONFINED,
            f"--volume={self.catalog}:/catalog:ro",
            *given,
            *options,
            *self.image,
        ]

    def start(self, *command: str) -> None:
        name = f"arpent-{uuid4().hex[:8]}"
        self.started.append(name)
        subprocess.run([*self._run("--detach", f"--name={name}"), *command], check=True, capture_output=True)

    def run(self, command: Sequence[str]) -> str:
        return subprocess.run([*self._run(), *command], check=True, capture_output=True, text=True).stdout

    def log(self) -> str:
        done = [subprocess.run(["podman", "logs", name], capture_output=True, text=True) for name in self.started]  # noqa: PLW1510
        return "\n".join(each.stdout + each.stderr for each in done)

    def end(self) -> None:
        for name in self.started:
            subprocess.run(["podman", "stop", "--time=20", name], check=False, capture_output=True)


@pytest.fixture
def containers(cloud_catalog: Path, postgres: str, machine: dict[str, str]) -> Iterator[tuple[Containers, int]]:
    if not (named := os.environ.get("ARPENT_TEST_IMAGE")):
        pytest.skip("needs an image: run `make image`, and set ARPENT_TEST_IMAGE to its name")
    port = free_port()
    variables = {
        **machine, "ARPENT_DATABASE_URL": postgres, "ARPENT_CATALOG": "/catalog", "ARPENT_EXECUTOR": "processes:1",
        "ARPENT_HOST": "127.0.0.1", "ARPENT_PORT": str(port), "ARPENT_PIXEL_BUDGET": "5000",
        "ARPENT_SECRET_KEY": "Jr7nB2uQ9wXe4Tz6Ym1Kc8Vh3Lp5Sd0G",
    }  # fmt: skip
    made = Containers(image=shlex.split(named), catalog=cloud_catalog, variables=variables)
    cloud_catalog.parent.chmod(0o755)
    cloud_catalog.chmod(0o755)
    try:
        made.start("serve")
        made.start("work")
        wait_for(lambda: is_well(port), 120, "/readyz")
        yield made, port
    finally:
        made.end()


def is_well(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/readyz", timeout=5).ok
    except requests.ConnectionError:
        return False


def test_a_job_of_confined_containers(
    containers: tuple[Containers, int], gateway: Gateway, catalog: Path, tmp_path: Path
) -> None:
    made, port = containers
    fields = tmp_path / "parcels.gpkg"
    write_geopackage(fields, good_parcels(12))
    gateway.store.put("image/parcels.gpkg", fields.read_bytes())
    body = client.seed_body("s3://replaced/below", NDVI.text, aggregationInterval={"of": "P10D"})
    body["input"]["features"], body["output"] = gateway.access("image/parcels.gpkg"), gateway.access("image/results")
    server = Server(folder=tmp_path, catalog=catalog, port=port)  # for its addresses: it is not started
    added = json.loads(made.run(["client", "add", "tests", "--json"]))
    with client.signed_in(server, added["client_id"], added["client_secret"]) as session:
        try:
            job = client.run_job(session, server, body, seconds=400)
        except AssertionError as late:
            raise AssertionError(made.log()[-6000:]) from late
    assert job["status"] == "DONE", job
    actual = {
        int(Path(name).stem): json.loads(text) for name, text in gateway.files(f"image/results/{job['id']}").items()
    }
    expected = batch_answers(body, features=fields, catalog=catalog, script=NDVI)
    assert set(actual) == set(expected)
    assert [found for each in expected if (found := differences(actual[each], expected[each]))] == []
    log = made.log()
    assert log.count(" is finished") > 1
    assert '"level": "ERROR"' not in log
    assert gateway.keys[1] not in log
