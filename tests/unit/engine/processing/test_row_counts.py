"""A row is a feature in an interval; each is counted once, for what it came to."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import shapely
from pyproj import CRS

from arpent.domain.feature import Features
from arpent.domain.interval import Interval
from arpent.domain.job import REASON_LETTERS, RowCounts
from arpent.domain.result import BandStatistics, ErrorType, Failure, IntervalResult, PartitionResult
from arpent.engine.processing.row_counts import count_rows

DAYS = [
    Interval(start=day, end=day + timedelta(days=1))
    for day in (datetime(2023, 6, 1, tzinfo=UTC), datetime(2023, 6, 2, tzinfo=UTC))
]
THROWN = Failure(type=ErrorType.EXECUTION_ERROR, message="it threw")
BROKEN = Failure(type=ErrorType.BAD_REQUEST, message="the polygon crosses itself")
ALL = np.ones(4, bool)


def band(valid: list[int]) -> BandStatistics:
    """A band with so many valid samples, of 9."""
    number = np.zeros(len(valid))
    return BandStatistics(
        minimum=number, maximum=number, mean=number, standard_deviation=number,
        sample_count=np.full(len(valid), 9), no_data_count=9 - np.array(valid),
    )  # fmt: skip


def interval(day: int, present: list[bool], *valid: list[int], **changes: Any) -> IntervalResult:
    outputs = {f"output {number}": {"B0": band(each)} for number, each in enumerate(valid)}
    return IntervalResult(interval=DAYS[day], present=np.array(present), outputs=outputs, **changes)


def result(*intervals: IntervalResult, failures: dict[int, Failure] | None = None) -> PartitionResult:
    features = Features(
        crs=CRS.from_epsg(32633), ids=np.arange(4), identifiers=(None,) * 4, geometries=shapely.box(0, 0, np.ones(4), 1)
    )
    return PartitionResult(
        features=features, intervals=intervals, geometry_pixel_count=np.ones(4, np.int64), failures=failures or {}
    )


def test_each_kind() -> None:
    """Feature 0 has numbers in one band only, 1 is all cloud, 2 failed, 3 has no image; on the second day there is
    nothing at all."""
    one = interval(0, [True, True, True, False], [0, 0, 5, 0], [3, 0, 5, 0], failures={2: THROWN})
    found, rest = count_rows(result(one), {}, 2, ALL)
    assert found == RowCounts(numbers=1, masked=1, absent=5, failed=1, reasons=(("it threw", 1),))
    assert found.total == 8
    assert rest == RowCounts()


def test_features_that_saw_other_scenes_are_counted_together() -> None:
    parts = (
        interval(0, [True, False, False, False], [1, 7, 7, 7]),
        interval(0, [False, True, False, False], [7, 0, 7, 7], failures={1: THROWN}),
        interval(0, [False, True, True, False], [], failures={1: THROWN, 2: BROKEN}),
    )
    parts = (*parts[:2], replace(parts[2], outputs={}))
    found, _ = count_rows(result(*parts), {}, 1, ALL)
    assert (found.numbers, found.masked, found.absent, found.failed) == (1, 0, 1, 2)
    assert sum(count for _, count in found.reasons) == 2


def test_a_feature_that_failed_as_a_whole_lost_all_its_rows() -> None:
    one = interval(0, [True] * 4, [5] * 4, failures={1: THROWN})
    found, _ = count_rows(result(one, failures={0: BROKEN}), {1: replace(BROKEN, message="x" * 999)}, 2, ALL)
    assert (found.numbers, found.absent, found.failed) == (2, 2, 4)
    assert found.reasons == ((BROKEN.message, 2), ("x" * REASON_LETTERS, 2))


def test_what_another_try_may_better_is_counted_apart() -> None:
    settled = np.array([True, False, True, True])
    one = interval(0, [True] * 4, [5, 0, 0, 5], failures={1: THROWN, 3: BROKEN})
    found, again = count_rows(result(one), {}, 2, settled)
    assert found == RowCounts(numbers=1, masked=1, absent=3, failed=1, reasons=((BROKEN.message, 1),))
    assert again == RowCounts(absent=1, failed=1, reasons=(("it threw", 1),))


def test_sums() -> None:
    one = RowCounts(numbers=1, masked=2, absent=3, failed=4, reasons=(("a", 3), ("b", 1)))
    two = RowCounts(failed=3, reasons=(("b", 3),))
    assert one + two == RowCounts(numbers=1, masked=2, absent=3, failed=7, reasons=(("b", 4), ("a", 3)))
