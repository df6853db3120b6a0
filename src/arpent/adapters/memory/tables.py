"""Tables: jobs with their partitions and findings, which the two stores of a process share behind one lock."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import RLock
from uuid import uuid4

from arpent.domain.feature import Features
from arpent.domain.finding import Finding
from arpent.domain.job import Job, Progress, Status
from arpent.jobs.throughput import WINDOWS, Ended, features_per_second

NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True, kw_only=True)
class Claimable:
    """What somebody may hold by a lease: a partition, or the analysis of a job."""

    token: str | None = None
    """Of who holds it, or held it last without giving it back."""
    leased_until: datetime = NEVER
    """When others may have it."""
    not_before: datetime = NEVER
    """When it may be tried again."""
    failures: int = 0
    """Attempts that failed."""
    waiting_since: datetime | None = None
    """Since when what it needs is not to be had."""
    vanished: int = 0
    """Holders that were never heard of again."""

    def is_free(self, now: datetime) -> bool:
        """Whether anybody may have it."""
        return (self.token is None or self.leased_until <= now) and self.not_before <= now

    def take(self, until: datetime) -> str:
        """A new token that holds it."""
        self.vanished += self.token is not None
        self.token, self.leased_until = str(uuid4()), until
        return self.token


@dataclass(slots=True, kw_only=True)
class PartitionRow(Claimable):
    """A partition and what came of it."""

    number: int
    """From 0, unique in the job."""
    features: Features
    """Those to do; after a retry or a cut not all that it counts for."""
    size: int
    """Features that it counts for."""
    done: int = 0
    failed: int = 0
    incomplete: int = 0
    processing_units: float = 0.0
    finished: bool = False
    finished_at: datetime = NEVER
    """When it was finished last, …"""
    handled: int = 0
    """… how many features that brought …"""
    seconds: float = 0.0
    """… and the work in them."""
    deaths: int = 0
    """Workers that died of it."""
    cut_from: int | None = None
    """The partition that it is a part of."""
    claims: int = 0
    """How often it was handed out."""
    round: int = 0
    """How often START took up what had failed."""


@dataclass(slots=True, kw_only=True)
class JobRow(Claimable):
    """A job, the lease of its analysis, and its work."""

    job: Job
    """Its progress is not kept, but told by `progress`."""
    served: datetime = NEVER
    """When it had its last turn."""
    partitions: dict[int, PartitionRow] = field(default_factory=dict)
    """By number."""
    findings: dict[tuple[int, str], tuple[Finding, int | None]] = field(default_factory=dict)
    """(feature, kind) → the finding and the partition it comes from; None: from the analysis."""

    def progress(self, now: datetime) -> Progress:
        """Sums over the partitions, and the pace they tell."""
        rows = self.partitions.values()
        open_rows = [row for row in rows if not row.finished]
        progress = Progress(
            features=sum(row.size for row in rows),
            done=sum(row.done for row in rows),
            failed=sum(row.failed for row in rows),
            incomplete=sum(row.incomplete for row in rows),
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


@dataclass(slots=True)
class Tables:
    """All jobs of a process. Whoever reads or changes a row holds the lock."""

    rows: dict[str, JobRow] = field(default_factory=dict)
    """By the job's id."""
    lock: RLock = field(default_factory=RLock)
    """One for everything: nothing here takes long."""
