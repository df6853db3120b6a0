"""Tables: jobs with their partitions and findings, which the two stores share behind one lock."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import RLock
from uuid import uuid4

from arpent.domain.feature import Features
from arpent.domain.finding import Finding
from arpent.domain.job import NO_ROWS, Job, Progress, RowCounts, Status
from arpent.jobs.throughput import WINDOWS, Ended, features_per_second

NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True, kw_only=True)
class Claimable:
    """What can be leased: a partition, or the analysis of a job."""

    token: str | None = None
    """Token of the holder, or of the last holder that did not give it back; None if there is none."""
    leased_until: datetime = NEVER
    """When the lease ends."""
    not_before: datetime = NEVER
    """Earliest time of the next try."""
    failures: int = 0
    """Number of failed attempts."""
    waiting_since: datetime | None = None
    """Since when it has been waiting for something unavailable; None: it is not waiting."""
    vanished: int = 0
    """Number of holders whose lease ran out."""

    def is_free(self, now: datetime, believed: datetime) -> bool:
        """Whether it can be claimed; `believed`: a lease or pause that ends later is ignored."""
        held = self.token is not None and now < self.leased_until <= believed
        return not held and not now < self.not_before <= believed

    def take(self, until: datetime) -> str:
        """Lease it until then; returns the new token."""
        self.vanished += self.token is not None
        self.token, self.leased_until = str(uuid4()), until
        return self.token


@dataclass(slots=True, kw_only=True)
class PartitionRow(Claimable):
    """A partition and its outcome."""

    number: int
    """From 0, unique in the job."""
    features: Features
    """Features to process; after a retry or a cut fewer than `size`."""
    size: int
    """Number of features that it adds to the job's total."""
    done: int = 0
    failed: int = 0
    incomplete: int = 0
    settled: RowCounts | None = NO_ROWS
    """Rows of the features that START does not try again; None: unknown."""
    unsettled: RowCounts = NO_ROWS
    """Rows of the other features."""
    processing_units: float = 0.0
    finished: bool = False
    finished_at: datetime = NEVER
    """When it was last finished, …"""
    handled: int = 0
    """… how many features that try handled …"""
    seconds: float = 0.0
    """… and its seconds of work."""
    deaths: int = 0
    """Number of workers that died of it."""
    cut_from: int | None = None
    """Number of the partition that it is a part of."""
    claims: int = 0
    """How often it was claimed."""
    round: int = 0
    """How often START reopened the job's failed features."""


@dataclass(slots=True, kw_only=True)
class JobRow(Claimable):
    """A job, the lease of its analysis, and its partitions and findings."""

    job: Job
    """The job; its progress is computed by `progress`."""
    served: datetime = NEVER
    """When work of the job was last claimed."""
    partitions: dict[int, PartitionRow] = field(default_factory=dict)
    """Partitions of the job by number."""
    script: str | None = None
    """Text of its evalscript, if that is stored in a bucket, as the analysis read it."""
    findings: dict[tuple[int, str], tuple[Finding, int | None]] = field(default_factory=dict)
    """(feature, kind) → the finding and the partition it comes from; None: from the analysis."""

    def progress(self, now: datetime) -> Progress:
        """Sums over the partitions, with the rate."""
        rows = self.partitions.values()
        open_rows = [row for row in rows if not row.finished]
        progress = Progress(
            features=sum(row.size for row in rows),
            done=sum(row.done for row in rows),
            failed=sum(row.failed for row in rows),
            incomplete=sum(row.incomplete for row in rows),
            rows=_rows(rows),
            partitions=len(rows),
            open=len(open_rows),
            in_hand=sum(row.token is not None and row.leased_until > now for row in open_rows),
            processing_units=sum((row.processing_units for row in rows), 0.0),
        )
        rate = self._rate(now) if open_rows else None
        return progress if rate is None else progress.at_rate(rate, now)

    def _rate(self, now: datetime) -> float | None:
        begun = self.job.begun
        if self.job.status is not Status.PROCESSING or begun is None or begun >= now:
            return None
        age = now - begun
        for window in (min(window, age) for window in WINDOWS):
            rows = [row for row in self.partitions.values() if row.finished_at > now - window]
            ended = Ended(
                partitions=len(rows),
                features=sum(row.handled for row in rows),
                seconds=sum(row.seconds for row in rows),
            )
            if (rate := features_per_second(ended, window, age)) is not None:
                return rate
        return None


def _rows(rows: Iterable[PartitionRow]) -> RowCounts | None:
    """The row counts summed over partitions; None if those of a finished partition are unknown."""
    found = NO_ROWS
    for row in rows:
        if row.settled is None and row.finished:
            return None
        found = found + (row.settled or NO_ROWS) + row.unsettled
    return found


@dataclass(slots=True)
class Tables:
    """All jobs of a process. Hold the lock to read or change a row."""

    rows: dict[str, JobRow] = field(default_factory=dict)
    """Rows by job id."""
    lock: RLock = field(default_factory=RLock)
    """One lock for everything, since nothing here takes long."""
