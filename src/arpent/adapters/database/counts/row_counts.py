"""Row counts: numbers of a job's rows by outcome, and why rows failed, summed over its partitions by the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    """New values for the count columns of a finished partition. Counts of features that earlier tries finished are
    added to; if there are none, counting starts at 0."""
    before: dict[str, ColumnElement[object]] = {what: partitions.c[f"settled_{what}"] for what in ROWS}
    before["kept"] = func.coalesce(before["kept"], 0)  # an older version counted the others only
    settled = {
        f"settled_{what}": case((partitions.c.done == 0, 0), else_=column) + getattr(outcome.settled, what)
        for what, column in before.items()
    }
    return settled | {f"unsettled_{what}": getattr(outcome.unsettled, what) for what in ROWS}


def reopened(*, known: bool) -> dict[str, object]:
    """New values for the count columns of a partition that is reopened. `known`: only its unsettled features are
    processed again. Otherwise the settled counts become unknown, since it is not recorded which rows belong to which
    feature."""
    gone: dict[str, object] = {f"unsettled_{what}": 0 for what in ROWS}
    return gone if known else gone | {f"settled_{what}": None for what in ROWS}


def forget_reasons(connection: Connection, job_id: str, number: int, *, known: bool) -> None:
    """Delete the stored reasons of a partition that is reopened; `known` as for `reopened`."""
    mine = and_(reasons.c.job_id == job_id, reasons.c.partition == number)
    connection.execute(delete(reasons).where(mine, reasons.c.settled.is_(False) if known else mine))


def note_reasons(connection: Connection, lease: Lease, outcome: Outcome) -> None:
    """Store why rows of a partition failed."""
    if lease.partition is None:
        return
    rows = [
        {
            "job_id": lease.job_id,
            "partition": lease.partition.number,
            "round": lease.partition.round,
            "settled": settled,
            "reason": reason,
            "count": count,
        }
        for settled, counts in ((True, outcome.settled), (False, outcome.unsettled))
        for reason, count in counts.reasons
    ]
    if rows:
        connection.execute(insert_or_replace(connection, reasons), rows)


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
    """The counts in a row selected with `sums`, without reasons; None if a finished partition has no counts."""
    if getattr(row, UNKNOWN):
        return None
    numbers, masked, absent, failed, kept = (int(getattr(row, f"rows_{what}")) for what in ROWS)
    return RowCounts(numbers=numbers, masked=masked, absent=absent, failed=failed, kept=kept)


def with_reasons(connection: Connection, found: Mapping[str, Progress]) -> dict[str, Progress]:
    """The progress of jobs by id, with the commonest reasons of their failed rows."""
    counted = {job_id: progress.rows for job_id, progress in found.items() if progress.rows is not None}
    commonest = _commonest(connection, [job_id for job_id, rows in counted.items() if rows.failed])
    return {
        job_id: replace(progress, rows=replace(counted[job_id], reasons=tuple(commonest[job_id])))
        if job_id in commonest
        else progress
        for job_id, progress in found.items()
    }


def _commonest(connection: Connection, job_ids: Sequence[str]) -> dict[str, list[tuple[str, int]]]:
    """Job id → its MOST_REASONS commonest reasons and their counts, the commonest first, by one query."""
    if not job_ids:
        return {}
    total = func.sum(reasons.c.count)
    place = func.row_number().over(partition_by=reasons.c.job_id, order_by=(total.desc(), reasons.c.reason))
    sums = (
        select(reasons.c.job_id, reasons.c.reason, total.label("total"), place.label("place"))
        .where(reasons.c.job_id.in_(job_ids))
        .group_by(reasons.c.job_id, reasons.c.reason)
        .subquery()
    )
    commonest: dict[str, list[tuple[str, int]]] = {}
    for row in connection.execute(select(sums).where(sums.c.place <= MOST_REASONS).order_by(sums.c.place)):
        commonest.setdefault(row.job_id, []).append((row.reason, int(row.total)))
    return commonest
