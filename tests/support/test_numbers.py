"""The oracle's intervals, statistics and histograms against published cases and cases checkable by hand."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.compare import differences
from tests.support.numbers import histogram, intervals_of, statistics
from tests.support.published import Case, one_test_each


def aggregation(start: str, end: str, of: str, **more: str) -> dict[str, Any]:
    return {"timeRange": {"from": start, "to": end}, "aggregationInterval": {"of": of, **more}}


def days(slices: list[Any]) -> list[str]:
    return [f"{low:%m-%d}/{high:%m-%d}" for low, high in slices]


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        ("SKIP", ["06-01/07-01", "07-01/07-31"]),
        ("SHORTEN", ["06-01/07-01", "07-01/07-31", "07-31/08-05"]),
        ("EXTEND", ["06-01/07-01", "07-01/07-31", "07-31/08-30"]),
    ],
)
def test_the_last_interval(last: str, expected: list[str]) -> None:
    wish = aggregation("2020-06-01T00:00:00Z", "2020-08-05T00:00:00Z", "P30D", lastIntervalBehavior=last)
    assert days(intervals_of(wish)) == expected


def test_months_are_counted_from_the_start_and_clamped() -> None:
    wish = aggregation("2023-01-31T00:00:00Z", "2023-04-30T00:00:00Z", "P1M")
    assert days(intervals_of(wish)) == ["01-31/02-28", "02-28/03-31", "03-31/04-30"]


def test_statistics_by_hand() -> None:
    stats = statistics([4.0, 1.0, 3.0, 2.0], 6, [0, 50, 100])
    assert stats["percentiles"] == {"0.0": 1.0, "50.0": 3.0, "100.0": 4.0}
    assert (stats["min"], stats["max"], stats["mean"], stats["stDev"]) == (1.0, 4.0, 2.5, 1.25**0.5)
    assert (stats["sampleCount"], stats["noDataCount"]) == (6, 2)


def test_nothing_valid_is_said_with_strings() -> None:
    assert statistics([], 4, [50]) == {
        "min": "NaN", "max": "NaN", "mean": "NaN", "stDev": "NaN", "sampleCount": 4, "noDataCount": 4
    }  # fmt: skip


def test_bins_are_half_open_but_for_the_last() -> None:
    answer = histogram([0, 1, 1, 2, 3, -1], {"bins": [0, 1, 2]})
    assert answer is not None
    assert [entry["count"] for entry in answer["bins"]] == [1, 3]
    assert (answer["overflowCount"], answer["underflowCount"]) == (1, 1)


def test_one_value_alone_lies_in_the_last_bin() -> None:
    by_count, by_width = histogram([0.5], {"nBins": 3}), histogram([0.5], {"binWidth": 0.1})
    assert by_count is not None
    assert by_width is not None
    assert [entry["count"] for entry in by_count["bins"]] == [0, 0, 1]
    assert by_width["bins"] == [{"lowEdge": 0.5, "highEdge": 0.6, "count": 1}]


@one_test_each("histogram")
def test_published_edges(case: Case) -> None:
    wish = dict(case["input"])
    values = [wish.pop(key) for key in ("dataMin", "dataMax") if key in wish]
    answer = histogram(values, wish)
    assert answer is not None
    edges = [entry["lowEdge"] for entry in answer["bins"]] + [answer["bins"][-1]["highEdge"]]
    assert edges == case["expected"]["edges"]


def test_comparing_sees_values_types_and_keys() -> None:
    assert differences({"a": [1, 2.0]}, {"a": [1, 2.0]}) == []
    assert differences({"mean": 1.0 + 1e-15}, {"mean": 1.0}) == []
    assert differences({"min": 1.0 + 1e-15}, {"min": 1.0}) == ["/min: 1.000000000000001 instead of 1.0"]
    assert differences({"count": 1.0}, {"count": 1}) == ["/count: 1.0 instead of 1"]
    assert differences({"a": 1}, {"b": 1}) == ["/b: missing", "/a: surplus"]
    assert differences([1], [1, 2]) == [": 1 entries instead of 2"]
