"""Jobs: JobStore over a database; the request's text is encrypted if there is a cipher."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import accumulate

from cryptography.fernet import MultiFernet
from sqlalchemy import ColumnElement, Connection, Engine, Row, and_, exists, func, or_, select, update

from arpent.adapters.database.clock import clock_of
from arpent.adapters.database.connection import reading, writing
from arpent.adapters.database.counts.progress import progress_of
from arpent.adapters.database.counts.row_counts import with_reasons
from arpent.adapters.database.keys import seal, unseal
from arpent.adapters.database.schema import findings, jobs, partitions, scripts
from arpent.domain.boundary.unforeseen import panics_as_errors, sentence
from arpent.domain.errors import ArpentError, Conflict, JobNotFound
from arpent.domain.finding import Finding, Verdict
from arpent.domain.job import Job, Progress, Status, StopReason, UserAction
from arpent.domain.ports.jobs import SortKey

log = logging.getLogger(__name__)

UNREADABLE = "This request cannot be read from the server's database"
"""Start of the message about a row that is damaged or encrypted with another key."""
ORDERS: Mapping[SortKey, tuple[ColumnElement[object], ...]] = {
    SortKey.CREATED: (jobs.c.created, jobs.c.id),
    SortKey.CREATED_DESCENDING: (jobs.c.created.desc(), jobs.c.id.desc()),
    SortKey.STATUS: (jobs.c.status, jobs.c.created, jobs.c.id),
    SortKey.STATUS_DESCENDING: (jobs.c.status.desc(), jobs.c.created.desc(), jobs.c.id.desc()),
}
"""Sort key → ORDER BY; each is the order of an index of the table, or its reverse."""

HINTS = "hints"
"""Key of the job's hints, stored in the column of the estimate."""


