"""Job: a stored request with its status, last action and progress."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from arpent.domain.boundary.text import clean

LONGEST_SECONDS = 10 * 365 * 86_400
"""Longest remaining time, in seconds, for which an end date is given: beyond it the date is meaningless."""


class Status(StrEnum):
    """Status of a job as on the wire (sentinelhub.md 1.3). PARTIAL is never used."""

    CREATED = "CREATED"
    ANALYSING = "ANALYSING"
    ANALYSIS_DONE = "ANALYSIS_DONE"
    PROCESSING = "PROCESSING"
    DONE = "DONE"
    FAILED = "FAILED"
    STOPPED = "STOPPED"


ENDED = (Status.DONE, Status.FAILED, Status.STOPPED)
"""Statuses of jobs that have ended; some of these jobs can be started again."""
RESTING = (*ENDED, Status.CREATED)
"""Statuses in which nothing happens until a user acts: the job has ended or has not begun."""


class UserAction(StrEnum):
    """The last action that the user asked for."""

    NONE = "NONE"
    ANALYSE = "ANALYSE"
    START = "START"
    STOP = "STOP"


class StopReason(StrEnum):
    """Why a job is STOPPED."""

    USER_ACTION = "USER_ACTION"
    OUT_OF_PU = "OUT_OF_PU"
    UNHEALTHY = "UNHEALTHY"


MOST_REASONS = 5
"""Maximum number of failure reasons that are counted separately."""
REASON_LETTERS = 200
"""Maximum length of a failure reason, in characters; limited because databases index it."""
_PATH = re.compile(r"\b([a-z][a-z0-9+.-]*://[^/\s]*)/[^\s]*[^\s.,:;!?)'\"]")
"""A URL with a path."""


def row_reason(message: str) -> str:
    """An error message as the reason of failed rows: at most REASON_LETTERS characters, all accepted by databases, with
    the paths of URLs removed, so that rows that differ only in the file or image are counted together."""
    return _PATH.sub(r"\1/…", clean(message))[:REASON_LETTERS]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowCounts:
    """Outcome counts of the rows of some features; a row is one feature in one interval."""

    numbers: int = 0
    """Rows with statistics."""
    masked: int = 0
    """Rows with imagery but without a valid sample: entirely cloudy, or masked for another reason."""
    absent: int = 0
    """Rows that no acquisition covers."""
    failed: int = 0
    """Rows with an error."""
    kept: int = 0
    """Of all these rows, those whose numbers were computed by an earlier request."""
    reasons: tuple[tuple[str, int], ...] = ()
    """The most common error messages, most common first, each with the number of rows that have it. The number is a
    lower bound, since each summand lists only its own most common messages."""

    @property
    def total(self) -> int:
        """Number of rows, whatever their outcome."""
        return self.numbers + self.masked + self.absent + self.failed

    def __add__(self, other: RowCounts) -> RowCounts:
        reasons = Counter(dict(self.reasons)) + Counter(dict(other.reasons))
        return RowCounts(
            numbers=self.numbers + other.numbers,
            masked=self.masked + other.masked,
            absent=self.absent + other.absent,
            failed=self.failed + other.failed,
            kept=self.kept + other.kept,
            reasons=tuple(reasons.most_common(MOST_REASONS)),
        )


NO_ROWS = RowCounts()
"""The counts of no rows at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a job is, in features and partitions."""

    features: int = 0
    """Number of features."""
    done: int = 0
    """Features with statistics."""
    failed: int = 0
    """Features with an error."""
    incomplete: int = 0
    """Of the features done, those that lack intervals that may succeed if processed again."""
    rows: RowCounts | None = NO_ROWS
    """Rows of the features done or failed; None if an older version of arpent did not count them."""
    partitions: int = 0
    """Number of partitions."""
    open: int = 0
    """Partitions that are not finished."""
    in_hand: int = 0
    """Partitions under a valid lease; they are included in `open`."""
    processing_units: float = 0.0
    """Processing units spent so far."""
    rate: float | None = None
    """Features per second recently; None if unknown, or if the job is not PROCESSING."""
    end: datetime | None = None
    """When the last feature will be done at this rate; aware, UTC. None if unknown or more than LONGEST_SECONDS away.
    """

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the remaining features are done at this rate; None if the rate is unknown."""
        return (self.features - self.done - self.failed) / self.rate if self.rate else None

    @property
    def percentage(self) -> float:
        """Percentage of features done or failed, 0 to 100; 100 only if there are no others."""
        return 100.0 * (self.done + self.failed) / self.features if self.features else 0.0

    def at_rate(self, rate: float, now: datetime) -> Progress:
        """This progress with a rate in features per second, and the end that follows from it."""
        measured = replace(self, rate=rate)
        seconds = measured.seconds_left
        if seconds is None or seconds > LONGEST_SECONDS:
            return measured
        return replace(measured, end=now + timedelta(seconds=seconds))


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A stored request and its state."""

    id: str
    """UUID of the job."""
    owner: str
    """Id of the client that created it."""
    body: str = field(repr=False)
    """The request's JSON text as submitted; it may hold secrets, so never show it unchanged."""
    status: Status = Status.CREATED
    """The current status."""
    user_action: UserAction = UserAction.NONE
    """The user's last action."""
    user_action_updated: datetime | None = None
    """When the user asked for that action; aware, UTC."""
    created: datetime
    """When the job was created; aware, UTC."""
    last_updated: datetime | None = None
    """Last change of status or progress; None while CREATED."""
    begun: datetime | None = None
    """When it last became PROCESSING; its rate is measured from then on."""
    error: str | None = None
    """Why the job FAILED, in words; None if it did not."""
    waiting_since: datetime | None = None
    """Since when the job has been waiting for something outside arpent; aware, UTC. The work store maintains this and
    `waiting_for`."""
    waiting_for: str | None = None
    """What the job is waiting for, in words."""
    unreadable: bool = False
    """Whether the job's database row cannot be read. Such a job is shown as FAILED, with the reason as its error."""
    stop_reason: StopReason | None = None
    """Why the job is STOPPED; None if it is not."""
    retry: bool = False
    """Whether the next BEGUN event reopens the partitions with failed features."""
    progress: Progress = Progress()
    """Counts of features and partitions; the work store maintains them."""
    estimate: Mapping[str, float] = field(default_factory=dict)
    """What the analysis expects: features, intervals, acquisitions, bytes, minutes, processing units."""
    trace: str | None = None
    """The HTTP request that the work is done for, as `Trace.text`; None if unknown."""
    hints: tuple[str, ...] = ()
    """Remarks from the analysis about settings that are allowed but probably not intended."""
    version: int = 0
    """Version for optimistic locking: `JobStore.save` compares it with the stored one."""
