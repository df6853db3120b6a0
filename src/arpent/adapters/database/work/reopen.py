"""Reopen: partitions with features that failed or lack intervals are opened again, reduced to those features."""

from __future__ import annotations

from sqlalchemy import Connection, and_, delete, or_, select, update

from arpent.adapters.database.counts.row_counts import forget_reasons, reopened
from arpent.adapters.database.schema import findings, jobs, partitions, payloads
from arpent.adapters.database.work.payload import pack, unpack
from arpent.domain.errors import Conflict
from arpent.domain.finding import INCOMPLETE, Verdict
from arpent.domain.partition import to_retry

TO_RETRY = or_(findings.c.verdict == Verdict.FAILED, findings.c.kind == INCOMPLETE)
"""`Finding.may_pass` as SQL."""


def reopen(connection: Connection, job_id: str, version: int | None) -> None:
    """Reopen every finished partition with features that failed or lack intervals; a second call finds none. Unfinished
    partitions get all their attempts back. Raises Conflict if the job has another version."""
    worse = partitions.c.failed + partitions.c.incomplete
    unfinished, failed = partitions.c.finished.is_(False), and_(partitions.c.finished.is_(True), worse > 0)
    # PostgreSQL: lock the partitions first, then the job, in the order in which a partition is finished, to avoid
    # deadlocks.
    rows = select(partitions.c.number).where(partitions.c.job_id == job_id, or_(unfinished, failed))
    connection.execute(rows.order_by(partitions.c.number).with_for_update()).all()
    if version is not None:
        same = select(jobs.c.id).where(jobs.c.id == job_id, jobs.c.version == version)
        if connection.execute(same.with_for_update()).first() is None:
            raise Conflict(f"Request {job_id} was changed in the meantime")
    patience = {"failures": 0, "deaths": 0, "vanished": 0, "cut_from": None, "not_before": None, "waiting_since": None}
    connection.execute(update(partitions).where(partitions.c.job_id == job_id, unfinished).values(patience))
    again = select(partitions.c.number, worse).where(partitions.c.job_id == job_id, failed)
    for number, count in connection.execute(again).all():
        _reopen(connection, job_id, number, count)


def _reopen(connection: Connection, job_id: str, number: int, failed: int) -> None:
    payload = (payloads.c.job_id == job_id, payloads.c.number == number)
    features = unpack(connection.execute(select(payloads.c.features).where(*payload)).scalar_one())
    reasons = select(findings.c.feature).where(
        findings.c.job_id == job_id,
        TO_RETRY,
        or_(findings.c.partition == number, findings.c.partition.is_(None)),
    )
    ids = connection.scalars(reasons).all()
    again = to_retry(features, ids, failed)
    connection.execute(update(payloads).where(*payload).values(features=pack(again)))
    connection.execute(
        update(partitions)
        .where(partitions.c.job_id == job_id, partitions.c.number == number)
        .values(
            finished=False,
            failed=0,
            done=partitions.c.features - len(again),
            not_before=None,
            failures=0,
            deaths=0,
            vanished=0,
            cut_from=None,
            incomplete=0,
            round=partitions.c.round + 1,
            **reopened(known=len(again) == failed),
        )
    )
    connection.execute(delete(findings).where(findings.c.job_id == job_id, findings.c.partition == number, TO_RETRY))
    forget_reasons(connection, job_id, number, known=len(again) == failed)
