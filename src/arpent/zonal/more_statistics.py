"""More statistics: those that the real service does not offer: sum, count, variance, median, mode, shares of classes,
weighted mean."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numba import njit
from numpy.typing import NDArray

from arpent.domain.calculation import Calculation, Histogram, share_column
from arpent.domain.result import HistogramCounts
from arpent.zonal.moments import COUNT, SUM, SUM_REST, plus, spread, two_product
from arpent.zonal.reductions import Segments, pick
from arpent.zonal.sample_type import counts_in

FROM_SAMPLES = frozenset({"median", "mode"})
"""Statistics that need the samples themselves and not only sums."""
WEIGHT, WEIGHT_REST, TOTAL, TOTAL_REST, SQUARE, SQUARE_REST = range(6)
"""Rows of an array of weighted sums, each with its rounding error: of weights, weighted samples and weighted squares;
each segment has a column."""


def classes(calculation: Calculation) -> Histogram | None:
    """The histogram that counts each class in its own bin; None if no shares are requested."""
    if not calculation.shares:
        return None
    values = sorted({value for _, value in calculation.shares})
    edges = sorted({float(edge) for value in values for edge in (value, value + 1)})
    return Histogram(bins=(*edges, edges[-1] + 1), integer=True)


def shares(
    calculation: Calculation, counted: HistogramCounts, counts: NDArray[np.int64]
) -> dict[str, NDArray[np.float64]]:
    """Column → (n,): share of the class among the samples that count; NaN where no sample counts."""
    found = {}
    for name, value in calculation.shares:
        place = int(np.searchsorted(counted.edges, value))
        with np.errstate(invalid="ignore", divide="ignore"):
            found[share_column(name)] = counted.counts[:, place] / counts
    return found


def masked_counts(seen: NDArray[np.bool_], valid: NDArray[np.number], offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """(k,): number of samples of each segment that have imagery, but whose mask `valid` (N,) is 0 or NaN."""
    masked = seen & ((valid == 0) | np.isnan(valid))
    before = np.append(0, np.cumsum(masked, dtype=np.int64))
    counts: NDArray[np.int64] = before[offsets[1:]] - before[offsets[:-1]]
    return counts


def plain_statistics(
    calculation: Calculation,
    sums: NDArray[np.float64],
    outside: tuple[NDArray[np.int64], NDArray[np.float64]],
    numbers: NDArray[np.float64],
) -> dict[str, NDArray[np.float64]]:
    """Name → (n,): statistics of samples that all count equally; NaN where there is no sample, except for sum and
    count. `sums`: see `moments`; `outside`: number of samples that count outside each polygon, and their value;
    `numbers` (4, n): result of `moments`."""
    weights, extra = outside
    counts = sums[COUNT] + weights
    found: dict[str, NDArray[np.float64]] = {}
    for name in calculation.more:
        if name == "count":
            found[name] = counts
        elif name == "sum":
            total = sums[SUM] + (sums[SUM_REST] + np.where(weights > 0, weights * extra, 0.0))
            found[name] = np.where(counts > 0, _with_infinite(total, numbers), total)
        elif name == "variance":
            found[name] = numbers[3] * numbers[3]
    return found


def from_samples(name: str, kept: Segments) -> NDArray[np.float64]:
    """(n,): the statistic `name`, one of FROM_SAMPLES; NaN where there is no sample. Reorders the samples."""
    if name == "median":
        return _median(kept)
    found = np.empty(len(kept.counts))
    _mode(kept.samples, kept.offsets, kept.counts, kept.weights, kept.extra, found)
    return found


def weighted_statistics(
    calculation: Calculation, sums: NDArray[np.float64], plain: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], Mapping[str, NDArray[np.float64]]]:
    """Mean, population standard deviation, and name → statistic, each (n,), of samples weighted by the share that the
    polygon covers; NaN where all shares are 0, except for sum and count. `sums` (6, n): result of `add_weighted`;
    `plain` (4, n): result of `moments`."""
    numbers = np.empty((3, sums.shape[1]))
    _weighted(sums, numbers)
    total, weight = sums[TOTAL] + sums[TOTAL_REST], sums[WEIGHT] + sums[WEIGHT_REST]
    mean = np.where(weight > 0, _with_infinite(numbers[0], plain), numbers[0])
    known = {"sum": _with_infinite(total, plain), "count": weight, "variance": numbers[1], "weightedMean": mean}
    return mean, numbers[2], {name: known[name] for name in calculation.more if name in known}


def _with_infinite(found: NDArray[np.float64], numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,): the sum or mean `found`, corrected where samples are infinite, for which double-double numbers fail: it is
    infinity, or NaN if both infinities occur. `numbers`: result of `moments`, which begins with minima and maxima."""
    with np.errstate(invalid="ignore"):
        ends = numbers[0] + numbers[1]
    return np.where(np.isnan(found) & np.isinf(ends), ends, found)


