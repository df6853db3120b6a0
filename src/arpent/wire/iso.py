"""ISO 8601 instants and durations → Interval and Period (sentinelhub.md 2.3)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from arpent.domain.errors import InvalidRequest
from arpent.domain.interval import YEARS, Interval, Period
from arpent.wire.request.schema import TimeRange

MAXIMUM_INTERVALS = 36_600
"""Maximum number of intervals of one request: a century of days. This is arpent's own limit; that of the real service
is not known."""

_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?(Z|[+-]\d{2}(:?\d{2})?)", re.ASCII)
_DURATION = re.compile(
    r"P(?:(?P<years>\d{1,4})Y)?(?:(?P<months>\d{1,5})M)?(?:(?P<weeks>\d{1,5})W)?(?:(?P<days>\d{1,6})D)?"
    r"(?P<time>T(?:(?P<hours>\d{1,7})H)?(?:(?P<minutes>\d{1,9})M)?(?:(?P<seconds>\d{1,10})S)?)?",
    re.ASCII,
)
_DAY = timedelta(days=1)
_LONGEST = timedelta(days=366 * 1000)


def parse_instant(text: str, parameter: str) -> datetime:
    """An instant written with a time zone, converted to UTC. Raises InvalidRequest, naming `parameter`."""
    example = "write it like 2020-06-01T00:00:00Z"
    if not _INSTANT.fullmatch(text):
        zoned = re.fullmatch(r"\d{4}-\d{2}-\d{2}(T[\d:.]+)?", text) is None
        raise InvalidRequest.at(
            parameter, f"{'is not an ISO 8601 instant' if zoned else 'lacks time or zone'}; {example}"
        )
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidRequest.at(parameter, f"is not a valid date or time; {example}") from None
    if moment.year not in YEARS:
        raise InvalidRequest.at(parameter, f"must lie between the years {YEARS[0]} and {YEARS[-1]}")
    return moment.astimezone(UTC)


def parse_time_range(entry: TimeRange, parameter: str, *, inclusive: bool = False) -> Interval:
    """`from` and `to` as an interval; with `inclusive`, `to` is part of it, as in a `dataFilter`. Raises
    InvalidRequest."""
    start, end = parse_instant(entry.start, f"{parameter}->from"), parse_instant(entry.end, f"{parameter}->to")
    if inclusive:
        end += timedelta(microseconds=1)
    if end <= start:
        raise InvalidRequest.at(f"{parameter}->to", "must be after `from`")
    return Interval(start=start, end=end)


def parse_duration(text: str, parameter: str) -> Period:
    """An ISO 8601 duration of at least one day, with date or time designators but not both. Raises InvalidRequest."""
    found = _DURATION.fullmatch(text)
    numbers = (
        {name: int(digits) for name, digits in found.groupdict().items() if digits and name != "time"} if found else {}
    )
    if found is None or not numbers:
        raise InvalidRequest.at(parameter, "is not an ISO 8601 duration of whole numbers; write P1D, P10D, P1M …")
    clock = found["time"] is not None
    if clock and numbers.keys() & {"years", "months", "weeks", "days"}:
        raise InvalidRequest.at(parameter, "mixes a period and a time (T); use either, as in P1D or PT36H")
    months = numbers.pop("years", 0) * 12 + numbers.pop("months", 0)
    period = Period(months=months, span=timedelta(**numbers))
    shortest = _shortest(period)
    if shortest < _DAY:
        raise InvalidRequest.at(parameter, "must be at least one day, P1D")
    if shortest > _LONGEST:
        raise InvalidRequest.at(parameter, "must be at most a thousand years")
    return period


def check_count(whole: Interval, period: Period, parameter: str) -> None:
    """Refuse a range of more than MAXIMUM_INTERVALS intervals. Raises InvalidRequest, naming `parameter`."""
    count = (whole.end - whole.start) / _shortest(period)
    if count > MAXIMUM_INTERVALS:
        raise InvalidRequest.at(
            parameter, f"cuts the time range into more than {MAXIMUM_INTERVALS} intervals; lengthen it"
        )


def _shortest(period: Period) -> timedelta:
    """Shortest time that a period can last, taking a month as 28 days."""
    return timedelta(days=28 * period.months) + period.span
