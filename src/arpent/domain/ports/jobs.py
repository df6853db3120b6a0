"""The ports of jobs: where requests, their work and their clients are kept."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from arpent.domain.finding import Finding
from arpent.domain.job import Job, Progress
from arpent.domain.partition import Outcome, Partition


class SortKey(StrEnum):
    """Orders of the job list (sentinelhub.md 1.2)."""

    CREATED = "created"
    CREATED_DESCENDING = "created:desc"
    STATUS = "status"
    STATUS_DESCENDING = "status:desc"


class JobStore(Protocol):
    """Jobs, as values. A job read back carries its progress, summed over its partitions. One whose row cannot be read
    comes back as FAILED, `unreadable`, with the reason: it costs nobody else's job anything."""

    def add(self, job: Job) -> None:
        """Store a new job."""

    def get(self, job_id: str) -> Job:
        """The job, with progress. Raises JobNotFound."""

    def list(self, owner: str | None, sort: SortKey, offset: int, count: int) -> tuple[Job, ...]:
        """A page of one client's jobs, of which it reads no more than it returns; None: of everybody's, for the
        operator."""

    def save(self, job: Job) -> Job:
        """Store the job if its version is still the stored one; returns it with the next version. Raises Conflict."""

    def findings(self, job_id: str, offset: int, count: int) -> tuple[Finding, ...]:
        """A page of what is known of the job's features, by feature id; reads no more than it returns."""

    def unsettled(self) -> tuple[str, ...]:
        """Ids of the jobs a runner may have to move on: ANALYSIS_DONE with a START, PROCESSING without open work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to do one piece of work until somebody may take it over."""

    job_id: str
    token: str
    """Unique per claim; only its holder can finish."""
    partition: Partition | None
    """What to process; None: analyse the job."""
    attempt: int
    """1 for the first try; one that ended with the worker's death is not counted."""
    deaths: int = 0
    """How often the worker that had it died."""
    vanished: int = 0
    """How often nobody gave it back in time, or whoever had it was lost: killed, frozen or cut off."""
    waiting_since: datetime | None = None
    """Since when what it needs is not to be had; None: it was not missed yet."""
    body: str = field(default="", repr=False)
    """The job's request, put in before the lease travels to a worker, which knows no database; may hold secrets."""
    owner: str = ""
    """The job's client; of a partition, put in with it."""


class WorkStore(Protocol):
    """Analyses and partitions, handed out by lease."""

    def claim(
        self,
        now: datetime,
        seconds: float,
        *,
        analyses: bool = True,
        partitions: bool = True,
        but: Collection[str] = (),
    ) -> Lease | None:
        """The next free piece of work: an ANALYSING job, or an open partition of a PROCESSING job, if wanted, and of
        none of the clients `but`; clients take turns, and each client's jobs. A lease that ran out is no failed
        attempt. Claiming an analysis changes the job's version. A job whose work cannot be read back becomes FAILED,
        and the others go on."""

    def renew(self, lease: Lease, now: datetime, seconds: float) -> None:
        """Hold it longer. Raises LeaseLost."""

    def add(self, lease: Lease, partitions: Iterable[Partition], findings: Iterable[Finding]) -> None:
        """Replace the job's partitions and findings: the result of its analysis. Not atomic, and need not be: nobody
        works on partitions of an ANALYSING job. Raises LeaseLost, also when the job is no longer ANALYSING."""

    def finish(self, lease: Lease, outcome: Outcome | None) -> Progress:
        """Close the piece of work (analysis: no outcome) and tell the job's progress; the outcome's findings are
        added to the job's. Raises LeaseLost."""

    def release(self, lease: Lease, retry_at: datetime | None, *, died: bool = False, lost: bool = False) -> None:
        """Give it back unfinished, not to be claimed before `retry_at`, which makes it a failed attempt, or, if its
        worker `died`, a death; None: at once, and not counted, or, if whoever had it was `lost`, as `vanished`. A lost
        lease is no error."""

    def wait(self, lease: Lease, now: datetime, retry_at: datetime, reason: str) -> None:
        """Give it back until `retry_at`, for what it needs is not to be had; the job tells `reason`, and since when it
        waits. For an analysis that is a failed attempt, for a partition none. A lost lease is no error."""

    def cut(self, lease: Lease, deaths: int) -> bool:
        """Give a partition back as two halves, each with so many deaths on its account, free at once; no sum of the
        job's progress changes. False, and it is still held, if that leads nowhere: it is one feature, or too many
        parts of the same partition have no result. Raises LeaseLost."""

    def reopen(self, job_id: str) -> None:
        """Open the finished partitions with failed features again, reduced to those; their findings go. Open ones
        have all their attempts again."""


class ClientStore(Protocol):
    """OAuth2 clients; secrets are stored hashed."""

    def add(self, name: str) -> tuple[str, str]:
        """A new client: (client id, secret). The secret cannot be read again."""

    def verify(self, client_id: str, secret: str) -> bool:
        """Whether this is the client's secret; constant time."""
