"""containers/compose.yaml, run as it is: the workflow of the official client from outside, over PostgreSQL and the S3
gateway of the profile `s3`; runners added, the server restarted in mid-job, everything taken down and up again."""

from __future__ import annotations

import json
import os
import re
import secrets
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import obstore
import pytest
import requests
from sentinelhub import SentinelHubBatchStatistical, SHConfig
from sentinelhub.api.batch import utils as batch_utils
from sentinelhub.api.batch.statistical import BatchStatisticalRequest

from tests.services.conftest import Gateway
from tests.support import client
from tests.support.compare import differences
from tests.support.gateway import bucket_of, make_bucket
from tests.support.geoparquet import write_geoparquet
from tests.support.oracle import batch_answers
from tests.support.parcels import good_parcels, write_geopackage
from tests.support.scripts import NDVI
from tests.support.server import Server, free_port, wait_for

pytestmark = [pytest.mark.services, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
FOLDER = Path(__file__).parents[2] / "containers"
CONFINED = 'touch /opt/x 2>&1; grep -E "^(CapEff|CapBnd|NoNewPrivs|Uid):" /proc/self/status'
PATIENCE = 600.0
"""Seconds for containers to come up and for a job: each container compiles or copies kernels on a busy machine."""


@dataclass(kw_only=True)
class Composed:
    """The services of the file, under a name of their own."""

    compose: list[str]
    folder: Path
    """Holds a copy of the file, and its .env."""
    project: str
    server: Server
    """For its addresses: compose starts it."""
    gateway: Gateway

    def run(self, *arguments: str) -> str:
        """The output of a command of compose."""
        command = [*self.compose, "--profile", "s3", "-p", self.project, "-f", "compose.yaml", *arguments]
        # Into files: podman's name server outlives the command, and would hold a pipe open.
        with (self.folder / "out").open("w+") as out, (self.folder / "err").open("w+") as err:
            done = subprocess.run(command, cwd=self.folder, stdout=out, stderr=err, timeout=PATIENCE, check=False)
        said, complaints = ((self.folder / name).read_text(errors="replace") for name in ("out", "err"))
        assert done.returncode == 0, f"{shlex.join(command)}\n{said[-2000:]}\n{complaints[-4000:]}"
        return said

    def up(self, *options: str) -> None:
        self.run("up", "--detach", *options)
        wait_for(lambda: answers(f"{self.server.url}/readyz"), PATIENCE, "/readyz", pause=0.5)
        wait_for(lambda: answers(self.gateway.endpoint), PATIENCE, "the gateway", pause=0.5)


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False


@pytest.fixture
def composed(tmp_path: Path, catalog: Path) -> Iterator[Composed]:
    if not (named := os.environ.get("ARPENT_TEST_COMPOSE")):
        pytest.skip(
            "needs compose: run `make image` and containers/services.sh, and set ARPENT_TEST_COMPOSE to a command"
        )
    folder, keys = tmp_path / "containers", ("AKIACOMPOSED", secrets.token_hex(16))
    folder.mkdir()
    shutil.copy(FOLDER / "compose.yaml", folder)
    server = Server(folder=tmp_path, catalog=catalog, port=free_port())
    endpoint = f"http://127.0.0.1:{free_port()}"
    variables = {
        "IMAGE": "localhost/arpent", "POSTGRES_IMAGE": "localhost/arpent-postgres", "S3_IMAGE": "localhost/arpent-s3",
        "LISTEN": f"127.0.0.1:{server.port}", "S3_LISTEN": endpoint.removeprefix("http://"), "S3_GIB": "4",
        "POSTGRES_PASSWORD": secrets.token_hex(16), "ARPENT_SECRET_KEY": secrets.token_urlsafe(32),
        "S3_ACCESS_KEY": keys[0], "S3_SECRET_KEY": keys[1],
        # arpent finds the gateway by its name among the services, and reads catalogue and images with the same keys.
        "AWS_ENDPOINT_URL_S3": "http://s3:8480", "AWS_ACCESS_KEY_ID": keys[0], "AWS_SECRET_ACCESS_KEY": keys[1],
        "AWS_REGION": "us-east-1", "ARPENT_CATALOG": "s3://country/items.parquet",
        "ARPENT_EXECUTOR": "processes:1", "ARPENT_PIXEL_BUDGET": "2000",
    }  # fmt: skip
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
    made = Composed(
        compose=shlex.split(named), folder=folder, project=f"arpent-{uuid4().hex[:8]}", server=server,
        gateway=Gateway(endpoint=endpoint, bucket="fields", keys=keys, store=bucket_of(endpoint, "fields", keys)),
    )  # fmt: skip
    try:
        yield made
    finally:
        for _ in range(2):  # podman-compose removes no container on which an orphan depends
            made.run("down", "--volumes", "--remove-orphans")


def fill(gateway: Gateway, catalog: Path, fields: Path) -> None:
    """The made-up country and its fields, put into buckets from outside."""
    make_bucket(gateway.endpoint, gateway.bucket, gateway.keys)
    country = make_bucket(gateway.endpoint, "country", gateway.keys)
    obstore.put(gateway.store, "parcels.gpkg", fields.read_bytes())
    items = []
    for path in sorted(catalog.rglob("*.json")):
        items.append(item := json.loads(path.read_text()))
        for asset in item["assets"].values():
            image = path.parent / asset["href"]
            asset["href"] = f"s3://country/{item['id']}/{image.name}"
            obstore.put(country, f"{item['id']}/{image.name}", image.read_bytes())
    index = fields.with_suffix(".parquet")
    write_geoparquet(index, items)
    obstore.put(country, "items.parquet", index.read_bytes())


def make(batch: SentinelHubBatchStatistical, gateway: Gateway) -> BatchStatisticalRequest:
    body = client.seed_body("s3://replaced/below", NDVI.text, aggregationInterval={"of": "P10D"})
    access = {"access_key": gateway.keys[0], "secret_access_key": gateway.keys[1]}
    return batch.create(
        input_features=batch.s3_specification("s3://fields/parcels.gpkg", **access),
        input_data=body["input"]["data"],
        aggregation=body["aggregation"],
        calculations={"default": {"statistics": {"default": {"percentiles": {"k": [5, 50, 95]}}}}},
        output=batch.s3_specification("s3://fields/results", **access),
    )


def finish(batch: SentinelHubBatchStatistical, request: BatchStatisticalRequest) -> None:
    wait_for(lambda: batch.get_status(request)["status"] in client.ENDS, PATIENCE, "the end of the job", pause=0.5)
    assert batch.get_status(request)["status"] == "DONE", batch.get_status(request)


def test_the_workflow_of_compose(composed: Composed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_MIN_STAT_SLEEP_TIME", "_MIN_ANALYSIS_SLEEP_TIME"):
        monkeypatch.setattr(batch_utils, name, 0)
    gateway, fields = composed.gateway, tmp_path / "parcels.gpkg"
    write_geopackage(fields, good_parcels(60))
    composed.up()
    for service in ("server", "runner", "database", "s3"):
        said = composed.run("exec", "-T", service, "sh", "-c", CONFINED)
        assert "Read-only file system" in said, (service, said)
        assert said.count("0000000000000000") == 2, (service, said)
        assert "NoNewPrivs:\t1" in said, (service, said)
        assert "Uid:\t0" not in said, (service, said)
    fill(gateway, composed.server.catalog, fields)
    added = json.loads(composed.run("exec", "-T", "server", "arpent", "client", "add", "tests", "--json"))
    config = SHConfig(use_defaults=True)
    config.sh_client_id, config.sh_client_secret = added["client_id"], added["client_secret"]
    config.sh_base_url, config.sh_token_url = composed.server.url, composed.server.token_url
    batch = SentinelHubBatchStatistical(config)

    first = make(batch, gateway)
    batch.start_analysis(first)
    batch_utils.monitor_batch_statistical_analysis(first, config, sleep_time=1)
    batch.start_job(first)
    finish(batch, first)
    found = gateway.files(f"results/{first.request_id}")
    actual = {int(Path(name).stem): json.loads(text) for name, text in found.items()}
    body = batch.get_request(first).request
    expected = batch_answers(body, features=fields, catalog=composed.server.catalog, script=NDVI)
    assert set(actual) == set(expected)
    assert [wrong for each in expected if (wrong := differences(actual[each], expected[each]))] == []

    composed.up("--scale", "runner=3", "--no-recreate")
    assert set(re.findall(r"runner[_-](\d)", composed.run("ps"))) == {"1", "2", "3"}
    second = make(batch, gateway)
    batch.start_job(second)
    wait_for(lambda: batch.get_status(second)["status"] == "PROCESSING", PATIENCE, "the job to be in work")
    composed.run("restart", "server")
    wait_for(lambda: answers(f"{composed.server.url}/readyz"), PATIENCE, "/readyz", pause=0.5)
    finish(batch, second)
    assert gateway.files(f"results/{second.request_id}") == found, "the same bytes as the first job's"

    composed.run("down", "--remove-orphans")  # podman-compose takes further runners for orphans
    assert "runner" not in composed.run("ps")
    assert not answers(f"{composed.server.url}/healthz")
    composed.up()
    batch = SentinelHubBatchStatistical(config)  # its client still is one
    assert [batch.get_request(each.request_id).status.value for each in (first, second)] == ["DONE", "DONE"]
    assert gateway.files(f"results/{first.request_id}") == found
    third = make(batch, gateway)
    batch.start_job(third)
    finish(batch, third)
    assert gateway.files(f"results/{third.request_id}") == found
    logs = composed.run("logs", "server")
    assert '"level": "ERROR"' not in logs
    assert gateway.keys[1] not in logs
