"""Job: a stored request with a life: status, last action, progress."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

LONGEST_SECONDS = 10 * 365 * 86_400
"""An end farther away is no date to tell: the job hardly moves."""


class Status(StrEnum):
    """Wire values (sentinelhub.md 1.3); PARTIAL is never a job's status."""

    CREATED = "CREATED"
    ANALYSING = "ANALYSING"
    ANALYSIS_DONE = "ANALYSIS_DONE"
    PROCESSING = "PROCESSING"
    DONE = "DONE"
    FAILED = "FAILED"
    STOPPED = "STOPPED"


ENDED = (Status.DONE, Status.FAILED, Status.STOPPED)
"""Nothing goes on by itself; some of them can be started again."""


class UserAction(StrEnum):
    """The last thing the user asked for."""

    NONE = "NONE"
    ANALYSE = "ANALYSE"
    START = "START"
    STOP = "STOP"


class StopReason(StrEnum):
    """Why a job is STOPPED."""

    USER_ACTION = "USER_ACTION"
    OUT_OF_PU = "OUT_OF_PU"
    UNHEALTHY = "UNHEALTHY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a job is, in features and partitions."""

    features: int = 0
    """All of them."""
    done: int = 0
    """With statistics."""
    failed: int = 0
    """With an error."""
    incomplete: int = 0
    """Of those done: without some intervals, which another try may bring."""
    partitions: int = 0
    """All of them."""
    open: int = 0
    """Partitions that nobody has finished."""
    in_hand: int = 0
    """Partitions under a live lease, counted in `open` too."""
    processing_units: float = 0.0
    """Spent so far."""
    rate: float | None = None
    """Features per second of late; None: nothing is known, or the job is not PROCESSING."""
    end: datetime | None = None
    """When the last feature will be done at this rate; aware, UTC. None: as above, or too far away to tell."""

    @property
    def seconds_left(self) -> float | None:
        """What the rest takes at this rate; None: as above."""
        return (self.features - self.done - self.failed) / self.rate if self.rate else None

    @property
    def percentage(self) -> float:
        """0 to 100; 100 only when every feature is accounted for."""
        return 100.0 * (self.done + self.failed) / self.features if self.features else 0.0

    def at_rate(self, rate: float, now: datetime) -> Progress:
        """The same with this rate, in features per second, and the end that follows from it."""
        told = replace(self, rate=rate)
        seconds = told.seconds_left
        if seconds is None or seconds > LONGEST_SECONDS:
            return told
        return replace(told, end=now + timedelta(seconds=seconds))


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A request with a life. Every save carries the version it was read at."""

    id: str
    """UUID."""
    owner: str
    """Client id of whoever made it."""
    body: str = field(repr=False)
    """The request's JSON text as submitted; may hold secrets, never shown as it is."""
    status: Status = Status.CREATED
    """Where it stands."""
    user_action: UserAction = UserAction.NONE
    """The last action."""
    user_action_updated: datetime | None = None
    """When that was; aware, UTC."""
    created: datetime
    """Aware, UTC."""
    last_updated: datetime | None = None
    """Last change of status or progress; None while CREATED."""
    begun: datetime | None = None
    """Last time that it became PROCESSING; what was finished since tells its rate."""
    error: str | None = None
    """Why it FAILED, for a person."""
    waiting_since: datetime | None = None
    """ANALYSING: since when it waits for something outside; aware, UTC. Kept by the work store, as the next is."""
    waiting_for: str | None = None
    """What it waits for, for a person."""
    unreadable: bool = False
    """Its row cannot be read: it is shown as FAILED, with the reason as its error, whatever it may be."""
    stop_reason: StopReason | None = None
    """Why it is STOPPED."""
    retry: bool = False
    """The next BEGUN opens the partitions with failed features again."""
    progress: Progress = Progress()
    """How far it is; kept by the work store."""
    estimate: Mapping[str, float] = field(default_factory=dict)
    """What the analysis expects: features, intervals, acquisitions, bytes, minutes, processing units."""
    hints: tuple[str, ...] = ()
    """What the analysis found that is allowed, and most likely not meant."""
    version: int = 0
    """Optimistic lock."""
