"""Alert rules and dashboard name metrics and labels that /metrics has. tests/services/test_prometheus.py runs them."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from arpent.adapters.formats.prometheus_metrics import COUNTERS, QueueState, metrics_text
from arpent.domain.job import Status
from arpent.server.request_log import HttpMetrics
from tests.support.monitoring import alerts, grouped, panels, series

EXPRESSIONS = {**alerts(), **panels()}
FROM_PROMETHEUS = {"job", "instance"}
"""Labels that Prometheus adds."""


def told() -> dict[str, set[str]]:
    """Name → labels of each series of /metrics."""
    totals = {(counter, "x" if label else ""): 1.0 for counter, (_, label) in COUNTERS.items()}
    http = HttpMetrics()
    http.count("GET", "/healthz", 200, 0.1)
    text = metrics_text(totals, QueueState(dict.fromkeys(Status, 1), 1, 1.0)) + http.text()
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_every_metric_and_label_exists(name: str) -> None:
    named = series(EXPRESSIONS[name])
    known = told()
    assert named, "an expression without a metric of ours"
    for metric, labels in named:
        assert labels <= known.get(metric, set()), metric
    assert grouped(EXPRESSIONS[name]) <= set().union(*(known[metric] for metric, _ in named)) | FROM_PROMETHEUS


def test_every_metric_is_shown() -> None:
    shown = {metric for expression in panels().values() for metric, _ in series(expression)}
    mean = "arpent_http_request_seconds_"
    assert {name for name in told() if not name.endswith("_created")} - shown == set(), mean


def test_an_alert_can_be_wrong() -> None:
    assert series('max(arpent_nothing{status="a"}[1m])') == {("arpent_nothing", frozenset({"status"}))}
    assert series("absent(arpent_build_info)") == {("arpent_build_info", frozenset())}
