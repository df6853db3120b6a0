"""More statistics than the service reports: sum, count, variance, median, mode, shares of classes, weighted mean."""

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
"""Statistics that need the samples themselves."""
WEIGHT, WEIGHT_REST, TOTAL, TOTAL_REST, SQUARE, SQUARE_REST = range(6)
"""Rows of the weighted sums of many segments: of weights, of weighted samples, of their weighted squares."""


def classes(calculation: Calculation) -> Histogram | None:
    """The histogram that counts each class in a bin of its own; None if no shares are asked for."""
    if not calculation.shares:
        return None
    values = sorted({value for _, value in calculation.shares})
    edges = sorted({float(edge) for value in values for edge in (value, value + 1)})
    return Histogram(bins=(*edges, edges[-1] + 1), integer=True)


def shares(
    calculation: Calculation, counted: HistogramCounts, counts: NDArray[np.int64]
) -> dict[str, NDArray[np.float64]]:
    """Column → (n,) share of the class in the samples that count; NaN where none does."""
    found = {}
    for name, value in calculation.shares:
        place = int(np.searchsorted(counted.edges, value))
        with np.errstate(invalid="ignore", divide="ignore"):
            found[share_column(name)] = counted.counts[:, place] / counts
    return found


def masked_counts(seen: NDArray[np.bool_], valid: NDArray[np.number], offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """(k,): samples of each segment that have imagery, and whose mask `valid` (N,) is 0 or NaN."""
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
    """Name → (n,), of samples that count once each; NaN where there is none, but for sum and count. `sums`: see
    `moments`; `outside`: how many samples count outside each polygon, and their value; `numbers` (4, n): what `moments`
    gave."""
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
    """(n,): one of FROM_SAMPLES; NaN where there is no sample. Reorders the samples."""
    if name == "median":
        return _median(kept)
    found = np.empty(len(kept.counts))
    _mode(kept.samples, kept.offsets, kept.counts, kept.weights, kept.extra, found)
    return found


def weighted_statistics(
    calculation: Calculation, sums: NDArray[np.float64], plain: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], Mapping[str, NDArray[np.float64]]]:
    """Mean, population standard deviation, and name → number, each (n,), of samples that count by the share that is
    covered; NaN where no share is, but for sum and count. `sums` (6, n): of `add_weighted`; `plain` (4, n): what
    `moments` gave."""
    numbers = np.empty((3, sums.shape[1]))
    _weighted(sums, numbers)
    total, weight = sums[TOTAL] + sums[TOTAL_REST], sums[WEIGHT] + sums[WEIGHT_REST]
    mean = np.where(weight > 0, _with_infinite(numbers[0], plain), numbers[0])
    known = {"sum": _with_infinite(total, plain), "count": weight, "variance": numbers[1], "weightedMean": mean}
    return mean, numbers[2], {name: known[name] for name in calculation.more if name in known}


def _with_infinite(found: NDArray[np.float64], numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,): a sum or mean, which double-double numbers lose over infinite samples: infinity, or NaN of both. `numbers`:
    what `moments` gave, minima and maxima first."""
    with np.errstate(invalid="ignore"):
        ends = numbers[0] + numbers[1]
    return np.where(np.isnan(found) & np.isinf(ends), ends, found)


def _median(kept: Segments) -> NDArray[np.float64]:
    """The middle sample, or the mean of the two in the middle."""
    counts = kept.counts + kept.weights
    ranks = np.column_stack((np.maximum(counts - 1, 0) // 2, np.minimum(counts // 2, np.maximum(counts - 1, 0))))
    out = np.empty(ranks.shape)
    pick(kept.samples, kept.offsets, kept.counts, kept.weights, kept.extra, ranks, out)
    return np.where(out[:, 0] == out[:, 1], out[:, 0], (out[:, 0] + out[:, 1]) / 2)


# `compact` made counts that fit their slices.


@njit(cache=True, nogil=True, error_model="numpy")
def _mode(
    samples: NDArray[np.float32],
    offsets: NDArray[np.int64],
    counts: NDArray[np.int64],
    weights: NDArray[np.int64],
    extra: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """The most frequent sample of each segment, the largest of several, into `out` (n,); NaN where there is none.
    Sorts the samples."""
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
    """Add the valid samples of each segment, converted to `target`, to its column of `sums` (6, n), each weighted by
    its share (N,). In double-double numbers, so that the order hardly matters."""
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
    """Add the sums (6, k) of other samples of the segments `rows` (k,) of `sums` (6, n)."""
    for k in range(len(rows)):
        for row in range(0, 6, 2):
            sums[row, rows[k]], sums[row + 1, rows[k]] = plus(
                sums[row, rows[k]], sums[row + 1, rows[k]], part[row, k], part[row + 1, k]
            )


@njit(cache=True, nogil=True, error_model="numpy")
def _weighted(sums: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """Mean, variance and standard deviation of each segment into `out` (3, n)."""
    for k in range(sums.shape[1]):
        weight = sums[0, k] + sums[1, k]
        if not weight > 0.0:
            out[:, k] = np.nan
            continue
        out[0, k] = (sums[2, k] + sums[3, k]) / weight
        squared = spread(sums[2, k], sums[3, k], sums[4, k], sums[5, k], weight)
        out[1, k] = max(squared, 0.0) / weight
        out[2, k] = np.sqrt(out[1, k])
