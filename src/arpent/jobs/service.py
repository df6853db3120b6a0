"""Job service: the operations on jobs that the routes and the command line call: create, get, list, act, findings."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from threading import Lock
from uuid import UUID, uuid4

from arpent.domain.boundary.trace import current_trace
from arpent.domain.errors import Conflict, JobNotFound, RateLimited
from arpent.domain.finding import Finding
from arpent.domain.job import Job, Status, UserAction
from arpent.domain.ports.jobs import JobStore, SortKey
from arpent.domain.request import Request
from arpent.jobs.policy import Policy, Quota
from arpent.jobs.state_machine import ACTIONS, Event, advance
from arpent.wire.request.parse import parse_batch

log = logging.getLogger(__name__)

EVENTS: Mapping[UserAction, Event] = {action: event for event, action in ACTIONS.items()}
"""A user's action → its event in the state machine."""
MOST_LISTED_BYTES = 2_000_000
"""Approximate maximum of bytes of stored requests on one page of a list."""
TRIES = 20
"""Number of attempts to save an action; each fails only if the job was changed by someone else meanwhile."""


class JobService:
    """The jobs of all clients. Each client sees only its own; `owner` None stands for an operator, who sees all."""

    def __init__(
        self,
        jobs: JobStore,
        policy: Policy,
        check: Callable[[str, Request], None],
        now: Callable[[], datetime],
        quota: Callable[[str], Quota] = lambda client: Quota(),
    ) -> None:
        """`check` (client id, request) raises InvalidRequest for faults that depend on the configuration, such as
        unknown collections. `quota` returns a client's quota, which limits how many of its jobs may be under way."""
        self._quota = quota
        self._starting: dict[str, Lock] = {}
        self._jobs = jobs
        self._policy = policy
        self._check = check
        self._now = now

    def create(self, owner: str, body: str, *, checked: bool = False) -> Job:
        """Store a new job for a request given as JSON text, which is kept as submitted. `checked`: the request has
        already been checked. Raises InvalidRequest, naming every wrong field."""
        if not checked:
            self._check(owner, parse_batch(body, owner))
        job = Job(id=str(uuid4()), owner=owner, body=body, created=self._now(), trace=_trace())
        self._jobs.add(job)
        log.info("%s by client %s", job.status, owner, extra={"job": job.id})
        return job

    def get(self, owner: str | None, job_id: str) -> Job:
        """One job. Raises JobNotFound, also for another client's job."""
        try:
            job = self._jobs.get(str(UUID(job_id)))
        except ValueError:
            raise JobNotFound(f"There is no request {job_id!r:.60}: not a UUID") from None
        if owner not in (None, job.owner):
            raise JobNotFound(f"There is no request {job_id}")
        return job

    def script(self, job_id: str) -> str | None:
        """The text of the evalscript that the job's analysis read from a bucket; None if it read none."""
        return self._jobs.script(job_id)

    def list(self, owner: str | None, sort: SortKey, offset: int, count: int) -> tuple[Job, ...]:
        """A page of the jobs: `count` jobs from `offset` on, in the order of `sort`. If their requests are large it
        holds fewer, but at least one, because each request has to be decrypted, parsed and written again."""
        return self._jobs.list(owner, sort, offset, count, MOST_LISTED_BYTES)

    def act(self, owner: str | None, job_id: str, action: UserAction) -> Job:
        """Apply ANALYSE, START or STOP and return the changed job (sentinelhub.md 1.4). Raises JobNotFound,
        ActionNotAllowed if the job's status does not allow the action, or RateLimited if too many of the client's jobs
        are under way."""
        if action is UserAction.STOP:
            return self._act(owner, job_id, action)
        whose = self.get(None, job_id).owner if owner is None else owner
        if self._quota(whose).jobs is None:
            return self._act(owner, job_id, action)
        with self._starting.setdefault(whose, Lock()):  # two calls at once could both take the last place
            return self._act(owner, job_id, action)

    def _act(self, owner: str | None, job_id: str, action: UserAction) -> Job:
        for _ in range(TRIES):
            job = self.get(owner, job_id)
            after = advance(job, EVENTS[action], self._now(), self._policy)
            after = replace(after, trace=_trace() or job.trace)
            self._check_places(job, action)
            try:
                saved = self._jobs.save(after)
                log.info("%s asked of %s, now %s", action, job.status, saved.status, extra={"job": job_id})
                return saved
            except Conflict:
                continue
        raise Conflict(f"Request {job_id} changes too often to be changed; try again")

    def _check_places(self, job: Job, action: UserAction) -> None:
        """Check that the client may have one more job under way. Raises RateLimited, after which the official client
        waits and tries again."""
        limit = self._quota(job.owner).jobs
        begins = job.status is Status.ANALYSIS_DONE and job.user_action is UserAction.START
        counted = begins or job.status in (Status.ANALYSING, Status.PROCESSING)
        if limit is None or action is UserAction.STOP or counted:
            return
        if self._jobs.under_way(job.owner) >= limit:
            raise RateLimited(f"You have {limit} requests under way; start this one when one has ended.", seconds=30.0)

    def findings(self, owner: str | None, job_id: str, offset: int, count: int) -> tuple[Finding, ...]:
        """A page of the validation report, by feature id. Raises JobNotFound."""
        return self._jobs.findings(self.get(owner, job_id).id, offset, count)


def _trace() -> str | None:
    """Trace of the current HTTP request, so that the logs of the runner and its workers can name it."""
    trace = current_trace()
    return None if trace is None else trace.text
