"""The pace of jobs: how many features a second they did of late."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, and_, case, func, literal, select

from arpent.adapters.sql.schema import jobs, partitions
from arpent.model.job import Status

WINDOWS = (timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1))
"""How far back it looks; to the job's last beginning if these tell too little."""
LEAST_ENDED = 8
"""So many partitions have to end in a window …"""
ROUNDS = 4
"""… which has to be so many times as long as one of them takes: workers that began together end together, and a window
that holds such a burst but not the time before it would tell a rate that is far too high."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Window:
    """What ended in the last so many seconds."""

    seconds: float
    ended: int
    """Partitions."""
    features: int
    worked: float
    """Seconds that workers spent on them."""

    @property
    def tells(self) -> bool:
        enough = self.ended >= LEAST_ENDED
        return enough and self.seconds >= ROUNDS * self.worked / self.ended


def rates_of(connection: Connection, job_ids: Sequence[str], now: datetime) -> Mapping[str, float]:
    """Job id → features per second, for those of the jobs that are PROCESSING and have something to tell by."""
    since = partitions.c.finished_at
    sums = [
        func.sum(case((within, amount), else_=0))
        for within in (*(since > now - window for window in WINDOWS), literal(True))
        for amount in (1, partitions.c.handled, partitions.c.seconds)
    ]
    statement = (
        select(jobs.c.id, jobs.c.begun, *sums)
        .where(jobs.c.id.in_(job_ids), jobs.c.status == Status.PROCESSING)
        .where(and_(partitions.c.job_id == jobs.c.id, since > jobs.c.begun))
        .group_by(jobs.c.id)
    )
    rates = {job_id: _rate(sums_, now - begun) for job_id, begun, *sums_ in connection.execute(statement)}
    return {job_id: rate for job_id, rate in rates.items() if rate}


def _rate(sums: Sequence[float], age: timedelta) -> float:
    """By the shortest window that tells enough; `age`: how long ago the job began. 0: nothing can be told."""
    spans = [min(window, age).total_seconds() for window in (*WINDOWS, age)]
    windows = [
        _Window(seconds=span, ended=int(ended), features=int(features), worked=float(worked))
        for span, ended, features, worked in zip(spans, sums[::3], sums[1::3], sums[2::3], strict=True)
    ]
    chosen = next((window for window in windows if window.tells), windows[-1])
    return chosen.features / chosen.seconds if chosen.seconds > 0 else 0.0
