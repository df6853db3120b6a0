"""Prometheus metrics: writes what the database counts in Prometheus's text format."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from arpent import __version__

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


@dataclass(frozen=True, slots=True)
class QueueState:
    """The jobs and the open work."""

    jobs: Mapping[str, int]
    """Status → number of jobs."""
    open_partitions: int
    """Unfinished partitions of running jobs."""
    seconds: float
    """How many seconds the job that has waited longest for a worker has waited."""


def metrics_text(totals: Mapping[tuple[str, str], float], state: QueueState) -> str:
    """The metrics in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_Page(totals, state))
    return generate_latest(registry).decode()


class _Page:
    """A Prometheus collector that returns values which were read before."""

    def __init__(self, totals: Mapping[tuple[str, str], float], state: QueueState) -> None:
        self._totals = totals
        self._state = state

    def collect(self) -> Iterator[Metric]:
        by_status = GaugeMetricFamily("arpent_jobs", "Jobs by status", labels=["status"])
        for status, count in self._state.jobs.items():
            by_status.add_metric([status], count)
        yield by_status
        yield GaugeMetricFamily(
            "arpent_open_partitions", "Unfinished partitions of running jobs", self._state.open_partitions
        )
        yield GaugeMetricFamily(
            "arpent_queue_seconds", "Longest time that a job has waited without being worked on, in seconds",
            self._state.seconds,
        )  # fmt: skip
        build = GaugeMetricFamily("arpent_build_info", "Versions; always 1", labels=["version", "python"])
        build.add_metric([__version__, platform.python_version()], 1)
        yield build
        for name, (text, split) in COUNTERS.items():
            family = CounterMetricFamily(f"arpent_{name}", text, labels=[split] if split else [])
            found = dict.fromkeys(BEFORE_THE_FIRST.get(name, () if split else ("",)), 0.0)
            found |= {label: value for (counter, label), value in self._totals.items() if counter == name}
            for label, value in found.items():
                family.add_metric([label] if split else [], value)
            yield family
