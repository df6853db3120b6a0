"""Metrics: what the database records about all runners and jobs."""

from __future__ import annotations

from sqlalchemy import Engine

from arpent.adapters.database.clock import clock_of
from arpent.adapters.database.counters import SqlCounters


def metrics(engine: Engine) -> str:
    """Counters of all runners and jobs in this database, in Prometheus' text format."""
    from arpent.adapters.formats.prometheus_metrics import QueueState, metrics_text

    counters = SqlCounters(engine)
    state = QueueState(counters.jobs(), counters.open_partitions(), counters.queue_seconds(clock_of(engine)()))
    return metrics_text(counters.totals(), state)
