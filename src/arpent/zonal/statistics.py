"""Statistics: one band of one output, for all features of a partition at once."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from arpent.domain.calculation import Calculation
from arpent.domain.evalscript import SampleType
from arpent.domain.result import BandStatistics
from arpent.zonal.histogram import histogram
from arpent.zonal.reductions import OutsideSample, Segments, moments, pick
from arpent.zonal.sample_type import compact, type_limits


def summarise(
    values: NDArray[np.float64],
    valid: NDArray[np.bool_] | NDArray[np.uint8],
    offsets: NDArray[np.int64],
    *,
    sample_count: NDArray[np.int64],
    calculation: Calculation,
    sample_type: SampleType,
    outside: OutsideSample | None = None,
) -> BandStatistics:
    """The statistics of one band for n features (sentinelhub.md 3.3).

    `values` and `valid` (N,) are what the script returned for the samples inside each polygon; `offsets` (n + 1,)
    delimits the features. `sample_count` (n,) counts all samples of each grid. All samples outside the polygon have the
    value `outside` (None: they are masked), and each of them counts.
    """
    segments = _segments(values, valid, offsets, sample_count=sample_count, sample_type=sample_type, outside=outside)
    counts = segments.counts + segments.weights
    numbers = np.empty((4, len(counts)), np.float64)
    moments(segments.samples, segments.offsets, segments.counts, segments.weights, segments.extra, numbers)
    return BandStatistics(
        minimum=numbers[0],
        maximum=numbers[1],
        mean=numbers[2],
        standard_deviation=numbers[3],
        sample_count=sample_count,
        no_data_count=sample_count - counts,
        percentiles=_percentiles(segments, calculation.percentiles) if calculation.percentiles else None,
        ranks=calculation.percentiles,
        histogram=(
            histogram(calculation.histogram, sample_type, segments, (numbers[0], numbers[1]))
            if calculation.histogram
            else None
        ),
    )


def _segments(
    values: NDArray[np.float64],
    valid: NDArray[np.bool_] | NDArray[np.uint8],
    offsets: NDArray[np.int64],
    *,
    sample_count: NDArray[np.int64],
    sample_type: SampleType,
    outside: OutsideSample | None,
) -> Segments:
    n = len(offsets) - 1
    target = type_limits(sample_type)
    samples = np.empty(len(values), np.float32)
    counts = np.empty(n, np.int64)
    compact(values, _bytes(valid), offsets, target, samples, counts)
    weights, extra = np.zeros(n, np.int64), np.zeros(n, np.float64)
    if outside is not None and outside.valid.any():
        single, valid_outside = np.empty(n, np.float32), np.empty(n, np.int64)
        compact(outside.value, _bytes(outside.valid), np.arange(n + 1), target, single, valid_outside)
        weights = (sample_count - np.diff(offsets)) * valid_outside
        extra = np.where(weights > 0, single, 0.0).astype(np.float64)
    return Segments(samples=samples, offsets=offsets, counts=counts, weights=weights, extra=extra)


def _bytes(mask: NDArray[np.bool_] | NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The mask as uint8, so that kernels are compiled for one type only."""
    return mask.view(np.uint8) if mask.dtype.itemsize == 1 else (mask != 0).view(np.uint8)


def _percentiles(segments: Segments, percentiles: tuple[float, ...]) -> NDArray[np.float64]:
    """(n, k): percentiles in the order asked. Reorders the samples."""
    order = np.argsort(percentiles, kind="stable")
    wanted = ranks(segments.counts + segments.weights, [percentiles[i] for i in order])
    out = np.empty(wanted.shape, np.float64)
    pick(segments.samples, segments.offsets, segments.counts, segments.weights, segments.extra, wanted, out)
    return np.ascontiguousarray(out[:, np.argsort(order)])


LARGEST = 2**62
"""Products up to this number fit int64."""


def ranks(counts: NDArray[np.int64], percentiles: Sequence[float]) -> NDArray[np.int64]:
    """(n, k): 0-based rank `min(n - 1, floor(n * k / 100))` in segments of `counts` (n,) samples (sentinelhub.md 3.3).

    k counts as the decimal number that was written (33.3, not the nearest double), so that 99.9 of 1000 samples is rank
    999, never 998.
    """
    out = np.empty((len(counts), len(percentiles)), np.int64)
    largest = int(counts.max(initial=0))
    for column, k in enumerate(percentiles):
        share = Fraction(repr(float(k))) / 100
        if largest * share.numerator < LARGEST and share.denominator < LARGEST:
            rank = counts * share.numerator // share.denominator
        else:
            rank = np.array([int(n) * share.numerator // share.denominator for n in counts], np.int64)
        out[:, column] = np.clip(rank, 0, np.maximum(counts - 1, 0))  # `pick` trusts them to lie in the segment
    return out
