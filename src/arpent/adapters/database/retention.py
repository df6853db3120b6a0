"""Retention: cleans up ended jobs: first deletes their secrets, later the jobs themselves."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

from cryptography.fernet import MultiFernet
from sqlalchemy import ColumnElement, Engine, and_, delete, exists, or_, select, update

from arpent.adapters.database.connection import reading, writing
from arpent.adapters.database.keys import seal, unseal
from arpent.adapters.database.schema import jobs, partitions
from arpent.domain.boundary.unforeseen import panics_as_errors
from arpent.domain.errors import WorldError
from arpent.domain.job import ENDED, Status
from arpent.wire.secrets import forget

log = logging.getLogger(__name__)


class SqlRetention:
    """Cleans up ended jobs; to be called periodically."""

    def __init__(self, engine: Engine, cipher: MultiFernet | None = None) -> None:
        self._engine = engine
        self._cipher = cipher
        self._logged: set[str] = set()

    def scrub_final(self, before: datetime, failed_before: datetime | None = None) -> int:
        """Delete the secrets of jobs that are done, without failed or incomplete features, and unchanged since
        `before`, and of jobs that failed and are unchanged since `failed_before` (default: `before`; later, because
        they may be started again). Returns the number of jobs."""
        some_failed = exists().where(
            partitions.c.job_id == jobs.c.id, partitions.c.failed + partitions.c.incomplete > 0
        )
        failed = and_(jobs.c.status == Status.FAILED, jobs.c.last_updated < (failed_before or before))
        done = and_(jobs.c.status == Status.DONE, jobs.c.last_updated < before, ~some_failed)
        final = and_(jobs.c.scrubbed.is_(False), or_(failed, done))
        return sum(self._each(job_id, partial(self._scrub, job_id, final)) for job_id in self._ids(final))

    def _scrub(self, job_id: str, final: ColumnElement[bool]) -> None:
        with writing(self._engine) as connection:
            stored = connection.execute(select(jobs.c.body).where(jobs.c.id == job_id, final)).scalar()
            if stored is not None:
                body = seal(self._cipher, forget(unseal(self._cipher, stored)))
                # The new version prevents a START by anyone who read the job while it still had its keys.
                changes = {"body": body, "scrubbed": True, "version": jobs.c.version + 1}
                connection.execute(update(jobs).where(jobs.c.id == job_id, final).values(changes))

    def forget(self, before: datetime) -> int:
        """Delete jobs that ended and are unchanged since `before`, with their partitions and findings; results stay.
        Returns their number."""
        ended = and_(jobs.c.status.in_(ENDED), jobs.c.last_updated < before)
        return sum(self._each(job_id, partial(self._forget, job_id, ended)) for job_id in self._ids(ended))

    def _forget(self, job_id: str, ended: ColumnElement[bool]) -> None:
        with writing(self._engine) as connection:
            connection.execute(delete(jobs).where(jobs.c.id == job_id, ended))

    def _each(self, job_id: str, action: Callable[[], None]) -> bool:
        """Perform the action for one job; returns whether it succeeded. A failure is logged once per job. Raises
        WorldError when the database does not answer, because then every job would fail."""
        try:
            with panics_as_errors():
                action()
        except Exception as error:
            if isinstance(error, WorldError) and error.transient:
                raise
            if job_id not in self._logged:
                self._logged.add(job_id)
                log.error("The cleanup skips a request: %s", error, exc_info=error, extra={"job": job_id})
            return False
        return True

    def _ids(self, condition: ColumnElement[bool]) -> Sequence[str]:
        with reading(self._engine) as connection:
            return connection.scalars(select(jobs.c.id).where(condition)).all()
