"""The ports of jobs: stores for requests and for the work that they cause."""

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
    """Stores jobs. A job that is read includes its progress, summed over its partitions.

    A job whose row cannot be read is returned as FAILED and `unreadable`, with the reason as its error; other jobs are
    not affected. Every method raises WorldError (transient) if the store does not respond, and DatabaseRefused if it
    permanently rejects a value.
    """

    def add(self, job: Job) -> None:
        """Store a new job. Raises Conflict or DatabaseRefused if another job has its id."""

    def get(self, job_id: str) -> Job:
        """The job, including its progress. Raises JobNotFound."""

    def list(
        self, owner: str | None, sort: SortKey, offset: int, count: int, most_bytes: int | None = None
    ) -> tuple[Job, ...]:
        """A page of one client's jobs, or of all clients' jobs if `owner` is None: `count` jobs from `offset` on, in
        the order of `sort`. If their stored requests exceed `most_bytes` in total, fewer jobs are returned, but at
        least one. Reads no more rows than it returns."""

    def under_way(self, owner: str) -> int:
        """Number of the owner's jobs that a runner is working on, or will work on without further user action."""

    def save(self, job: Job) -> Job:
        """Store the job if its version is still the stored one; returns it with the next version. Raises Conflict."""

    def findings(self, job_id: str, offset: int, count: int) -> tuple[Finding, ...]:
        """A page of the findings about the job's features, by feature id. Reads no more rows than it returns."""

    def script(self, job_id: str) -> str | None:
        """The text of an evalscript in a bucket, as read by the job's analysis. None: the script is part of the
        request, or the job has not been analysed, or it was analysed by a version of arpent that did not keep the text.
        """

    def unsettled(self) -> tuple[str, ...]:
        """Ids of the jobs whose status a runner may have to change: ANALYSIS_DONE after a START, or PROCESSING without
        open work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to do one piece of work until the lease expires; after that, another runner may take it over."""

    job_id: str
    token: str
    """Identifies this claim; only its holder can finish the work."""
    partition: Partition | None
    """What to process; None: analyse the job."""
    attempt: int
    """Number of the attempt, from 1. Attempts that ended with the worker's death are counted in `deaths` instead."""
    deaths: int = 0
    """How many times a worker has died while it held this work."""
    vanished: int = 0
    """How many times the lease has expired or its holder was lost: killed, frozen or disconnected."""
    waiting_since: datetime | None = None
    """Since when something that the work needs has been unavailable; None: nothing is."""
    request: Request | None = field(default=None, repr=False)
    """The job's parsed request, filled in before the lease is sent to a worker, which has no database. It may hold
    secrets."""
    trace: str | None = None
    """The HTTP request that the work is done for, as `Trace.text`; for a partition it is filled in with `request`."""
    owner: str = ""
    """Client id of the job's owner; for a partition it is filled in with `request`."""


class WorkStore(Protocol):
    """Leases analyses and partitions to runners.

    Every method raises WorldError (transient) if the store does not respond, and DatabaseRefused if it permanently
    rejects a value.
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
        `partitions`), of any client except those in `but`. Clients take turns, and so do the jobs of a client. An
        expired lease does not count as a failed attempt. Claiming an analysis changes the job's version. A job whose
        work cannot be read becomes FAILED; other jobs continue.
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
        """Store the result of a job's analysis, replacing any earlier partitions, findings and script (the text that
        `JobStore.script` returns).

        This need not be atomic, since no partition of an ANALYSING job is processed. Raises LeaseLost, also if the job
        is no longer ANALYSING.
        """

    def finish(self, lease: Lease, outcome: Outcome | None) -> Progress:
        """Mark the piece of work as finished (an analysis has no outcome), add the outcome's findings to the job's, and
        return the job's progress. Raises LeaseLost."""

    def release(self, lease: Lease, retry_at: datetime | None, *, died: bool = False, lost: bool = False) -> None:
        """Give the work back unfinished. Does nothing if the lease is lost.

        With `retry_at`, it can be claimed again from then on, and this counts as a failed attempt or, if the worker
        `died`, as a death. Without `retry_at`, it can be claimed at once, and this is not counted, except as `vanished`
        if the holder was `lost`.
        """

    def wait(self, lease: Lease, now: datetime, retry_at: datetime, reason: str) -> None:
        """Give the work back until `retry_at`, because something that it needs is unavailable. The job then shows
        `reason` and since when it has been waiting. This counts as a failed attempt for an analysis, but not for a
        partition. Does nothing if the lease is lost."""

    def cut(self, lease: Lease, deaths: int) -> bool:
        """Replace a partition by its two halves, both of which can be claimed at once and have `deaths` deaths. The
        job's progress stays the same.

        Returns False, and keeps the lease, if halving is pointless: the partition has only one feature, or too many
        parts of the original partition have no result yet. Raises LeaseLost.
        """

    def reopen(self, job_id: str, version: int | None = None) -> None:
        """Reopen the finished partitions that have failed features, reduced to those features, and delete their
        findings. Open partitions get all their attempts back. Raises Conflict if the job no longer has this version:
        another runner may have begun and even finished it since. None: any version is accepted."""
