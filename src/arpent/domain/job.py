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
"""Longest remaining time that is shown: beyond it an end date says nothing."""


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
"""Statuses in which nothing happens by itself; some jobs can be started again."""
RESTING = (*ENDED, Status.CREATED)
"""Statuses in which nothing happens without a user's action: those, and of what was not begun."""


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
"""Maximum number of reasons of failures that are counted apart."""
REASON_LETTERS = 200
"""Maximum length of such a reason: databases index it."""
_PATH = re.compile(r"\b([a-z][a-z0-9+.-]*://[^/\s]*)/[^\s]*[^\s.,:;!?)'\"]")
"""An address with a path."""


def row_reason(message: str) -> str:
    """The message of an error as the reason of failed rows: at most REASON_LETTERS that a database accepts, addresses
    without their paths, so that rows whose files or images differ count together."""
    return _PATH.sub(r"\1/…", clean(message))[:REASON_LETTERS]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowCounts:
    """What the rows of some features came to; a row is one feature in one interval."""

    numbers: int = 0
    """Rows with a number."""
    masked: int = 0
    """Rows with imagery but without a valid sample: all cloud, or masked otherwise."""
    absent: int = 0
    """Rows that no acquisition reaches."""
    failed: int = 0
    """Rows with an error."""
    kept: int = 0
    """Of these rows: those whose numbers an earlier request computed."""
    reasons: tuple[tuple[str, int], ...] = ()
    """The commonest messages of the errors and how many rows at least have each, the commonest first: parts tell of
    their own commonest only."""

    @property
    def total(self) -> int:
        """Number of rows, whatever they came to."""
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
"""Where there are none."""


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
    """Of the features done: those that lack intervals which another try may bring."""
    rows: RowCounts | None = NO_ROWS
    """Rows of the features done or failed; None if an older version counted none."""
    partitions: int = 0
    """Number of partitions."""
    open: int = 0
    """Partitions that are not finished."""
    in_hand: int = 0
    """Partitions under a live lease; `open` counts them too."""
    processing_units: float = 0.0
    """Processing units spent so far."""
    rate: float | None = None
    """Features per second in the last minutes; None if unknown, or the job is not PROCESSING."""
    end: datetime | None = None
    """When the last feature will be done at this rate; aware, UTC. None if unknown or too far away."""

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the rest is done at this rate; None if unknown or too far away."""
        return (self.features - self.done - self.failed) / self.rate if self.rate else None

    @property
    def percentage(self) -> float:
        """0 to 100; 100 only when every feature is done or failed."""
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
    """A stored request and its state. `save` compares the version that was read."""

    id: str
    """UUID of the job."""
    owner: str
    """Client id of the client that made it."""
    body: str = field(repr=False)
    """The request's JSON text as submitted; may hold secrets, so never show it as it is."""
    status: Status = Status.CREATED
    """The current status."""
    user_action: UserAction = UserAction.NONE
    """The user's last action."""
    user_action_updated: datetime | None = None
    """When the user asked for it; aware, UTC."""
    created: datetime
    """When the job was created; aware, UTC."""
    last_updated: datetime | None = None
    """Last change of status or progress; None while CREATED."""
    begun: datetime | None = None
    """When it last became PROCESSING; its rate is counted from then on."""
    error: str | None = None
    """Why it FAILED, in words; None if it did not."""
    waiting_since: datetime | None = None
    """While ANALYSING: since when it waits for something outside; aware, UTC. The work store keeps this and
    `waiting_for`."""
    waiting_for: str | None = None
    """What it waits for, in words."""
    unreadable: bool = False
    """Whether its row cannot be read. Such a job is shown as FAILED with the reason as its error."""
    stop_reason: StopReason | None = None
    """Why it is STOPPED; None if it is not."""
    retry: bool = False
    """Whether the next BEGUN reopens the partitions with failed features."""
    progress: Progress = Progress()
    """Counts of features and partitions; the work store keeps them."""
    estimate: Mapping[str, float] = field(default_factory=dict)
    """What the analysis expects: features, intervals, acquisitions, bytes, minutes, processing units."""
    trace: str | None = None
    """The HTTP request that its work is done for, as `Trace.text`; None: none is known."""
    hints: tuple[str, ...] = ()
    """Remarks of the analysis: settings that are allowed but most likely not meant."""
    version: int = 0
    """Version for optimistic locking."""
