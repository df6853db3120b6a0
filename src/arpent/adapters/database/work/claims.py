"""Claims: chooses a piece of work and leases it. Clients take turns by weight, and so do the jobs of each client; work
under a current lease is never handed out."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import uuid4

from sqlalchemy import ColumnElement, Connection, Table, and_, case, exists, func, or_, select, update

from arpent.adapters.database.schema import EPOCH, MICROSECOND, jobs, partitions, payloads, turns
from arpent.adapters.database.work.payload import unpack
from arpent.domain.boundary.unforeseen import panics_as_errors, sentence
from arpent.domain.errors import DatabaseRefused
from arpent.domain.feature import Features
from arpent.domain.job import Status
from arpent.domain.partition import Partition
from arpent.domain.ports.jobs import Lease
from arpent.jobs.policy import IDLE_SECONDS, believed_until, patience_began

CANDIDATES = 8
"""Jobs to try per claim; more than one, because another runner may claim the first one sooner."""


def claimable(
    connection: Connection,
    now: datetime,
    until: datetime,
    *,
    analyses: bool,
    partitions: bool,
    but: Collection[str] = (),
) -> tuple[tuple[str, Status], ...]:
    """Up to CANDIDATES jobs with work that can be leased until then, except jobs of the clients `but`. First come those
    of the client whose turn is due first; ties go to the client, and then to the job, that was served least recently.
    """
    wanted: list[tuple[Status, ColumnElement[bool]]] = []
    if analyses:
        wanted.append((Status.ANALYSING, _free(jobs, now, until)))
    if partitions:
        wanted.append((Status.PROCESSING, _has_free_partition(now, until)))
    if not wanted:
        return ()
    others = jobs.alias("others")  # ended jobs, too: a client with many short jobs has had its turns
    client_turn = select(func.max(others.c.served)).where(others.c.owner == jobs.c.owner).scalar_subquery()
    reached = connection.execute(select(func.max(turns.c.began))).scalar() or 0.0
    due = func.coalesce(select(turns.c.due).where(turns.c.owner == jobs.c.owner).scalar_subquery(), 0.0)
    statement = (
        select(jobs.c.id, jobs.c.status)
        .where(
            jobs.c.owner.not_in(sorted(but)),
            jobs.c.status.in_([status for status, _ in wanted]),
            or_(*(and_(jobs.c.status == status, has_work) for status, has_work in wanted)),
        )
        .order_by(case((due > reached, due), else_=reached), client_turn, jobs.c.served, jobs.c.created)
        .limit(CANDIDATES)
    )
    return tuple((row.id, Status(row.status)) for row in connection.execute(statement))


def take_analysis(connection: Connection, job_id: str, now: datetime, until: datetime) -> Lease | None:
    """Lease the job's analysis, if it is still free. The job's version is increased, so that a previous holder whose
    lease ran out cannot save its result."""
    token, before = str(uuid4()), _served(connection, job_id)
    taken = connection.execute(
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.status == Status.ANALYSING, _free(jobs, now, until))
        .values(
            token=token,
            leased_until=until,
            vanished=jobs.c.vanished + case((jobs.c.token.is_(None), 0), else_=1),
            served=_turn(now),
            version=jobs.c.version + 1,
        )
    )
    if taken.rowcount == 0:
        return None
    own = jobs.c
    wanted = select(own.failures, own.vanished, own.owner, own.waiting_since, own.not_before, own.trace)
    job = connection.execute(wanted.where(own.id == job_id)).one()
    return Lease(
        job_id=job_id, token=token, partition=None, attempt=job.failures + 1, vanished=job.vanished, owner=job.owner,
        waiting_since=patience_began(job.waiting_since, job.not_before, before, now), trace=job.trace,
    )  # fmt: skip


def take_partition(connection: Connection, job_id: str, now: datetime, until: datetime) -> Lease | None:
    """Lease the job's first free partition, if there still is one; those whose workers died come last."""
    # Read before the partition is locked: another claim changes `served`, but does not shift the wait of a locked
    # partition.
    token, served = str(uuid4()), _served(connection, job_id)
    processing = exists().where(jobs.c.id == job_id, jobs.c.status == Status.PROCESSING)
    free = (
        select(partitions)
        .where(
            partitions.c.job_id == job_id, partitions.c.finished.is_(False), _free(partitions, now, until), processing
        )
        .order_by(partitions.c.deaths, partitions.c.number)  # what has killed workers comes last
        .limit(1)
        .with_for_update(skip_locked=True)  # PostgreSQL; on SQLite this transaction is the only writer
    )
    chosen = connection.execute(free).first()
    if chosen is None:
        return None
    number, vanished, since = chosen.number, chosen.vanished + (chosen.token is not None), chosen.waiting_since
    if now - served > timedelta(seconds=IDLE_SECONDS):
        since = _shift_waits(connection, job_id, served, now).get(number)
    connection.execute(
        update(partitions)
        .where(partitions.c.job_id == job_id, partitions.c.number == number)
        .values(token=token, leased_until=until, claims=chosen.claims + 1, vanished=vanished)
    )
    connection.execute(update(jobs).where(jobs.c.id == job_id).values(served=_turn(now)))
    payload = connection.execute(
        select(payloads.c.features).where(payloads.c.job_id == job_id, payloads.c.number == number)
    ).scalar_one()
    partition = Partition(number=number, features=_features(payload), round=chosen.round, again=chosen.claims > 0)
    return Lease(
        job_id=job_id, token=token, partition=partition, attempt=chosen.failures + 1, deaths=chosen.deaths,
        vanished=vanished, waiting_since=since,
    )  # fmt: skip


