"""What the routes and the command line call: create, get, list, act, findings."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from uuid import UUID, uuid4

from arpent.domain.errors import Conflict, JobNotFound
from arpent.domain.finding import Finding
from arpent.domain.job import Job, UserAction
from arpent.domain.ports.jobs import JobStore, SortKey
from arpent.domain.request import Request
from arpent.jobs.policy import Policy
from arpent.jobs.state_machine import ACTIONS, Event, advance
from arpent.wire.request.parse import parse_batch

log = logging.getLogger(__name__)

EVENTS: Mapping[UserAction, Event] = {action: event for event, action in ACTIONS.items()}
"""What each action of a user is to the state machine."""
TRIES = 20
"""Saves of an action before giving up; each failure means that somebody else succeeded."""


class JobService:
    """The jobs of all clients; each sees only its own."""

    def __init__(
        self, jobs: JobStore, policy: Policy, check: Callable[[Request], None], now: Callable[[], datetime]
    ) -> None:
        """`check` raises InvalidRequest for what only the configuration knows, such as unknown collections."""
        self._jobs = jobs
        self._policy = policy
        self._check = check
        self._now = now

    def create(self, owner: str, body: str, *, checked: bool = False) -> Job:
        """A new job from a request's JSON text, kept as submitted. `checked`: somebody has found nothing wrong with it.
        Raises InvalidRequest."""
        if not checked:
            self._check(parse_batch(body))
        job = Job(id=str(uuid4()), owner=owner, body=body, created=self._now())
        self._jobs.add(job)
        log.info("%s by client %s", job.status, owner, extra={"job": job.id})
        return job

    def get(self, owner: str, job_id: str) -> Job:
        """One job. Raises JobNotFound, for somebody else's job too."""
        try:
            job = self._jobs.get(str(UUID(job_id)))
        except ValueError:
            raise JobNotFound(f"There is no request {job_id!r:.60}: not a UUID") from None
        if job.owner != owner:
            raise JobNotFound(f"There is no request {job_id}")
        return job

    def list(self, owner: str, sort: SortKey, offset: int, count: int) -> tuple[Job, ...]:
        """A page of the client's jobs."""
        return self._jobs.list(owner, sort, offset, count)

    def act(self, owner: str, job_id: str, action: UserAction) -> Job:
        """ANALYSE, START or STOP (sentinelhub.md 1.4). Raises JobNotFound, ActionNotAllowed."""
        for _ in range(TRIES):
            job = self.get(owner, job_id)
            after = advance(job, EVENTS[action], self._now(), self._policy)
            try:
                saved = self._jobs.save(after)
                log.info("%s asked of %s, now %s", action, job.status, saved.status, extra={"job": job_id})
                return saved
            except Conflict:
                continue
        raise Conflict(f"Request {job_id} changes too often to be changed; try again")

    def findings(self, owner: str, job_id: str, offset: int, count: int) -> tuple[Finding, ...]:
        """A page of the validation report. Raises JobNotFound."""
        return self._jobs.findings(self.get(owner, job_id).id, offset, count)
