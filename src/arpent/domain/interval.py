"""Interval: a slice of time; how a time range is split into intervals, and how instants are formatted."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

YEARS = range(1900, 2201)
"""Years that the instants of a request may lie in: arpent's own limit."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Interval:
    """A half-open interval: an acquisition at `end` belongs to the next one (sentinelhub.md 2.3)."""

    start: datetime
    """First instant inside; aware, UTC."""
    end: datetime
    """First instant after the interval; aware, UTC."""

    def contains(self, instant: datetime) -> bool:
        return self.start <= instant < self.end

    def widened(self, slack: timedelta) -> Interval:
        """The interval, extended by `slack` on both sides."""
        return Interval(start=self.start - slack, end=self.end + slack)

    def intersection(self, other: Interval) -> Interval | None:
        """The common part, or None if there is none."""
        start, end = max(self.start, other.start), min(self.end, other.end)
        return Interval(start=start, end=end) if start < end else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """An ISO 8601 duration, with months separate from units of fixed length."""

    months: int = 0
    """Years and months, as a number of months."""
    span: timedelta = timedelta()
    """Weeks, days, hours, minutes and seconds together."""

    def after(self, start: datetime, count: int) -> datetime:
        """`start` plus `count` periods; the day of the month is clamped (31 January + P1M = 28 February)."""
        month = start.month - 1 + self.months * count
        year, month = start.year + month // 12, month % 12 + 1
        day = min(start.day, calendar.monthrange(year, month)[1])
        return start.replace(year=year, month=month, day=day) + self.span * count


class LastInterval(StrEnum):
    """What happens to a last interval that would pass the end of the range (sentinelhub.md 2.3)."""

    SKIP = "SKIP"
    SHORTEN = "SHORTEN"
    EXTEND = "EXTEND"


def split(whole: Interval, period: Period, last: LastInterval) -> tuple[Interval, ...]:
    """Split `whole` into periods, each counted from the start of the range, so that month ends do not drift.

    An interval fits if it does not end after the range. A range up to `…T23:59:59Z` with P1D therefore loses its last
    day under SKIP, as in the real service (sentinelhub.md 2.3).
    """
    slices: list[Interval] = []
    count = 0
    while (start := period.after(whole.start, count)) < whole.end:
        count += 1
        end = period.after(whole.start, count)
        if end > whole.end:
            if last is LastInterval.SKIP:
                break
            if last is LastInterval.SHORTEN:
                end = whole.end
        slices.append(Interval(start=start, end=end))
    return tuple(slices)


def iso_seconds(moment: datetime) -> str:
    """`2020-06-01T00:00:00Z`: UTC, whole seconds, the format of results and scripts (sentinelhub.md 3.2)."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def iso_microseconds(moment: datetime) -> str:
    """`2022-08-26T08:55:08.962021Z`: UTC, always six decimals, the format of task objects (sentinelhub.md 1.3)."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
