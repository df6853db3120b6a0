"""Prometheus metrics: text format of what the database counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

BEFORE_THE_FIRST: Mapping[str, tuple[str, ...]] = {
    "features": ("done", "failed"),
    "retries": ("analysis", "partition"),
}
"""Counter → labels to show as 0: if a counter only appears with its first event, a rate misses that event."""

COUNTERS: Mapping[str, tuple[str, str]] = {
    "partitions": ("Partitions that were finished", ""),
    "features": ("Features of finished partitions", "result"),
    "read_bytes": ("Compressed bytes read from images", ""),
    "processing_units": ("Processing units spent", ""),
    "stage_seconds": ("Seconds spent in analyses, and by workers in each stage of finished partitions", "stage"),
    "retries": ("Attempts that failed and were repeated", "work"),
}
"""Counter → (help text, name of its label)."""


def metrics_text(totals: Mapping[tuple[str, str], float], jobs: Mapping[str, int], open_partitions: int) -> str:
    """The metrics in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_Page(totals, jobs, open_partitions))
    return generate_latest(registry).decode()


class _Page:
    """A collector of values that are known already."""

    def __init__(self, totals: Mapping[tuple[str, str], float], jobs: Mapping[str, int], open_partitions: int) -> None:
        self._totals = totals
        self._jobs = jobs
        self._open_partitions = open_partitions

    def collect(self) -> Iterator[Metric]:
        by_status = GaugeMetricFamily("arpent_jobs", "Jobs by status", labels=["status"])
        for status, count in self._jobs.items():
            by_status.add_metric([status], count)
        yield by_status
        yield GaugeMetricFamily(
            "arpent_open_partitions", "Unfinished partitions of running jobs", self._open_partitions
        )
        for name, (text, split) in COUNTERS.items():
            family = CounterMetricFamily(f"arpent_{name}", text, labels=[split] if split else [])
            found = dict.fromkeys(BEFORE_THE_FIRST.get(name, () if split else ("",)), 0.0)
            found |= {label: value for (counter, label), value in self._totals.items() if counter == name}
            for label, value in found.items():
                family.add_metric([label] if split else [], value)
            yield family
