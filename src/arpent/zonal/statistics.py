"""Statistics: one band of one output, all features of a partition at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arpent.model.calculation import Calculation
from arpent.model.evalscript import SampleType
from arpent.model.result import BandStatistics
from arpent.zonal.conversion import compact, limits
from arpent.zonal.histogram import histogram
from arpent.zonal.outside import Outside
from arpent.zonal.percentiles import ranks
from arpent.zonal.segments import Segments, moments, pick


def summarise(
    values: NDArray[np.float64],
    valid: NDArray[np.bool_] | NDArray[np.uint8],
    offsets: NDArray[np.int64],
    *,
    sample_count: NDArray[np.int64],
    calculation: Calculation,
    sample_type: SampleType,
    outside: Outside | None = None,
) -> BandStatistics:
    """Everything that one band reports (FACTS 3.3).

    `values` and `valid` (N,) are what the script returned for the samples inside each polygon, `offsets` (n + 1,) cuts
    them by feature; `sample_count` (n,) counts all samples of each grid. The samples outside the polygon all have the
    answer `outside` (None: masked), and count as often as there are.
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
    outside: Outside | None,
) -> Segments:
    n = len(offsets) - 1
    target = limits(sample_type)
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
    """The mask as bytes, so that the kernels are compiled for one type only."""
    return mask.view(np.uint8) if mask.dtype.itemsize == 1 else (mask != 0).view(np.uint8)


def _percentiles(segments: Segments, percentiles: tuple[float, ...]) -> NDArray[np.float64]:
    """(n, k) in the order asked. Reorders the samples."""
    order = np.argsort(percentiles, kind="stable")
    wanted = ranks(segments.counts + segments.weights, [percentiles[i] for i in order])
    out = np.empty(wanted.shape, np.float64)
    pick(segments.samples, segments.offsets, segments.counts, segments.weights, segments.extra, wanted, out)
    return np.ascontiguousarray(out[:, np.argsort(order)])
