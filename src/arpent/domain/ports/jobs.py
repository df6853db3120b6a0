"""The ports of jobs: where requests and their work are kept."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from arpent.domain.finding import Finding
from arpent.domain.job import Job, Progress
from arpent.domain.partition import Outcome, Partition
from arpent.domain.request import Request


class SortKey(StrEnum):
    """Orders of the job list (sentinelhub.md 1.2)."""

    CREATED = "created"
    CREATED_DESCENDING = "created:desc"
    STATUS = "status"
    STATUS_DESCENDING = "status:desc"


class JobStore(Protocol):
    """Stores jobs. A job that is read carries its progress, summed over its partitions.

    A job whose row cannot be read comes back as FAILED and `unreadable`, with the reason as its error; other jobs are
    not affected. Every method raises WorldError (transient) when the store does not answer, and DatabaseRefused when it
    refuses a value for good.
    """

    def add(self, job: Job) -> None:
        """Store a new job. Raises Conflict or DatabaseRefused if another job has its id."""

    def get(self, job_id: str) -> Job:
        """The job, with progress. Raises JobNotFound."""

    def list(
        self, owner: str | None, sort: SortKey, offset: int, count: int, most_bytes: int | None = None
    ) -> tuple[Job, ...]:
        """A page of one client's jobs (of all clients' if `owner` is None): `count` jobs from `offset` on, in the order
        of `sort`; fewer, but one, if their stored requests have more than `most_bytes` together. Reads no more rows
        than it returns."""

    def under_way(self, owner: str) -> int:
        """Number of the owner's jobs that a runner works on, or will without being asked again."""

    def save(self, job: Job) -> Job:
        """Store the job if its version is still the stored one; returns it with the next version. Raises Conflict."""

    def findings(self, job_id: str, offset: int, count: int) -> tuple[Finding, ...]:
        """A page of the findings about the job's features, by feature id. Reads no more rows than it returns."""

    def script(self, job_id: str) -> str | None:
        """The text of an evalscript in a bucket as the job's analysis read it. None: it stands in the request, or the
        job was analysed by a version that kept no text, or not at all."""

    def unsettled(self) -> tuple[str, ...]:
        """Ids of the jobs that a runner may have to move on: ANALYSIS_DONE after a START, or PROCESSING without open
        work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to do one piece of work until the lease runs out; then somebody else may take it over."""

    job_id: str
    token: str
    """Unique per claim; only its holder can finish."""
    partition: Partition | None
    """What to process; None: analyse the job."""
    attempt: int
    """1 for the first try. A try that ended with the worker's death is not counted here but in `deaths`."""
    deaths: int = 0
    """How often a worker died that held this work."""
    vanished: int = 0
    """How often the lease ran out or its holder was lost: killed, frozen or cut off."""
    waiting_since: datetime | None = None
    """Since when something it needs is unavailable; None: nothing is missing."""
    request: Request | None = field(default=None, repr=False)
    """The job's parsed request, filled in before the lease travels to a worker, which has no database. May hold
    secrets."""
    trace: str | None = None
    """The HTTP request that the work is done for, as `Trace.text`; of a partition filled in with `request`."""
    owner: str = ""
    """Client id of the job's owner; for a partition it is filled in together with `request`."""


class WorkStore(Protocol):
    """Hands out analyses and partitions by lease.

    Every method raises WorldError (transient) when the store does not answer, and DatabaseRefused when it refuses a
    value for good.
    """

    def claim(
        self,
        now: datetime,
        seconds: float,
        *,
        analyses: bool = True,
        partitions: bool = True,
        but: Collection[str] = (),
    ) -> Lease | None:
        """Lease the next free piece of work for `seconds`, or return None if there is none.

        Work is the analysis of an ANALYSING job (if `analyses`) or an open partition of a PROCESSING job (if
        `partitions`), of any client but those in `but`. Clients take turns, and so do a client's jobs. A lease that ran
        out does not count as a failed attempt. Claiming an analysis changes the job's version. A job whose work cannot
        be read becomes FAILED; the others go on.
        """

    def renew(self, lease: Lease, now: datetime, seconds: float) -> None:
        """Extend the lease to `now` plus `seconds`. Raises LeaseLost."""

    def add(
        self,
        lease: Lease,
        partitions: Iterable[Partition],
        findings: Iterable[Finding],
        script: str | None = None,
    ) -> None:
        """Store the result of a job's analysis, in place of any earlier partitions, findings and script (the text that
        `JobStore.script` returns).

        This need not be atomic, since nobody works on partitions of an ANALYSING job. Raises LeaseLost, also when the
        job is no longer ANALYSING.
        """

    def finish(self, lease: Lease, outcome: Outcome | None) -> Progress:
        """Close the piece of work (an analysis has no outcome), add the outcome's findings to the job's, and return the
        job's progress. Raises LeaseLost."""

    def release(self, lease: Lease, retry_at: datetime | None, *, died: bool = False, lost: bool = False) -> None:
        """Give the work back unfinished. Does nothing if the lease is lost.

        With `retry_at` it can be claimed from then on, and counts as a failed attempt or, if its worker `died`, as a
        death. Without, it can be claimed at once and does not count, except as `vanished` if its holder was `lost`.
        """

    def wait(self, lease: Lease, now: datetime, retry_at: datetime, reason: str) -> None:
        """Give the work back until `retry_at`, because something it needs is unavailable. The job then shows `reason`
        and since when it waits. This counts as a failed attempt of an analysis, but not of a partition. Does nothing if
        the lease is lost."""

    def cut(self, lease: Lease, deaths: int) -> bool:
        """Replace a partition by its two halves, both free at once, each with `deaths` deaths. The job's progress stays
        the same.

        Returns False, and keeps the lease, if cutting leads nowhere: the partition is one feature, or too many parts of
        the same partition are without a result. Raises LeaseLost.
        """

    def reopen(self, job_id: str, version: int | None = None) -> None:
        """Reopen the finished partitions that have failed features, reduced to those features, and delete their
        findings. Open partitions get all their attempts back. Raises Conflict if the job is no longer of this version:
        another runner may have begun it since, and even have ended it. None: of any."""
