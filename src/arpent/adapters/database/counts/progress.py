"""Progress: sums over a job's partitions, its rate and its expected end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, and_, case, func, select

from arpent.adapters.database.counts.row_counts import counts_of, sums
from arpent.adapters.database.counts.throughput import rates_of
from arpent.adapters.database.schema import partitions
from arpent.domain.job import Progress


def progress_of(connection: Connection, job_ids: Sequence[str], now: datetime) -> Mapping[str, Progress]:
    """Job id → progress; jobs without partitions are left out."""
    is_open = partitions.c.finished.is_(False)
    in_hand = and_(is_open, partitions.c.token.is_not(None), partitions.c.leased_until > now)
    statement = (
        select(
            partitions.c.job_id,
            func.count().label("partitions"),
            func.sum(partitions.c.features).label("features"),
            func.sum(partitions.c.done).label("done"),
            func.sum(partitions.c.failed).label("failed"),
            func.sum(partitions.c.incomplete).label("incomplete"),
            func.sum(partitions.c.processing_units).label("processing_units"),
            func.sum(case((is_open, 1), else_=0)).label("open"),
            func.sum(case((in_hand, 1), else_=0)).label("in_hand"),
            *sums(),
        )
        .where(partitions.c.job_id.in_(job_ids))
        .group_by(partitions.c.job_id)
    )
    found = {
        row.job_id: Progress(
            features=int(row.features),
            done=int(row.done),
            failed=int(row.failed),
            incomplete=int(row.incomplete),
            rows=counts_of(row),
            partitions=int(row.partitions),
            open=int(row.open),
            in_hand=int(row.in_hand),
            processing_units=float(row.processing_units),
        )
        for row in connection.execute(statement)
    }
    rates = rates_of(connection, [job_id for job_id, progress in found.items() if progress.open], now)
    return found | {job_id: found[job_id].at_rate(rate, now) for job_id, rate in rates.items()}
