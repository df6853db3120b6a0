"""Scatter: results of some features, extended to all features of a partition."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from arpent.domain.result import BandStatistics, HistogramCounts, IntervalResult

T = TypeVar("T", bound=np.generic)


def scatter_to_partition(result: IntervalResult, rows: NDArray[np.intp], count: int) -> IntervalResult:
    """The result for `count` features, where `rows` (ascending) are those of the given result; the others are not
    present."""
    used = result.used
    return replace(
        result,
        present=_over(result.present, rows, count),
        outputs={
            output: {band: _statistics(statistics, rows, count) for band, statistics in bands.items()}
            for output, bands in result.outputs.items()
        },
        failures={int(rows[row]): failure for row, failure in result.failures.items()},
        used=None if used is None else _over(used.T, rows, count).T,
    )


def _statistics(statistics: BandStatistics, rows: NDArray[np.intp], count: int) -> BandStatistics:
    histogram = statistics.histogram
    return replace(
        statistics,
        minimum=_over(statistics.minimum, rows, count),
        maximum=_over(statistics.maximum, rows, count),
        mean=_over(statistics.mean, rows, count),
        standard_deviation=_over(statistics.standard_deviation, rows, count),
        sample_count=_over(statistics.sample_count, rows, count),
        no_data_count=_over(statistics.no_data_count, rows, count),
        percentiles=None if statistics.percentiles is None else _over(statistics.percentiles, rows, count),
        histogram=None if histogram is None else _histogram(histogram, rows, count),
    )


def _histogram(histogram: HistogramCounts, rows: NDArray[np.intp], count: int) -> HistogramCounts:
    shared = histogram.edge_offsets is None
    return replace(
        histogram,
        counts=_over(histogram.counts, rows, count) if shared else histogram.counts,
        edge_offsets=_offsets(histogram.edge_offsets, rows, count),
        count_offsets=_offsets(histogram.count_offsets, rows, count),
        underflow=_over(histogram.underflow, rows, count),
        overflow=_over(histogram.overflow, rows, count),
    )


def _offsets(offsets: NDArray[np.int64] | None, rows: NDArray[np.intp], count: int) -> NDArray[np.int64] | None:
    """Offsets for all features. Rows ascend, so that flat values keep their order and only the slices move."""
    if offsets is None:
        return None
    return np.concatenate(([0], np.cumsum(_over(np.diff(offsets), rows, count))))


def _over(values: NDArray[T], rows: NDArray[np.intp], count: int) -> NDArray[T]:
    wide = np.zeros((count, *values.shape[1:]), values.dtype)
    wide[rows] = values
    return wide
