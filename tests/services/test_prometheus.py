"""Alert rules and dashboard, by Prometheus' own tools, and over a real server that a real Prometheus reads."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from tests.support import client
from tests.support.monitoring import FOLDER, RULES, alerts, panels, series
from tests.support.parcels import good_parcels, write_geopackage
from tests.support.scripts import NDVI
from tests.support.server import Server, free_port, wait_for

pytestmark = pytest.mark.services
CONFIGURATION = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [{rules}]
scrape_configs:
  - job_name: arpent
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


@pytest.fixture(scope="module")
def tools() -> Path:
    if not (found := os.environ.get("ARPENT_TEST_PROMETHEUS")):
        pytest.skip(
            "needs Prometheus: run `make test-services`, or set ARPENT_TEST_PROMETHEUS to the folder of promtool"
        )
    return Path(found)


@pytest.fixture(scope="module")
def prometheus(tools: Path, catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a Prometheus with our rules that has read the metrics of a server after its first job."""
    folder = tmp_path_factory.mktemp("monitored")
    server = Server(folder=folder, catalog=catalog)
    for bucket in ("fields", "results"):
        (server.buckets / bucket).mkdir(parents=True)
    write_geopackage(server.buckets / "fields" / "fields.gpkg", good_parcels()[:2])
    signed = server.add_client()
    port = free_port()
    configuration = folder / "prometheus.yaml"
    configuration.write_text(CONFIGURATION.format(rules=RULES, port=server.port))
    reading = subprocess.Popen(
        [
            tools / "prometheus", f"--config.file={configuration}", f"--storage.tsdb.path={folder / 'series'}",
            f"--web.listen-address=127.0.0.1:{port}", "--log.level=error",
        ]
    )  # fmt: skip
    try:
        server.start()
        with client.signed_in(server, *signed) as session:
            job = client.run_job(session, server, client.seed_body("s3://fields/fields.gpkg", NDVI.text), seconds=300)
            assert job["status"] == "DONE"
        url = f"http://127.0.0.1:{port}"
        wait_for(lambda: asked(url, 'arpent_features_total{result="done"} > 0'), 120, "the first metrics")
        wait_for(lambda: asked(url, "rate(arpent_partitions_total[1m])"), 120, "a second reading")
        yield url
    finally:
        reading.kill()
        reading.wait()
        server.close()


def asked(url: str, expression: str) -> list[dict[str, Any]]:
    """What Prometheus answers; nothing while it does not."""
    try:
        answer = requests.get(f"{url}/api/v1/query", params={"query": expression}, timeout=10).json()
    except requests.ConnectionError:
        return []
    assert answer["status"] == "success", answer
    return list(answer["data"]["result"])


def run(tools: Path, *arguments: str | Path) -> str:
    done = subprocess.run([tools / "promtool", *arguments], capture_output=True, text=True, check=False, cwd=FOLDER)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_rules_are_rules(tools: Path) -> None:
    assert f"{len(alerts())} rules found" in run(tools, "check", "rules", RULES)


def test_the_rules_say_what_their_tests_want(tools: Path) -> None:
    run(tools, "test", "rules", FOLDER / "alerts.test.yaml")


def test_every_rule_has_a_test_in_which_it_fires() -> None:
    cases = yaml.safe_load((FOLDER / "alerts.test.yaml").read_text())["tests"]
    fired = {each["alertname"] for case in cases for each in case["alert_rule_test"] if each.get("exp_alerts")}
    silent = {each["alertname"] for case in cases for each in case["alert_rule_test"] if not each.get("exp_alerts")}
    assert fired == set(alerts()) == silent


@pytest.mark.parametrize(
    "name", sorted({metric for each in {**alerts(), **panels()}.values() for metric, _ in series(each)})
)
def test_a_real_server_has_every_metric(prometheus: str, name: str) -> None:
    assert asked(prometheus, name), f"{name} is not in /metrics"


@pytest.mark.parametrize("title", panels())
def test_a_panel_can_be_drawn(prometheus: str, title: str) -> None:
    asked(prometheus, panels()[title])


def test_a_healthy_server_alerts_nobody(prometheus: str) -> None:
    groups = requests.get(f"{prometheus}/api/v1/rules", timeout=10).json()["data"]["groups"]
    found = {rule["name"]: (rule["health"], rule["state"]) for group in groups for rule in group["rules"]}
    assert found.keys() == alerts().keys()
    assert {health for health, _ in found.values()} <= {"ok", "unknown"}
    assert {state for _, state in found.values()} == {"inactive"}
