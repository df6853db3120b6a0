"""Store: WorkStore over a database: hands out analyses and partitions by lease; only the holder of a lease's token may
finish."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import islice
from typing import TypeVar

from sqlalchemy import Connection, CursorResult, Engine, Table, Update, delete, select, update

from arpent.adapters.database.clock import clock_of
from arpent.adapters.database.connection import reading, writing
from arpent.adapters.database.counts.progress import progress_of
from arpent.adapters.database.counts.row_counts import note_reasons, values_of
from arpent.adapters.database.schema import findings, jobs, partitions, payloads, reasons, scripts
from arpent.adapters.database.upsert import insert_or_replace
from arpent.adapters.database.usage import add_usage, take_turn
from arpent.adapters.database.work import bisect as halves
from arpent.adapters.database.work import claims
from arpent.adapters.database.work import reopen as retries
from arpent.adapters.database.work.payload import pack
from arpent.domain.errors import DatabaseRefused, LeaseLost
from arpent.domain.finding import Finding
from arpent.domain.job import Progress, Status
from arpent.domain.partition import Outcome, Partition
from arpent.domain.ports.clients import Usage
from arpent.domain.ports.jobs import Lease
from arpent.jobs.work_functions import waiting_since

log = logging.getLogger(__name__)

CHUNK = 4
"""Partitions per transaction of `add`: it limits how long other writers wait and how much is in memory twice; a
partition may hold 100,000 small features."""
FINDINGS_CHUNK = 5000
"""Findings per transaction."""

Entry = TypeVar("Entry")


class SqlWorkStore:
    """A WorkStore over a database."""

    def __init__(
        self,
        engine: Engine,
        *,
        now: Callable[[], datetime] | None = None,
        weight: Callable[[str], float] = lambda owner: 1.0,
    ) -> None:
        """`weight`: client id → how many turns the client gets for each turn of a client of weight 1."""
        self._engine = engine
        self._now = now or clock_of(engine)
        self._weight = weight

    def claim(
        self,
        now: datetime,
        seconds: float,
        *,
        analyses: bool = True,
        partitions: bool = True,
        but: Collection[str] = (),
    ) -> Lease | None:
        until = now + timedelta(seconds=seconds)
        with reading(self._engine) as connection:  # most claims find nothing, and need no write
            candidates = claims.claimable(connection, now, until, analyses=analyses, partitions=partitions, but=but)
        for job_id, status in candidates:
            take = claims.take_analysis if status is Status.ANALYSING else claims.take_partition
            try:
                with writing(self._engine) as connection:
                    lease = take(connection, job_id, now, until)
                    if lease is not None:
                        owner = _owner(connection, job_id)
                        take_turn(connection, owner, self._weight(owner))
            except DatabaseRefused as error:
                log.error("The work of a request cannot be claimed: %s", error, exc_info=error, extra={"job": job_id})
                # If the row cannot be changed either, it keeps its status; the work of the next candidate is claimed
                # all the same.
                with suppress(DatabaseRefused), writing(self._engine) as connection:
                    claims.fail_job(connection, job_id, str(error), now)
                continue
            if lease is not None:
                return lease
        return None

    def renew(self, lease: Lease, now: datetime, seconds: float) -> None:
        with writing(self._engine) as connection:
            _held(connection.execute(_leased(lease).values(leased_until=now + timedelta(seconds=seconds))), lease)

    def add(
        self,
        lease: Lease,
        partitions: Iterable[Partition],
        findings: Iterable[Finding],
        script: str | None = None,
    ) -> None:
        with writing(self._engine) as connection:
            _check_analysing(connection, lease)
            _delete_work(connection, lease.job_id)
            if script is not None:
                connection.execute(scripts.insert(), {"job_id": lease.job_id, "text": script.encode()})
        # In chunks: one transaction over a lazy reader of a country's features would block every other writer.
        for chunk in _chunks(partitions, CHUNK):
            rows = [(_partition_row(lease.job_id, each), pack(each.features)) for each in chunk]
            with writing(self._engine) as connection:
                _check_analysing(connection, lease)
                _insert_partitions(connection, rows)
        for batch in _chunks(findings, FINDINGS_CHUNK):
            with writing(self._engine) as connection:
                _check_analysing(connection, lease)
                _insert_findings(connection, lease, batch)

    def finish(self, lease: Lease, outcome: Outcome | None) -> Progress:
        now = self._now()
        with writing(self._engine) as connection:
            statement = _leased(lease)
            if lease.partition is not None and outcome is not None:
                statement = statement.values(
                    finished=True,
                    finished_at=now,
                    handled=outcome.done + outcome.failed,
                    seconds=sum(seconds for _, seconds in outcome.seconds),
                    done=partitions.c.done + outcome.done,
                    failed=partitions.c.failed + outcome.failed,
                    incomplete=partitions.c.incomplete + outcome.incomplete,
                    processing_units=partitions.c.processing_units + outcome.processing_units,
                    **values_of(outcome),
                )
            if lease.partition is None:  # a later analysis of the job starts with full patience
                statement = statement.values(vanished=0, waiting_for=None)
            statement = statement.values(token=None, leased_until=None, failures=0, waiting_since=None)
            _held(connection.execute(statement), lease)
            if outcome is not None:
                _insert_findings(connection, lease, outcome.findings)
                note_reasons(connection, lease, outcome)
                if outcome.processing_units:
                    owner = _owner(connection, lease.job_id)
                    add_usage(connection, owner, Usage.PROCESSING_UNITS, outcome.processing_units, now)
                news = {"last_updated": now, "waiting_since": None, "waiting_for": None}
                connection.execute(update(jobs).where(jobs.c.id == lease.job_id).values(news))
            return progress_of(connection, (lease.job_id,), now).get(lease.job_id, Progress())

    def release(self, lease: Lease, retry_at: datetime | None, *, died: bool = False, lost: bool = False) -> None:
        statement = _leased(lease).values(token=None, leased_until=None)
        if lease.partition is not None:
            statement = statement.values(waiting_since=None)
        if retry_at is not None:
            count = partitions.c.deaths if died else _table(lease).c.failures
            statement = statement.values({"not_before": retry_at, count.name: count + 1})
        if lost:
            statement = statement.values(vanished=_table(lease).c.vanished + 1)
        with writing(self._engine) as connection:
            connection.execute(statement)

    def wait(self, lease: Lease, now: datetime, retry_at: datetime, reason: str) -> None:
        since = waiting_since(lease, now)
        waiting = {"waiting_since": since, "waiting_for": reason}
        waits = _leased(lease).values(token=None, leased_until=None, not_before=retry_at, waiting_since=since)
        with writing(self._engine) as connection:
            if lease.partition is None:
                connection.execute(waits.values(failures=jobs.c.failures + 1, **waiting))
            elif connection.execute(waits).rowcount:
                connection.execute(update(jobs).where(jobs.c.id == lease.job_id).values(waiting))

    def cut(self, lease: Lease, deaths: int) -> bool:
        assert lease.partition is not None, "an analysis is not cut"
        with writing(self._engine) as connection:
            # Locks the row until the transaction ends: the next worker sees the partition either whole or cut.
            _held(connection.execute(_leased(lease).values(not_before=None)), lease)
            return halves.bisect(connection, lease.job_id, lease.partition.number, deaths)

    def reopen(self, job_id: str, version: int | None = None) -> None:
        with writing(self._engine) as connection:
            retries.reopen(connection, job_id, version)


def _owner(connection: Connection, job_id: str) -> str:
    return str(connection.execute(select(jobs.c.owner).where(jobs.c.id == job_id)).scalar_one())


def _table(lease: Lease) -> Table:
    return jobs if lease.partition is None else partitions


def _leased(lease: Lease) -> Update:
    """UPDATE of the leased row, if the lease still holds."""
    if lease.partition is None:
        return update(jobs).where(jobs.c.id == lease.job_id, jobs.c.token == lease.token)
    return update(partitions).where(
        partitions.c.job_id == lease.job_id,
        partitions.c.number == lease.partition.number,
        partitions.c.token == lease.token,
    )


def _held(result: CursorResult[object], lease: Lease) -> None:
    if result.rowcount == 0:
        raise LeaseLost(f"The lease on {_described(lease)} ran out, and another worker has it or has finished it")


def _described(lease: Lease) -> str:
    work = "the analysis" if lease.partition is None else f"partition {lease.partition.number}"
    return f"{work} of request {lease.job_id}"


def _check_analysing(connection: Connection, lease: Lease) -> None:
    """Check lease and status: an analysis that lost its lease must not replace partitions that are being processed."""
    held = select(jobs.c.id).where(
        jobs.c.id == lease.job_id, jobs.c.token == lease.token, jobs.c.status == Status.ANALYSING
    )
    if connection.execute(held.with_for_update()).first() is None:
        raise LeaseLost(f"The lease on {_described(lease)} ran out, or the analysis has ended")


def _delete_work(connection: Connection, job_id: str) -> None:
    for table in (payloads, partitions, findings, reasons, scripts):
        connection.execute(delete(table).where(table.c.job_id == job_id))


def _partition_row(job_id: str, partition: Partition) -> dict[str, object]:
    return {"job_id": job_id, "number": partition.number, "features": len(partition.features)}


def _insert_partitions(connection: Connection, rows: list[tuple[dict[str, object], bytes]]) -> None:
    connection.execute(partitions.insert(), [row for row, _ in rows])
    connection.execute(
        payloads.insert(),
        [{"job_id": row["job_id"], "number": row["number"], "features": payload} for row, payload in rows],
    )


def _insert_findings(connection: Connection, lease: Lease, batch: Iterable[Finding]) -> None:
    """Insert findings; a later finding of the same kind about the same feature replaces the earlier."""
    number = None if lease.partition is None else lease.partition.number
    rows = [
        {
            "job_id": lease.job_id,
            "feature": finding.feature,
            "kind": finding.kind,
            "verdict": finding.verdict.value,
            "identifier": finding.identifier,
            "message": finding.message,
            "partition": number,
        }
        for finding in batch
    ]
    if rows:
        connection.execute(insert_or_replace(connection, findings), rows)


def _chunks(entries: Iterable[Entry], size: int) -> Iterator[list[Entry]]:
    remaining = iter(entries)
    while chunk := list(islice(remaining, size)):
        yield chunk
