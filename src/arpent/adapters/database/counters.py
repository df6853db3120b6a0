"""Counters: totals over all runners, stored in the database so that they survive restarts and any server can report
them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import BigInteger, Engine, and_, case, exists, func, or_, select, type_coerce

from arpent.adapters.database.connection import reading, writing
from arpent.adapters.database.schema import EPOCH, MICROSECOND, counters, jobs, partitions
from arpent.adapters.database.upsert import insert_or_add
from arpent.domain.job import Status

Counter = tuple[str, str]
"""Name of a counter, and its label."""


class SqlCounters:
    """Counters that only grow, and current numbers of jobs and partitions."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def answers(self) -> bool:
        """True if the database answers a query of its tables. Raises WorldError if not."""
        with reading(self._engine) as connection:
            connection.execute(select(jobs.c.id).limit(1)).all()
        return True

    def add(self, amounts: Mapping[Counter, float]) -> None:
        """Add each amount to its counter, all or none; always in the same order, so that two runners never deadlock."""
        rows = [{"name": name, "label": label, "value": value} for (name, label), value in sorted(amounts.items())]
        with writing(self._engine) as connection:
            for row in rows:
                connection.execute(insert_or_add(connection, counters, "value"), row)

    def totals(self) -> Mapping[Counter, float]:
        """All counters with their values."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(counters.c.name, counters.c.label, counters.c.value)).all()
        return {(name, label): value for name, label, value in rows}

    def jobs(self) -> Mapping[str, int]:
        """Status → current number of jobs."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(jobs.c.status, func.count()).group_by(jobs.c.status)).all()
        found = {str(status): int(count) for status, count in rows}
        return {str(status): found.get(str(status), 0) for status in Status}

    def open_partitions(self) -> int:
        """Number of unfinished partitions of running jobs."""
        still = select(func.count()).where(
            partitions.c.job_id.in_(select(jobs.c.id).where(jobs.c.status == Status.PROCESSING)),
            partitions.c.finished.is_(False),
        )
        with reading(self._engine) as connection:
            return int(connection.execute(still).scalar_one())

    def queue_seconds(self, now: datetime) -> float:
        """The longest time that a job with unclaimed work has waited since its last claim or user action; 0 if there is
        none."""
        free = exists().where(
            partitions.c.job_id == jobs.c.id, partitions.c.finished.is_(False), partitions.c.token.is_(None)
        )
        analyses = and_(jobs.c.status == Status.ANALYSING, jobs.c.token.is_(None))
        waiting = or_(analyses, and_(jobs.c.status == Status.PROCESSING, free))
        asked = func.coalesce(type_coerce(jobs.c.user_action_updated, BigInteger), 0)
        last = func.min(case((jobs.c.served > asked, jobs.c.served), else_=asked))
        with reading(self._engine) as connection:
            since = connection.execute(select(last).where(waiting)).scalar()
        return 0.0 if since is None else max(0.0, ((now - EPOCH) // MICROSECOND - int(since)) / 1e6)
