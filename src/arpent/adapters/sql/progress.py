"""The progress of jobs: sums over their partitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, and_, case, func, select

from arpent.adapters.sql.schema import partitions
from arpent.model.job import Progress


def progress_of(connection: Connection, job_ids: Sequence[str], now: datetime) -> Mapping[str, Progress]:
    """Job id → progress; a job without partitions is not there."""
    is_open = partitions.c.finished.is_(False)
    in_hand = and_(is_open, partitions.c.token.is_not(None), partitions.c.leased_until > now)
    statement = (
        select(
            partitions.c.job_id,
            func.count().label("partitions"),
            func.sum(partitions.c.features).label("features"),
            func.sum(partitions.c.done).label("done"),
            func.sum(partitions.c.failed).label("failed"),
            func.sum(partitions.c.processing_units).label("processing_units"),
            func.sum(case((is_open, 1), else_=0)).label("open"),
            func.sum(case((in_hand, 1), else_=0)).label("in_hand"),
        )
        .where(partitions.c.job_id.in_(job_ids))
        .group_by(partitions.c.job_id)
    )
    return {
        row.job_id: Progress(
            features=int(row.features),
            done=int(row.done),
            failed=int(row.failed),
            partitions=int(row.partitions),
            open=int(row.open),
            in_hand=int(row.in_hand),
            processing_units=float(row.processing_units),
        )
        for row in connection.execute(statement)
    }
