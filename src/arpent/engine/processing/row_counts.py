"""Row counts: counts the rows (features times intervals) of a partition that have numbers, no valid sample, no imagery,
or an error."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from arpent.domain.interval import Interval
from arpent.domain.job import MOST_REASONS, RowCounts, row_reason
from arpent.domain.result import Failure, IntervalResult, PartitionResult


@dataclass(slots=True)
class _Interval:
    """The state of n features in one interval, collected from one or more results."""

    valid: NDArray[np.bool_]
    """(n,): whether any sample of any band is valid."""
    present: NDArray[np.bool_]
    """(n,): whether any item reaches the feature."""
    failures: dict[int, Failure] = field(default_factory=dict)
    """Row of a feature → why it has no statistics."""


def count_rows(
    result: PartitionResult, unwritten: Mapping[int, Failure], intervals: int, settled: NDArray[np.bool_]
) -> tuple[RowCounts, RowCounts]:
    """Row counts of the features (n,) that are `settled`, and row counts of the others. `unwritten`: row of a feature →
    why its file could not be written; `intervals`: number of intervals of the request."""
    count = len(result.features)
    whole = {**result.failures, **unwritten}
    alive = np.ones(count, bool)
    alive[list(whole)] = False
    numbers, masked, failed = np.zeros((3, count), np.int64)
    failed[~alive] = intervals
    reasons = [Counter[str](), Counter[str]()]
    for row, failure in whole.items():
        reasons[int(settled[row])][row_reason(failure.message)] += intervals
    for one in _by_interval(result.intervals, count):
        broken = np.zeros(count, bool)
        broken[list(one.failures)] = True
        fine = one.present & ~broken & alive
        numbers += fine & one.valid
        masked += fine & ~one.valid
        failed += broken & alive
        for row, failure in one.failures.items():
            if alive[row]:
                reasons[int(settled[row])][row_reason(failure.message)] += 1
    absent = intervals - numbers - masked - failed
    good, again = (
        RowCounts(
            numbers=int(numbers[chosen].sum()),
            masked=int(masked[chosen].sum()),
            absent=int(absent[chosen].sum()),
            failed=int(failed[chosen].sum()),
            kept=0 if result.kept is None else int(result.kept[chosen & alive].sum()),
            reasons=tuple((+messages).most_common(MOST_REASONS)),
        )
        for chosen, messages in ((settled, reasons[1]), (~settled, reasons[0]))
    )
    return good, again


def _by_interval(results: Iterable[IntervalResult], count: int) -> Iterable[_Interval]:
    found: dict[Interval, _Interval] = {}
    for result in results:
        one = found.setdefault(result.interval, _Interval(np.zeros(count, bool), np.zeros(count, bool)))
        one.present |= result.present
        for bands in result.outputs.values():
            for band in bands.values():
                one.valid |= result.present & (band.sample_count > band.no_data_count)
        one.failures.update(result.failures)
    return found.values()