class SqlJobStore:
    """A JobStore over a database."""

    def __init__(
        self,
        engine: Engine,
        cipher: MultiFernet | None = None,
        *,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        self._engine = engine
        self._cipher = cipher
        self._now = now or clock_of(engine)

    def add(self, job: Job) -> None:
        row = {**_columns(job), "id": job.id, "owner": job.owner, "created": job.created, "version": job.version}
        with writing(self._engine) as connection:
            connection.execute(jobs.insert(), {**row, "body": seal(self._cipher, job.body)})

    def get(self, job_id: str) -> Job:
        with reading(self._engine) as connection:
            found = self._read(connection, (job_id,))
        if not found:
            raise JobNotFound(f"There is no request {job_id}")
        return found[job_id]

    def list(
        self, owner: str | None, sort: SortKey, offset: int, count: int, most_bytes: int | None = None
    ) -> tuple[Job, ...]:
        page = select(jobs.c.id).order_by(*ORDERS[sort]).offset(offset).limit(count)
        if owner is not None:
            page = page.where(jobs.c.owner == owner)
        with reading(self._engine) as connection:
            ids = connection.scalars(page).all()
            if most_bytes is not None:
                stored = select(jobs.c.id, func.length(jobs.c.body)).where(jobs.c.id.in_(ids))
                length = {row.id: row[1] for row in connection.execute(stored)}
                sizes = accumulate(length.get(job_id, 0) for job_id in ids)
                ids = ids[: max(1, sum(size <= most_bytes for size in sizes))]
            found = self._read(connection, ids)
        return tuple(found[job_id] for job_id in ids if job_id in found)

    def under_way(self, owner: str) -> int:
        begins = and_(jobs.c.status == Status.ANALYSIS_DONE, jobs.c.user_action == UserAction.START)
        works = jobs.c.status.in_((Status.ANALYSING, Status.PROCESSING))
        with reading(self._engine) as connection:
            statement = select(func.count()).where(jobs.c.owner == owner, or_(works, begins))
            return int(connection.execute(statement).scalar_one())

    def save(self, job: Job) -> Job:
        statement = update(jobs).where(jobs.c.id == job.id, jobs.c.version == job.version)
        with writing(self._engine) as connection:
            saved = connection.execute(statement.values(**_columns(job), version=job.version + 1)).rowcount
            if not saved:
                raise Conflict(f"Request {job.id} was changed in the meantime")
            return self._read(connection, (job.id,))[job.id]

    def findings(self, job_id: str, offset: int, count: int) -> tuple[Finding, ...]:
        page = (
            select(findings)
            .where(findings.c.job_id == job_id)
            .order_by(findings.c.feature, findings.c.kind)
            .offset(offset)
            .limit(count)
        )
        with reading(self._engine) as connection:
            return tuple(_finding(row) for row in connection.execute(page))

    def script(self, job_id: str) -> str | None:
        with reading(self._engine) as connection:
            stored = connection.execute(select(scripts.c.text).where(scripts.c.job_id == job_id)).scalar()
        return None if stored is None else bytes(stored).decode("utf-8", errors="replace")

    def unsettled(self) -> tuple[str, ...]:
        has_work = exists().where(partitions.c.job_id == jobs.c.id, partitions.c.finished.is_(False))
        begin = and_(jobs.c.status == Status.ANALYSIS_DONE, jobs.c.user_action == UserAction.START)
        finish = and_(jobs.c.status == Status.PROCESSING, ~has_work)
        # Redundant, but lets the index by status find the few active jobs among the many that have ended.
        alive = jobs.c.status.in_((Status.ANALYSIS_DONE, Status.PROCESSING))
        with reading(self._engine) as connection:
            return tuple(connection.scalars(select(jobs.c.id).where(alive, or_(begin, finish))).all())

    def _read(self, connection: Connection, job_ids: Sequence[str]) -> dict[str, Job]:
        progress = with_reasons(connection, progress_of(connection, job_ids, self._now()))
        rows = connection.execute(select(jobs).where(jobs.c.id.in_(job_ids)))
        return {row.id: self._job(row, progress.get(row.id, Progress())) for row in rows}

    def _job(self, row: Row[tuple[object, ...]], progress: Progress) -> Job:
        """The job, or a failed placeholder marked `unreadable` if its row cannot be read."""
        try:
            with panics_as_errors():
                return self._readable(row, progress)
        except Exception as error:
            ours, about = isinstance(error, ArpentError), {"job": row.id}
            log.error("A request cannot be read: %s", error, exc_info=not ours, extra=about)
            return Job(
                id=row.id,
                owner=row.owner,
                body="{}",
                status=Status.FAILED,
                created=row.created,
                last_updated=row.last_updated,
                begun=row.begun,
                error=f"{UNREADABLE}: {error}" if ours else sentence(error, UNREADABLE),
                progress=progress,
                version=row.version,
                unreadable=True,
            )

    def _readable(self, row: Row[tuple[object, ...]], progress: Progress) -> Job:
        found = json.loads(row.estimate)
        hints = tuple(found.pop(HINTS, ()))
        if not (_are(found.values(), int, float) and _are(hints, str)):
            raise TypeError("its estimate has an unknown form")
        return Job(
            id=row.id,
            owner=row.owner,
            body=unseal(self._cipher, row.body),
            status=Status(row.status),
            user_action=UserAction(row.user_action),
            user_action_updated=row.user_action_updated,
            created=row.created,
            last_updated=row.last_updated,
            begun=row.begun,
            error=row.error,
            waiting_since=row.waiting_since,
            waiting_for=row.waiting_for,
            stop_reason=StopReason(row.stop_reason) if row.stop_reason else None,
            retry=row.retry,
            progress=progress,
            estimate=found,
            hints=hints,
            trace=row.trace,
            version=row.version,
        )


def _are(values: Iterable[object], *kinds: type) -> bool:
    return all(isinstance(each, kinds) for each in values)


def _columns(job: Job) -> dict[str, object]:
    """The columns that `save` may change."""
    return {
        "status": job.status.value,
        "user_action": job.user_action.value,
        "user_action_updated": job.user_action_updated,
        "last_updated": job.last_updated,
        "begun": job.begun,
        "error": job.error,
        "stop_reason": job.stop_reason.value if job.stop_reason else None,
        "retry": job.retry,
        "trace": job.trace,
        "estimate": json.dumps(dict(job.estimate) | ({HINTS: job.hints} if job.hints else {})),
    }


def _finding(row: Row[tuple[object, ...]]) -> Finding:
    if row.verdict not in set(Verdict):
        message = f"{UNREADABLE}: the finding about this feature"
        return Finding(feature=row.feature, identifier=None, verdict=Verdict.FAILED, kind="unreadable", message=message)
    return Finding(
        feature=row.feature,
        identifier=row.identifier,
        verdict=Verdict(row.verdict),
        kind=row.kind,
        message=row.message,
    )