def _median(kept: Segments) -> NDArray[np.float64]:
    """(n,): the middle sample of each segment, or the mean of the two in the middle."""
    counts = kept.counts + kept.weights
    ranks = np.column_stack((np.maximum(counts - 1, 0) // 2, np.minimum(counts // 2, np.maximum(counts - 1, 0))))
    out = np.empty(ranks.shape)
    pick(kept.samples, kept.offsets, kept.counts, kept.weights, kept.extra, ranks, out)
    return np.where(out[:, 0] == out[:, 1], out[:, 0], (out[:, 0] + out[:, 1]) / 2)


# The kernels below rely on counts that fit their slices, as `sample_type.compact` makes them.


@njit(cache=True, nogil=True, error_model="numpy")
def _mode(
    samples: NDArray[np.float32],
    offsets: NDArray[np.int64],
    counts: NDArray[np.int64],
    weights: NDArray[np.int64],
    extra: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write the most frequent sample of each segment to `out` (n,), or the largest of several equally frequent ones;
    NaN where there is no sample. Sorts the samples."""
    for k in range(len(counts)):
        best, most = np.nan, np.int64(0)
        mine = samples[offsets[k] : offsets[k] + counts[k]]
        mine.sort()
        i, outside = 0, weights[k]
        while i < len(mine):
            j = i
            while j < len(mine) and mine[j] == mine[i]:
                j += 1
            count = np.int64(j - i)
            if weights[k] > 0 and mine[i] == extra[k]:
                count, outside = count + weights[k], 0
            if count >= most:
                best, most = float(mine[i]), count
            i = j
        if outside > 0 and (outside > most or (outside == most and extra[k] > best)):
            best = extra[k]
        out[k] = best


@njit(cache=True, nogil=True, error_model="numpy")
def add_weighted(
    values: NDArray[np.float64],
    valid: NDArray[np.number],
    shares_: NDArray[np.float64],
    offsets: NDArray[np.int64],
    target: tuple[float, float, bool],
    sums: NDArray[np.float64],
) -> None:
    """Add the valid samples of each segment, converted to `target` and weighted by their shares (N,), to its column of
    `sums` (6, n), in double-double numbers, so that the order hardly matters."""
    low, high, integer = target
    for k in range(len(offsets) - 1):
        for i in range(offsets[k], offsets[k + 1]):
            x, share = values[i], shares_[i]
            if not (counts_in(valid[i]) and x == x) or share <= 0.0:  # noqa: PLR0124 - NaN is not itself
                continue
            x = min(max(np.floor(x + 0.5), low), high) if integer else np.float64(np.float32(x)) + 0.0
            sums[0, k], sums[1, k] = plus(sums[0, k], sums[1, k], share, 0.0)
            more, rest = two_product(share, x)
            sums[2, k], sums[3, k] = plus(sums[2, k], sums[3, k], more, rest)
            more, rest = two_product(share, x * x)
            sums[4, k], sums[5, k] = plus(sums[4, k], sums[5, k], more, rest)


@njit(cache=True, nogil=True, error_model="numpy")
def add_weighted_sums(part: NDArray[np.float64], rows: NDArray[np.int64], sums: NDArray[np.float64]) -> None:
    """Add `part` (6, k), the sums of further samples of the segments `rows` (k,), to `sums` (6, n)."""
    for k in range(len(rows)):
        for row in range(0, 6, 2):
            sums[row, rows[k]], sums[row + 1, rows[k]] = plus(
                sums[row, rows[k]], sums[row + 1, rows[k]], part[row, k], part[row + 1, k]
            )


@njit(cache=True, nogil=True, error_model="numpy")
def _weighted(sums: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """Write mean, variance and standard deviation of each segment to `out` (3, n)."""
    for k in range(sums.shape[1]):
        weight = sums[0, k] + sums[1, k]
        if not weight > 0.0:
            out[:, k] = np.nan
            continue
        out[0, k] = (sums[2, k] + sums[3, k]) / weight
        squared = spread(sums[2, k], sums[3, k], sums[4, k], sums[5, k], weight)
        out[1, k] = max(squared, 0.0) / weight
        out[2, k] = np.sqrt(out[1, k])
