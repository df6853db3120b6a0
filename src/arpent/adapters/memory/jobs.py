"""Jobs: JobStore in memory; jobs are returned with their current progress."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import accumulate

from arpent.adapters.memory.tables import JobRow, Tables
from arpent.domain.errors import Conflict, JobNotFound
from arpent.domain.finding import Finding
from arpent.domain.job import Job, Progress, Status, UserAction
from arpent.domain.ports.jobs import SortKey

BY_STATUS = (SortKey.STATUS, SortKey.STATUS_DESCENDING)
DESCENDING = (SortKey.CREATED_DESCENDING, SortKey.STATUS_DESCENDING)


class MemoryJobStore:
    """A JobStore in the memory of this process."""

    def __init__(self, tables: Tables, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._tables = tables
        self._now = now

    def add(self, job: Job) -> None:
        with self._tables.lock:
            if job.id in self._tables.rows:
                raise Conflict(f"A request with the id {job.id} exists already")
            self._tables.rows[job.id] = JobRow(job=_kept(job))

    def get(self, job_id: str) -> Job:
        with self._tables.lock:
            row = self._tables.rows.get(job_id)
            if row is None:
                raise JobNotFound(f"There is no request {job_id}")
            return self._job_of(row)

    def list(
        self, owner: str | None, sort: SortKey, offset: int, count: int, most_bytes: int | None = None
    ) -> tuple[Job, ...]:
        def rank(row: JobRow) -> tuple[str, datetime, str]:
            return (row.job.status if sort in BY_STATUS else "", row.job.created, row.job.id)

        with self._tables.lock:
            rows = [row for row in self._tables.rows.values() if owner is None or row.job.owner == owner]
            rows.sort(key=rank, reverse=sort in DESCENDING)
            page = rows[offset : offset + count]
            if most_bytes is not None:
                sizes = accumulate(len(row.job.body.encode()) for row in page)
                page = page[: max(1, sum(size <= most_bytes for size in sizes))]
            return tuple(self._job_of(row) for row in page)

    def under_way(self, owner: str) -> int:
        with self._tables.lock:
            return sum(row.job.owner == owner and _is_under_way(row.job) for row in self._tables.rows.values())

    def save(self, job: Job) -> Job:
        with self._tables.lock:
            row = self._tables.rows.get(job.id)
            if row is None or row.job.version != job.version:
                raise Conflict(f"Request {job.id} was changed in the meantime")
            # The owner, request and creation time of a job never change.
            stored = row.job
            changed = replace(job, owner=stored.owner, body=stored.body, created=stored.created)
            row.job = _kept(replace(changed, version=job.version + 1))
            return self._job_of(row)

    def findings(self, job_id: str, offset: int, count: int) -> tuple[Finding, ...]:
        with self._tables.lock:
            row = self._tables.rows.get(job_id)
            found = sorted(row.findings.items()) if row else []
            return tuple(finding for _, (finding, _) in found[offset : offset + count])

    def script(self, job_id: str) -> str | None:
        with self._tables.lock:
            row = self._tables.rows.get(job_id)
            return None if row is None else row.script

    def unsettled(self) -> tuple[str, ...]:
        with self._tables.lock:
            return tuple(job_id for job_id, row in self._tables.rows.items() if _is_unsettled(row))

    def _job_of(self, row: JobRow) -> Job:
        return replace(row.job, progress=row.progress(self._now()))


def _is_under_way(job: Job) -> bool:
    begins = job.status is Status.ANALYSIS_DONE and job.user_action is UserAction.START
    return begins or job.status in (Status.ANALYSING, Status.PROCESSING)


def _kept(job: Job) -> Job:
    """The job without its progress, and with a copy of its estimate."""
    return replace(job, progress=Progress(), estimate=dict(job.estimate))


def _is_unsettled(row: JobRow) -> bool:
    if row.job.status is Status.ANALYSIS_DONE:
        return row.job.user_action is UserAction.START
    return row.job.status is Status.PROCESSING and all(each.finished for each in row.partitions.values())
