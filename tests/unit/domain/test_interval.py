"""Intervals: calendar steps, the three ends, half-open slices (sentinelhub.md 2.3)."""

from __future__ import annotations

from itertools import pairwise

import pytest

from arpent.domain.interval import Interval, LastInterval, Period, split
from arpent.domain.interval import iso_seconds as written
from arpent.wire.iso import parse_duration, parse_instant


def cut(start: str, end: str, of: str, last: str = "SKIP") -> list[str]:
    """The starts of all slices and the end of the last; slices must touch."""
    whole = Interval(start=parse_instant(start, ""), end=parse_instant(end, ""))
    slices = split(whole, parse_duration(of, ""), LastInterval(last))
    assert all(one.end == other.start for one, other in pairwise(slices))
    return [written(one.start) for one in slices] + [written(one.end) for one in slices[-1:]]


def days(*names: str) -> list[str]:
    return [f"{name}T00:00:00Z" for name in names]


@pytest.mark.parametrize(
    ("start", "end", "of", "expected"),
    [
        ("2023-01-31", "2023-06-01", "P1M", ["2023-01-31", "2023-02-28", "2023-03-31", "2023-04-30", "2023-05-31"]),
        ("2024-01-30", "2024-04-01", "P1M", ["2024-01-30", "2024-02-29", "2024-03-30"]),
        ("2020-02-29", "2025-03-01", "P1Y", [f"{year}-02-{29 if year % 4 == 0 else 28}" for year in range(2020, 2026)]),
        ("2023-10-31", "2024-03-01", "P2M", ["2023-10-31", "2023-12-31", "2024-02-29"]),
        ("2022-12-31", "2025-01-01", "P1Y6M", ["2022-12-31", "2024-06-30"]),
        ("2024-02-26", "2024-03-11", "P1W", ["2024-02-26", "2024-03-04", "2024-03-11"]),
        ("2024-02-26", "2024-03-16", "P1W2D", ["2024-02-26", "2024-03-06", "2024-03-15"]),
        ("2024-02-28", "2024-03-02", "PT24H", ["2024-02-28", "2024-02-29", "2024-03-01", "2024-03-02"]),
        ("2023-01-31", "2023-04-05", "P1M1D", ["2023-01-31", "2023-03-01", "2023-04-02"]),
    ],
)
def test_calendar_steps_count_from_the_start(start: str, end: str, of: str, expected: list[str]):
    """A month's end does not drift: the 31st comes back after February."""
    assert cut(f"{start}T00:00:00Z", f"{end}T00:00:00Z", of) == days(*expected)


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        ("SKIP", ["2020-06-01", "2020-06-11", "2020-06-21"]),
        ("SHORTEN", ["2020-06-01", "2020-06-11", "2020-06-21", "2020-06-25"]),
        ("EXTEND", ["2020-06-01", "2020-06-11", "2020-06-21", "2020-07-01"]),
    ],
)
def test_the_last_interval(last: str, expected: list[str]):
    assert cut("2020-06-01T00:00:00Z", "2020-06-25T00:00:00Z", "P10D", last) == days(*expected)


def test_an_end_just_before_midnight_loses_the_last_day():
    """The most frequent surprise of the real service, kept (sentinelhub.md 2.3, 8.2)."""
    assert cut("2020-06-01T00:00:00Z", "2020-06-03T23:59:59Z", "P1D") == days("2020-06-01", "2020-06-02", "2020-06-03")
    shortened = cut("2020-06-01T00:00:00Z", "2020-06-03T23:59:59Z", "P1D", "SHORTEN")
    assert shortened[-2:] == ["2020-06-03T00:00:00Z", "2020-06-03T23:59:59Z"]


@pytest.mark.parametrize("last", ["SHORTEN", "EXTEND", "SKIP"])
def test_a_range_that_is_cut_evenly_has_no_rest(last: str):
    assert cut("2020-01-01T00:00:00Z", "2020-03-01T00:00:00Z", "P1M", last) == days(
        "2020-01-01", "2020-02-01", "2020-03-01"
    )


def test_a_range_shorter_than_the_period():
    assert cut("2020-06-01T00:00:00Z", "2020-06-05T00:00:00Z", "P10D") == []
    assert cut("2020-06-01T00:00:00Z", "2020-06-05T00:00:00Z", "P10D", "EXTEND") == days("2020-06-01", "2020-06-11")


def test_offsets_become_utc():
    """Steps are counted in UTC: 31 January in Prague begins on the 30th."""
    assert cut("2019-01-31T14:00:00+01:00", "2019-03-01T00:00:00-05:00", "P1M") == [
        "2019-01-31T13:00:00Z",
        "2019-02-28T13:00:00Z",
    ]


def test_an_acquisition_on_the_border_belongs_to_the_later_interval():
    whole = Interval(start=parse_instant("2020-06-01T00:00:00Z", ""), end=parse_instant("2020-06-03T00:00:00Z", ""))
    first, second = split(whole, Period(span=parse_duration("P1D", "").span), LastInterval.SKIP)
    border = parse_instant("2020-06-02T00:00:00Z", "")
    assert not first.contains(border)
    assert second.contains(border)
    assert not second.contains(second.end)
