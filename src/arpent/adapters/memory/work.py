"""Work: WorkStore in memory; only the holder of a lease's token may finish its work."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from arpent.adapters.memory.tables import NEVER, Claimable, JobRow, PartitionRow, Tables
from arpent.domain.boundary.text import cleaned
from arpent.domain.errors import Conflict, LeaseLost
from arpent.domain.finding import Finding
from arpent.domain.job import NO_ROWS, Progress, Status
from arpent.domain.partition import MOST_SUSPECTS, Outcome, Partition, halves, to_retry
from arpent.domain.ports.jobs import Lease
from arpent.jobs.policy import believed_until, patience_began
from arpent.jobs.work_functions import waiting_since


class MemoryWorkStore:
    """A WorkStore in the memory of this process. Every claim scans all jobs, and every progress all partitions of a
    job: suitable for thousands of features, not for a whole country's."""

    def __init__(self, tables: Tables, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._tables = tables
        self._now = now

    def claim(
        self,
        now: datetime,
        seconds: float,
        *,
        analyses: bool = True,
        partitions: bool = True,
        but: Collection[str] = (),
    ) -> Lease | None:
        until, believed = now + timedelta(seconds=seconds), believed_until(now, seconds)
        with self._tables.lock:
            for row in self._by_turn(but):
                lease = None
                if analyses and row.job.status is Status.ANALYSING and row.is_free(now, believed):
                    lease = _take_analysis(row, now, until)
                elif partitions and row.job.status is Status.PROCESSING:
                    free = [
                        part for part in row.partitions.values() if not part.finished and part.is_free(now, believed)
                    ]
                    for part in row.partitions.values() if free else ():
                        part.waiting_since = patience_began(part.waiting_since, part.not_before, row.served, now)
                    lease = _take_partition(row, free, until)
                if lease is not None:
                    row.served = now
                    return lease
        return None

    def renew(self, lease: Lease, now: datetime, seconds: float) -> None:
        with self._tables.lock:
            self._held(lease).leased_until = now + timedelta(seconds=seconds)

    def add(
        self,
        lease: Lease,
        partitions: Iterable[Partition],
        findings: Iterable[Finding],
        script: str | None = None,
    ) -> None:
        with self._tables.lock:
            row = self._analysing(lease)
            row.partitions.clear()
            row.findings.clear()
            row.script = script
        # Lock for each one separately: they may come from a lazy reader, which must not block other calls.
        for each in partitions:
            with self._tables.lock:
                self._analysing(lease).partitions[each.number] = PartitionRow(
                    number=each.number, features=each.features, size=len(each.features)
                )
        for finding in findings:
            with self._tables.lock:
                _note(self._analysing(lease), finding, None)

    def finish(self, lease: Lease, outcome: Outcome | None) -> Progress:
        now = self._now()
        with self._tables.lock:
            held, row = self._held(lease), self._tables.rows[lease.job_id]
            held.token, held.failures, held.waiting_since = None, 0, None
            row.job = replace(row.job, waiting_since=None, waiting_for=None)
            if lease.partition is None:  # a later analysis of the job starts with full patience
                held.vanished = 0
            if outcome is not None:
                if isinstance(held, PartitionRow):
                    _book(held, outcome, now)
                number = None if lease.partition is None else lease.partition.number
                for finding in outcome.findings:
                    _note(row, finding, number)
                row.job = replace(row.job, last_updated=now)
            return row.progress(now)

    def release(self, lease: Lease, retry_at: datetime | None, *, died: bool = False, lost: bool = False) -> None:
        with self._tables.lock:
            try:
                held = self._held(lease)
            except LeaseLost:
                return
            held.token = held.waiting_since = None
            held.vanished += lost
            if retry_at is None:
                return
            held.not_before = retry_at
            if died and isinstance(held, PartitionRow):
                held.deaths += 1
            else:
                held.failures += 1

    def wait(self, lease: Lease, now: datetime, retry_at: datetime, reason: str) -> None:
        with self._tables.lock:
            try:
                held = self._held(lease)
            except LeaseLost:
                return
            row = self._tables.rows[lease.job_id]
            held.token, held.not_before = None, retry_at
            held.failures += lease.partition is None
            held.waiting_since = since = waiting_since(lease, now)
            row.job = replace(row.job, waiting_since=since, waiting_for=cleaned(reason))

    def cut(self, lease: Lease, deaths: int) -> bool:
        with self._tables.lock:
            part, row = self._held(lease), self._tables.rows[lease.job_id]
            assert isinstance(part, PartitionRow), "an analysis is not cut"
            origin = part.number if part.cut_from is None else part.cut_from
            if len(part.features) < 2 or _suspects(row, origin) >= MOST_SUSPECTS:
                return False
            first, second = halves(part.features)
            number = max(row.partitions) + 1
            row.partitions[number] = PartitionRow(
                number=number, features=second, size=len(second), round=part.round, deaths=deaths, cut_from=origin
            )
            part.features, part.size = first, part.size - len(second)
            part.cut_from, part.deaths, part.vanished, part.failures = origin, deaths, 0, 0
            part.token, part.not_before, part.waiting_since = None, NEVER, None
            return True

    def reopen(self, job_id: str, version: int | None = None) -> None:
        with self._tables.lock:
            row = self._tables.rows.get(job_id)
            if version is not None and (row is None or row.job.version != version):
                raise Conflict(f"Request {job_id} was changed in the meantime")
            if row is None:
                return
            for part in row.partitions.values():
                if not part.finished:
                    part.failures = part.deaths = part.vanished = 0
                    part.cut_from, part.not_before, part.waiting_since = None, NEVER, None
                elif part.failed + part.incomplete > 0:
                    _reopen(row, part)

    def _by_turn(self, but: Collection[str]) -> list[JobRow]:
        """Jobs of the client served least recently first, and of these the job served least recently first. Turns on
        ended jobs count for their client too."""
        turns: dict[str, datetime] = {}
        for row in self._tables.rows.values():
            turns[row.job.owner] = max(row.served, turns.get(row.job.owner, NEVER))
        rows = (row for row in self._tables.rows.values() if row.job.owner not in but)
        return sorted(rows, key=lambda row: (turns[row.job.owner], row.served, row.job.created))

    def _held(self, lease: Lease) -> Claimable:
        """The analysis or partition that the lease is for. Raises LeaseLost."""
        row = self._tables.rows.get(lease.job_id)
        held: Claimable | None = row
        if row is not None and lease.partition is not None:
            held = row.partitions.get(lease.partition.number)
        if held is None or held.token != lease.token:
            raise LeaseLost(f"The lease on {_described(lease)} ran out, and another worker has it or has finished it")
        return held

    def _analysing(self, lease: Lease) -> JobRow:
        """The row of the leased analysis. Checks the status too: an analysis that lost its lease must not replace
        partitions that are being processed."""
        row = self._tables.rows.get(lease.job_id)
        if row is None or row.token != lease.token or row.job.status is not Status.ANALYSING:
            raise LeaseLost(f"The lease on {_described(lease)} ran out, or the analysis has ended")
        return row


def _take_analysis(row: JobRow, now: datetime, until: datetime) -> Lease:
    """Lease the analysis. The job's version is increased, so that a previous holder whose lease ran out cannot save its
    result."""
    token = row.take(until)
    row.job = replace(row.job, version=row.job.version + 1)
    return Lease(
        job_id=row.job.id, token=token, partition=None, attempt=row.failures + 1, vanished=row.vanished,
        owner=row.job.owner, waiting_since=patience_began(row.waiting_since, row.not_before, row.served, now),
        trace=row.job.trace,
    )  # fmt: skip


def _take_partition(row: JobRow, free: Sequence[PartitionRow], until: datetime) -> Lease | None:
    part = min(free, key=lambda part: (part.deaths, part.number), default=None)
    if part is None:
        return None
    token = part.take(until)
    partition = Partition(number=part.number, features=part.features, round=part.round, again=part.claims > 0)
    part.claims += 1
    return Lease(
        job_id=row.job.id, token=token, partition=partition, attempt=part.failures + 1, deaths=part.deaths,
        vanished=part.vanished, waiting_since=part.waiting_since,
    )  # fmt: skip


def _book(part: PartitionRow, outcome: Outcome, now: datetime) -> None:
    part.finished, part.finished_at = True, now
    part.handled = outcome.done + outcome.failed
    part.seconds = sum(seconds for _, seconds in outcome.seconds)
    kept = part.settled if part.done else NO_ROWS
    part.settled = None if kept is None else kept + outcome.settled
    part.unsettled = outcome.unsettled
    part.done += outcome.done
    part.failed += outcome.failed
    part.incomplete += outcome.incomplete
    part.processing_units += outcome.processing_units


def _note(row: JobRow, finding: Finding, number: int | None) -> None:
    """Store a finding; it replaces an earlier one of the same kind about the same feature."""
    row.findings[finding.feature, finding.kind] = (finding, number)


def _suspects(row: JobRow, origin: int) -> int:
    """Number of parts without a result that were cut from the partition `origin`, or from any partition while the job
    has no result at all."""
    parts = row.partitions.values()
    any_lived = any(part.finished and part.done > 0 for part in parts)
    family = (part for part in parts if (part.cut_from == origin if any_lived else part.cut_from is not None))
    return sum(not part.finished or part.done == 0 for part in family)


def _reopen(row: JobRow, part: PartitionRow) -> None:
    mine = {
        key: finding
        for key, (finding, number) in row.findings.items()
        if finding.may_pass and number in (part.number, None)
    }
    part.features = to_retry(
        part.features, {finding.feature for finding in mine.values()}, part.failed + part.incomplete
    )
    if len(part.features) != part.failed + part.incomplete:
        part.settled = None  # it is unknown which rows belong to the others
    part.unsettled = NO_ROWS
    part.done = part.size - len(part.features)
    part.failed = part.incomplete = part.failures = part.deaths = part.vanished = 0
    part.finished, part.cut_from, part.not_before = False, None, NEVER
    part.round += 1
    for key in mine:
        if row.findings[key][1] == part.number:
            del row.findings[key]


def _described(lease: Lease) -> str:
    work = "the analysis" if lease.partition is None else f"partition {lease.partition.number}"
    return f"{work} of request {lease.job_id}"
