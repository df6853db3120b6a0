"""Bisect: a partition that kills its workers is halved until the feature that does it is found."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, func, or_, select, update

from arpent.adapters.database.schema import jobs, partitions, payloads
from arpent.adapters.database.work.payload import pack, unpack
from arpent.domain.partition import MOST_SUSPECTS, halves


def bisect(connection: Connection, job_id: str, number: int, deaths: int) -> bool:
    """Reduce the partition to the first half of its features and free it; the second half becomes a new partition. Both
    start with `deaths` as their number of deaths; the job's totals of features, done and failed do not change.

    Returns False and changes nothing if halving is pointless: the partition has one feature, or MOST_SUSPECTS parts of
    the same original partition have no result. While the job has no result at all, parts of all partitions are counted,
    since a single feature is then hardly the cause.
    """
    # Two runners that cut partitions of a job must not assign the same number twice.
    connection.execute(select(jobs.c.id).where(jobs.c.id == job_id).with_for_update())
    row = (partitions.c.job_id == job_id, partitions.c.number == number)
    payload = (payloads.c.job_id == job_id, payloads.c.number == number)
    features = unpack(connection.execute(select(payloads.c.features).where(*payload)).scalar_one())
    origin, turn = connection.execute(select(partitions.c.cut_from, partitions.c.round).where(*row)).one()
    origin = number if origin is None else origin
    if len(features) < 2 or _suspects(connection, job_id, origin) >= MOST_SUSPECTS:
        return False
    first, second = halves(features)
    fate = {"cut_from": origin, "deaths": deaths, "vanished": 0, "waiting_since": None}
    connection.execute(
        update(partitions)
        .where(*row)
        .values(features=partitions.c.features - len(second), failures=0, token=None, leased_until=None, **fate)
    )
    connection.execute(update(payloads).where(*payload).values(features=pack(first)))
    last = connection.execute(select(func.max(partitions.c.number)).where(partitions.c.job_id == job_id)).scalar_one()
    key = {"job_id": job_id, "number": last + 1}
    connection.execute(partitions.insert(), {**key, "features": len(second), "round": turn, **fate})
    connection.execute(payloads.insert(), {**key, "features": pack(second)})
    return True


def _suspects(connection: Connection, job_id: str, origin: int) -> int:
    """Number of parts without a result that were cut from the partition `origin`, or from any partition while the job
    has no result at all."""
    mine = partitions.c.job_id == job_id
    lived = (mine, partitions.c.finished.is_(True), partitions.c.done > 0)
    family: ColumnElement[bool] = partitions.c.cut_from.is_not(None)
    if connection.execute(select(partitions.c.number).where(*lived).limit(1)).first() is not None:
        family = partitions.c.cut_from == origin
    suspect = or_(partitions.c.finished.is_(False), partitions.c.done == 0)
    return int(connection.execute(select(func.count()).where(mine, family, suspect)).scalar_one())
