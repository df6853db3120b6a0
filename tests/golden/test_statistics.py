"""Published statistics of the real service (sentinelhub.md 3.2, 3.3)."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import numpy as np
import pytest

from arpent.domain.calculation import Calculation, Histogram
from arpent.domain.evalscript import SampleType
from arpent.domain.interval import Interval
from arpent.domain.result import BandStatistics, IntervalResult, PartitionResult
from arpent.wire.result.render import render_results
from arpent.zonal.statistics import summarise
from tests.support.published import Case, one_test_each
from tests.support.results import features

NAMES = {"min": "minimum", "max": "maximum", "mean": "mean", "stDev": "standard_deviation"}


def of(values: list[float], valid: bool = True, calculation: Calculation = Calculation()) -> BandStatistics:  # noqa: B008
    return summarise(
        np.array(values),
        np.full(len(values), valid),
        np.array([0, len(values)]),
        sample_count=np.array([len(values)]),
        calculation=calculation,
        sample_type=SampleType.FLOAT32,
    )


@one_test_each("stats")
def test_statistics(case: Case):
    counts = case["input"].get("values", {"7": case["input"].get("nValid")})
    found = of([float(value) for value, count in counts.items() for _ in range(count)])
    for name, attribute in NAMES.items():
        if name in case["expected"]:
            assert getattr(found, attribute)[0] == pytest.approx(case["expected"][name], rel=1e-13)
    assert found.sample_count.tolist() == [case["expected"].get("sampleCount", sum(counts.values()))]


@one_test_each("stats_json")
def test_nothing_valid(case: Case):
    wish = Calculation(
        percentiles=tuple(case["input"]["percentilesRequested"]),
        histogram=Histogram(bin_count=2, low_edge=-1.0, high_edge=1.0),
    )
    band = of([0.0] * case["input"]["sampleCount"], valid=False, calculation=wish)
    interval = IntervalResult(
        interval=Interval(start=datetime(2020, 6, 1, tzinfo=UTC), end=datetime(2020, 6, 2, tzinfo=UTC)),
        present=np.array([True]),
        outputs={"default": {"B0": band}},
    )
    result = PartitionResult(features=features(1), intervals=(interval,), geometry_pixel_count=np.array([1]))
    ((_, payload),) = render_results(result)
    entry = json.loads(payload)["response"]["data"][0]["outputs"]["default"]["bands"]["B0"]
    assert entry["stats"] == case["expected"]["stats"]
    assert ("percentiles" in entry["stats"]) is case["expected"]["percentilesKeyPresent"]
    assert [one["count"] for one in entry["histogram"]["bins"]] == [0, 0]
    assert (entry["histogram"]["overflowCount"], entry["histogram"]["underflowCount"]) == (0, 0)
