"""Retention: what becomes of jobs that have ended: their secrets go first, later the jobs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import TypeAlias

from cryptography.fernet import Fernet
from sqlalchemy import ColumnElement, Engine, and_, delete, exists, or_, select, update

from arpent.adapters.database.connection import reading, writing
from arpent.adapters.database.keys import seal, unseal
from arpent.adapters.database.schema import jobs, partitions
from arpent.domain.job import Status

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"

SECRET_FIELDS = frozenset({"secretAccessKey", "credentials"})
"""Fields of a request that hold a secret (sentinelhub.md 1.3, 2.1)."""
SCRUBBED = "***"
"""What stands in the place of a secret."""
ENDED = (Status.DONE, Status.FAILED, Status.STOPPED)


def scrub(body: str) -> str:
    """A request's text without its secrets; a text that is no JSON goes altogether."""
    try:
        return json.dumps(_scrubbed(json.loads(body)))
    except ValueError:
        return "{}"


class SqlRetention:
    """The sweep over ended jobs; call it now and then."""

    def __init__(self, engine: Engine, cipher: Fernet | None = None) -> None:
        self._engine = engine
        self._cipher = cipher

    def scrub_final(self, before: datetime) -> int:
        """Takes the secrets out of jobs that cannot be started again and have not changed since; tells how many."""
        some_failed = exists().where(
            partitions.c.job_id == jobs.c.id, partitions.c.failed + partitions.c.incomplete > 0
        )
        final = and_(
            jobs.c.last_updated < before,
            jobs.c.scrubbed.is_(False),
            or_(jobs.c.status == Status.FAILED, and_(jobs.c.status == Status.DONE, ~some_failed)),
        )
        ids = self._ids(final)
        for job_id in ids:
            with writing(self._engine) as connection:
                stored = connection.execute(select(jobs.c.body).where(jobs.c.id == job_id, final)).scalar()
                if stored is not None:
                    body = seal(self._cipher, scrub(unseal(self._cipher, stored)))
                    connection.execute(update(jobs).where(jobs.c.id == job_id).values(body=body, scrubbed=True))
        return len(ids)

    def forget(self, before: datetime) -> int:
        """Deletes jobs that ended and have not changed since, with their partitions and findings; results stay.
        Tells how many."""
        ended = and_(jobs.c.status.in_(ENDED), jobs.c.last_updated < before)
        ids = self._ids(ended)
        for job_id in ids:
            with writing(self._engine) as connection:
                connection.execute(delete(jobs).where(jobs.c.id == job_id, ended))
        return len(ids)

    def _ids(self, condition: ColumnElement[bool]) -> Sequence[str]:
        with reading(self._engine) as connection:
            return connection.scalars(select(jobs.c.id).where(condition)).all()


def _scrubbed(value: Json) -> Json:
    if isinstance(value, dict):
        return {name: SCRUBBED if name in SECRET_FIELDS else _scrubbed(inner) for name, inner in value.items()}
    return [_scrubbed(inner) for inner in value] if isinstance(value, list) else value
