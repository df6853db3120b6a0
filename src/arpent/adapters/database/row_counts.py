"""Row counts: what the rows of a job came to, added up over its partitions by the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy import ColumnElement, Connection, Row, and_, case, delete, func, select

from arpent.adapters.database.schema import ROWS, partitions, reasons
from arpent.adapters.database.upsert import insert_or_replace
from arpent.domain.job import MOST_REASONS, Progress, RowCounts
from arpent.domain.partition import Outcome
from arpent.domain.ports.jobs import Lease

UNKNOWN = "uncounted"
"""Label of the number of finished partitions without counts."""


def values_of(outcome: Outcome) -> dict[str, object]:
    """New values of a finished partition's columns. What was kept of earlier tries is added to; where nothing was kept,
    counting begins anew."""
    kept = {what: partitions.c[f"settled_{what}"] for what in ROWS}
    settled = {
        f"settled_{what}": case((partitions.c.done == 0, 0), else_=column) + getattr(outcome.settled, what)
        for what, column in kept.items()
    }
    return settled | {f"unsettled_{what}": getattr(outcome.unsettled, what) for what in ROWS}


def reopened(*, known: bool) -> dict[str, object]:
    """New values when the unsettled features are taken up again; `known`: only they are. If others are too, nobody
    knows which rows are theirs."""
    gone: dict[str, object] = {f"unsettled_{what}": 0 for what in ROWS}
    return gone if known else gone | {f"settled_{what}": None for what in ROWS}


def forget_reasons(connection: Connection, job_id: str, number: int, *, known: bool) -> None:
    """Delete the reasons of a partition that is reopened; as `reopened`."""
    mine = and_(reasons.c.job_id == job_id, reasons.c.partition == number)
    connection.execute(delete(reasons).where(mine, reasons.c.settled.is_(False) if known else mine))


def note_reasons(connection: Connection, lease: Lease, outcome: Outcome) -> None:
    """Store why rows of a partition failed."""
    if lease.partition is None:
        return
    told = [
        {
            "job_id": lease.job_id,
            "partition": lease.partition.number,
            "round": lease.partition.round,
            "settled": settled,
            "reason": reason,
            "count": count,
        }
        for settled, rows in ((True, outcome.settled), (False, outcome.unsettled))
        for reason, count in rows.reasons
    ]
    if told:
        connection.execute(insert_or_replace(connection, reasons), told)


def sums() -> list[ColumnElement[object]]:
    """Columns of a SELECT over partitions, grouped by job; `counts_of` reads them."""
    columns = ((partitions.c[f"settled_{what}"], partitions.c[f"unsettled_{what}"]) for what in ROWS)
    both = [func.sum(func.coalesce(one, 0) + func.coalesce(other, 0)) for one, other in columns]
    uncounted = and_(partitions.c.finished.is_(True), partitions.c.settled_numbers.is_(None))
    return [
        *(total.label(f"rows_{what}") for what, total in zip(ROWS, both, strict=True)),
        func.sum(case((uncounted, 1), else_=0)).label(UNKNOWN),
    ]


def counts_of(row: Row[tuple[object, ...]]) -> RowCounts | None:
    """The counts without reasons; None if a partition has none."""
    if getattr(row, UNKNOWN):
        return None
    numbers, masked, absent, failed = (int(getattr(row, f"rows_{what}")) for what in ROWS)
    return RowCounts(numbers=numbers, masked=masked, absent=absent, failed=failed)


def with_reasons(connection: Connection, found: Mapping[str, Progress]) -> dict[str, Progress]:
    """The progress of jobs by id, with the commonest reasons of their failed rows."""
    return {
        job_id: replace(progress, rows=replace(progress.rows, reasons=_reasons(connection, job_id)))
        if progress.rows is not None and progress.rows.failed
        else progress
        for job_id, progress in found.items()
    }


def _reasons(connection: Connection, job_id: str) -> tuple[tuple[str, int], ...]:
    total = func.sum(reasons.c.count)
    commonest = connection.execute(
        select(reasons.c.reason, total)
        .where(reasons.c.job_id == job_id)
        .group_by(reasons.c.reason)
        .order_by(total.desc(), reasons.c.reason)
        .limit(MOST_REASONS)
    )
    return tuple((row[0], int(row[1])) for row in commonest)
