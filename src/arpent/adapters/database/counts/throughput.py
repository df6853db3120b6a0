"""Throughput: how many features per second a job finished lately."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, case, func, select

from arpent.adapters.database.schema import jobs, partitions
from arpent.domain.job import Status
from arpent.jobs.throughput import WINDOWS, Ended, features_per_second


def rates_of(connection: Connection, job_ids: Sequence[str], now: datetime) -> Mapping[str, float]:
    """Job id → features per second, for those jobs that are PROCESSING and finished enough lately. Reads few rows if a
    short window is enough."""
    rates: dict[str, float] = {}
    running = (jobs.c.id.in_(job_ids), jobs.c.status == Status.PROCESSING, jobs.c.begun < now)
    begun = connection.execute(select(jobs.c.id, jobs.c.begun).where(*running)).all() if job_ids else ()
    ages = {job_id: now - instant for job_id, instant in begun}
    for window in WINDOWS:
        spans = {job_id: min(window, age) for job_id, age in ages.items() if job_id not in rates}
        for job_id, ended in _ended(connection, spans, now):
            rate = features_per_second(ended, spans[job_id], ages[job_id])
            if rate is not None:
                rates[job_id] = rate
    return rates


def _ended(connection: Connection, spans: Mapping[str, timedelta], now: datetime) -> Iterator[tuple[str, Ended]]:
    """(job id, what ended within its time span), for jobs in which a partition ended."""
    if not spans:
        return
    # One bound for all jobs, so that the index is used; what ended before a job's own start is left out of its sums.
    amounts = (1, partitions.c.handled, partitions.c.seconds)
    statement = (
        select(
            jobs.c.id, *(func.sum(case((partitions.c.finished_at > jobs.c.begun, each), else_=0)) for each in amounts)
        )
        .where(jobs.c.id.in_(list(spans)), partitions.c.job_id == jobs.c.id)
        .where(partitions.c.finished_at > now - max(spans.values()))
        .group_by(jobs.c.id)
    )
    for job_id, ended, features, worked in connection.execute(statement):
        yield job_id, Ended(partitions=int(ended), features=int(features), seconds=float(worked))