def _features(payload: bytes) -> Features:
    """The features of a stored partition. Raises DatabaseRefused if the stored bytes are damaged."""
    try:
        with panics_as_errors():
            return unpack(payload)
    except Exception as error:
        raise DatabaseRefused(sentence(error, "A partition cannot be read from the server's database")) from error


def fail_job(connection: Connection, job_id: str, error: str, now: datetime) -> None:
    """Fail a job whose work cannot be claimed, so that it does not keep others waiting."""
    alive = jobs.c.status.in_((Status.ANALYSING, Status.PROCESSING))
    ended = {"status": Status.FAILED.value, "error": error, "last_updated": now, "version": jobs.c.version + 1}
    connection.execute(update(jobs).where(jobs.c.id == job_id, alive).values(ended))


def _free(table: Table, now: datetime, until: datetime) -> ColumnElement[bool]:
    """Whether work may be leased until then: no lease or pause is in effect; one that ends implausibly late, because
    the clock was set back, is ignored."""
    believed = believed_until(now, (until - now).total_seconds())
    lease, pause = table.c.leased_until, table.c.not_before
    return and_(
        or_(table.c.token.is_(None), lease <= now, lease > believed),
        or_(pause.is_(None), pause <= now, pause > believed),
    )


def _has_free_partition(now: datetime, until: datetime) -> ColumnElement[bool]:
    free = _free(partitions, now, until)
    return exists().where(partitions.c.job_id == jobs.c.id, partitions.c.finished.is_(False), free)


def _shift_waits(connection: Connection, job_id: str, served: datetime, now: datetime) -> dict[int, datetime | None]:
    """Move the starts of the waits of the job's partitions so that time in which no runner claimed work does not count;
    returns since when each waits, by number. All at once, since this claim updates `served`, by which later ones would
    find no such gap. Rows locked by another claim are skipped, since two claims that wait for each other's rows would
    deadlock."""
    own = partitions.c
    found: dict[int, datetime | None] = {}
    waiting = select(own.number, own.waiting_since, own.not_before).where(
        own.job_id == job_id, own.waiting_since.is_not(None)
    )
    for number, since, pause in connection.execute(waiting.with_for_update(skip_locked=True)).all():
        found[number] = patience_began(since, pause, served, now)
        if found[number] != since:
            changed = update(partitions).where(own.job_id == job_id, own.number == number)
            connection.execute(changed.values(waiting_since=found[number]))
    return found


def _served(connection: Connection, job_id: str) -> datetime:
    """When work of the job was last claimed."""
    turn = connection.execute(select(jobs.c.served).where(jobs.c.id == job_id)).scalar()
    return EPOCH + (turn or 0) * MICROSECOND


def _turn(now: datetime) -> int:
    return (now - EPOCH) // MICROSECOND
