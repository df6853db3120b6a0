"""Moments: computes extremes, sums and squares of segments in parts; adding them in any order gives the same bits.

Samples are float32. Their sum, and the sum of their squares, is kept as a double plus a second double with the rounding
error (TwoSum of Knuth, double-double numbers of Dekker), 106 bits together. That is exact for samples whose magnitudes
differ by less than about 2**25, hence independent of their order and of how a feature was divided; and it is precise
enough to compute the variance from both sums without cancellation.

If magnitudes differ by less than 2**REACH, which is usual for an index, plain doubles hold the sums of a few thousand
samples exactly, provided that each sample is split into two halves before it is squared: that is twice as fast.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from arpent.domain.boundary.kernel import inner
from arpent.zonal.sample_type import counts_in
from arpent.zonal.vectors import LANES, cut_sums, extremes

COUNT, LOW, HIGH, SUM, SUM_REST, SQUARES, SQUARES_REST = range(7)
"""Rows of an array of sums; each segment has a column."""
START = (0.0, math.inf, -math.inf, 0.0, 0.0, 0.0, 0.0)
"""Value of each row for a segment without samples."""
ROWS = len(START)
TURNS = 8
"""Number of samples that are added to a running sum before it is written back."""
MOST = 4096
"""Maximum number of samples of a segment that are summed at once."""
HALF, REACH = 20, 17
"""Number of bits in the first half of a sample, counted from the highest bit of the largest sample; and number of bits
by which magnitudes may differ. Within these, a double holds the sum of MOST samples (at most 53 bits) and the sums of
products of their halves (at most 52 bits) exactly."""
SPLITTER = 134217729.0
"""2**27 + 1: splits a double into two halves whose products are exact (Veltkamp)."""


def no_sums(count: int) -> NDArray[np.float64]:
    """(ROWS, count): the sums of `count` segments without samples."""
    return np.repeat(START, count).reshape(ROWS, count)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _two_sum(a: float, b: float) -> tuple[float, float]:
    """a + b as a double, and its exact rounding error."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def two_product(a: float, b: float) -> tuple[float, float]:
    """a * b as a double, and its exact rounding error; a and b must be below 2**900."""
    product = a * b
    c = SPLITTER * a
    a_high = c - (c - a)
    a_low = a - a_high
    c = SPLITTER * b
    b_high = c - (c - b)
    b_low = b - b_high
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def plus(a: float, a_rest: float, b: float, b_rest: float) -> tuple[float, float]:
    """Sum of two double-double numbers."""
    total, rest = _two_sum(a, b)
    low, lower = _two_sum(a_rest, b_rest)
    total, rest = _two_sum(total, rest + low)
    return _two_sum(total, rest + lower)


@njit(cache=True, nogil=True, error_model="numpy")
def add_samples(
    values: NDArray[np.float64],
    valid: NDArray[np.number],
    offsets: NDArray[np.int64],
    target: tuple[float, float, bool],
    sums: NDArray[np.float64],
    kept: NDArray[np.float32],
) -> int:
    """Add the valid samples `[offsets[k]:offsets[k + 1]]` of each segment to its column of `sums` (ROWS, n), converted
    to `target` as in `sample_type.compact`. `valid` (N,): a sample counts where it is neither 0 nor NaN. The samples
    that count are written to `kept`, which must have room for all, or be (0,) if they are not needed. Returns how many
    were written."""
    scratch, held = (np.empty(MOST), np.empty((2, 4, LANES)), np.empty((ROWS, LANES))), 0
    for k in range(len(offsets) - 1):
        if offsets[k] < offsets[k + 1]:
            held = _add_segment(values, valid, (offsets[k], offsets[k + 1]), target, scratch, sums, k, kept, held)
    return held


@inner
def _add_segment(  # noqa: PLR0913, PLR0917
    values: NDArray[np.float64],
    valid: NDArray[np.number],
    place: tuple[int, int],
    target: tuple[float, float, bool],
    scratch: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]],
    sums: NDArray[np.float64],
    k: int,
    kept: NDArray[np.float32],
    held: int,
) -> int:
    """Add the samples from `place[0]` up to, but not including, `place[1]` to column `k` of the sums, and append them
    to the `held` samples in `kept`; returns how many `kept` holds then."""
    (begin, end), (samples, parts, lanes) = place, scratch
    for first in range(begin, end, MOST):
        count = min(MOST, end - first)
        _convert(values[first : first + count], valid[first : first + count], target, samples)
        if len(kept) > 0:
            held = _keep(samples[:count], kept, held)
        turns = (count + LANES - 1) // LANES
        samples[count : turns * LANES] = np.nan
        if not _add_halves(samples, turns, parts, sums, k):
            _add_each(samples, turns, lanes, sums, k)
    return held


@inner
def _keep(samples: NDArray[np.float64], kept: NDArray[np.float32], held: int) -> int:
    """Append the samples that are not NaN to the `held` ones; returns how many there are then. To avoid branches, each
    sample is written, and overwritten by the next if it is NaN."""
    end = np.uint64(held)
    for i in range(len(samples)):
        kept[end] = np.float32(samples[i])
        end += np.uint64(samples[i] == samples[i])
    return int(np.int64(end))


@inner
def _add_halves(
    samples: NDArray[np.float64], turns: int, parts: NDArray[np.float64], sums: NDArray[np.float64], k: int
) -> bool:
    """Add `turns` turns of samples to column `k` with exact sums of their halves; returns False, and adds nothing, if
    their magnitudes differ too much. The sums have the same bits as those of `_add_each`, since an exact sum has only
    one representation. `parts` (2, 4, LANES): scratch space for the results of `extremes` and `cut_sums`."""
    found, halves = parts[0], parts[1]
    extremes(samples, turns, found)
    low, high, count, least = found[0, 0], found[1, 0], found[2, 0], found[3, 0]
    for i in range(1, LANES):
        low, high = min(low, found[0, i]), max(high, found[1, i])
        count, least = count + found[2, i], min(least, found[3, i])
    largest = max(-low, high)
    if not largest < least * 2.0**REACH:
        return False
    _, exponent = math.frexp(largest)
    cut_sums(samples, turns, 1.5 * 2.0 ** (exponent - HALF + 52), halves)
    width = LANES
    while width > 1:
        width //= 2
        for i in range(width):
            for row in range(4):
                halves[row, i] += halves[row, i + width]
    squares, left = _two_sum(halves[1, 0], 2.0 * halves[2, 0])
    squares, rest = _two_sum(squares, halves[3, 0])
    sums[COUNT, k] += count
    sums[LOW, k], sums[HIGH, k] = min(sums[LOW, k], low), max(sums[HIGH, k], high)
    sums[SUM, k], sums[SUM_REST, k] = plus(sums[SUM, k], sums[SUM_REST, k], halves[0, 0], 0.0)
    sums[SQUARES, k], sums[SQUARES_REST, k] = plus(sums[SQUARES, k], sums[SQUARES_REST, k], squares, left + rest)
    return True


@inner
def _add_each(
    samples: NDArray[np.float64], turns: int, lanes: NDArray[np.float64], sums: NDArray[np.float64], k: int
) -> None:
    """Add `turns` turns of samples to column `k` one by one, except those that are NaN. `lanes` (ROWS, LANES): scratch
    space."""
    for row in range(ROWS):
        lanes[row] = START[row]
    whole = turns - turns % TURNS
    for turn in range(0, whole, TURNS):
        _add_to_lanes(samples[turn * LANES : (turn + TURNS) * LANES], lanes)
    for turn in range(whole, turns):
        _add_turn(samples, turn * LANES, lanes)
    width = LANES
    while width > 1:
        width //= 2
        _fold(lanes, width)
    _merge(sums, k, lanes, 0)


# In the loops below, no sample depends on its neighbours and there are no branches, so that the compiler can vectorise.


@inner
def _convert(
    values: NDArray[np.float64],
    valid: NDArray[np.number],
    target: tuple[float, float, bool],
    samples: NDArray[np.float64],
) -> None:
    """Write the values to `samples` as the statistics use them, with NaN for those that do not count."""
    low, high, integer = target
    for i in range(len(values)):
        x, mark = values[i], valid[i]
        counted = counts_in(mark) & (x == x)  # noqa: PLR0124 - NaN is not itself
        x = min(max(np.floor(x + 0.5), low), high) if integer else np.float64(np.float32(x)) + 0.0
        samples[i] = x if counted else np.nan


@inner
def _add_to_lanes(samples: NDArray[np.float64], lanes: NDArray[np.float64]) -> None:
    """Add the samples (LANES * TURNS,) to the lanes, TURNS to each, except those that are NaN."""
    counts, lows, highs, totals, rests = lanes[COUNT], lanes[LOW], lanes[HIGH], lanes[SUM], lanes[SUM_REST]
    all_squares, squares_rests = lanes[SQUARES], lanes[SQUARES_REST]
    for i in range(LANES):
        count, low, high, total, rest = counts[i], lows[i], highs[i], totals[i], rests[i]
        squares, squares_rest = all_squares[i], squares_rests[i]
        for turn in range(TURNS):
            x = samples[turn * LANES + i]
            low = x if x < low else low
            high = x if x > high else high
            count += 1.0 if x == x else 0.0  # noqa: PLR0124
            x = x if x == x else 0.0  # noqa: PLR0124
            total, left = _two_sum(total, x)
            rest += left
            squares, left = _two_sum(squares, x * x)  # the square of a float32 is exact in a double
            squares_rest += left
        counts[i], lows[i], highs[i], totals[i], rests[i] = count, low, high, total, rest
        all_squares[i], squares_rests[i] = squares, squares_rest


@inner
def _add_turn(samples: NDArray[np.float64], first: int, lanes: NDArray[np.float64]) -> None:
    """Add one sample to each lane; like `_add_to_lanes`, but for a single turn."""
    counts, lows, highs, totals, rests = lanes[COUNT], lanes[LOW], lanes[HIGH], lanes[SUM], lanes[SUM_REST]
    all_squares, squares_rests = lanes[SQUARES], lanes[SQUARES_REST]
    for i in range(LANES):
        x = samples[first + i]
        lows[i] = x if x < lows[i] else lows[i]
        highs[i] = x if x > highs[i] else highs[i]
        counts[i] += 1.0 if x == x else 0.0  # noqa: PLR0124
        x = x if x == x else 0.0  # noqa: PLR0124
        totals[i], left = _two_sum(totals[i], x)
        rests[i] += left
        all_squares[i], left = _two_sum(all_squares[i], x * x)
        squares_rests[i] += left


@inner
def _fold(lanes: NDArray[np.float64], width: int) -> None:
    """Add the lanes from `width` up to, but not including, `2 * width` to the first `width` lanes."""
    for i in range(width):
        _merge(lanes, i, lanes, i + width)


@njit(cache=True, nogil=True, error_model="numpy")
def add_sums(part: NDArray[np.float64], rows: NDArray[np.int64], sums: NDArray[np.float64]) -> None:
    """Add `part` (ROWS, k), the sums of further samples of the segments `rows` (k,), to `sums` (ROWS, n)."""
    for k in range(len(rows)):
        _merge(sums, rows[k], part, k)


@inner
def _merge(sums: NDArray[np.float64], i: int, part: NDArray[np.float64], k: int) -> None:
    """Add column `k` of `part` to column `i` of `sums`."""
    sums[COUNT, i] += part[COUNT, k]
    sums[LOW, i] = min(sums[LOW, i], part[LOW, k])
    sums[HIGH, i] = max(sums[HIGH, i], part[HIGH, k])
    sums[SUM, i], sums[SUM_REST, i] = plus(sums[SUM, i], sums[SUM_REST, i], part[SUM, k], part[SUM_REST, k])
    sums[SQUARES, i], sums[SQUARES_REST, i] = plus(
        sums[SQUARES, i], sums[SQUARES_REST, i], part[SQUARES, k], part[SQUARES_REST, k]
    )


@njit(cache=True, nogil=True, error_model="numpy")
def moments(
    sums: NDArray[np.float64],
    weights: NDArray[np.int64],
    extra: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write min, max, mean and population standard deviation of each segment to `out` (4, n): NaN for an empty segment;
    the deviation is NaN, too, if a sample is infinite.

    `sums` (ROWS, n): sums of the samples, to which `extra[k]` is added `weights[k]` times.
    """
    for k in range(len(weights)):
        n = sums[COUNT, k] + weights[k]
        if n == 0.0:
            out[:, k] = np.nan
            continue
        low, high = sums[LOW, k], sums[HIGH, k]
        total, rest, squares, squares_rest = sums[SUM, k], sums[SUM_REST, k], sums[SQUARES, k], sums[SQUARES_REST, k]
        if weights[k] > 0:
            weight, value = float(weights[k]), extra[k]
            low, high = min(low, value), max(high, value)
            more, more_rest = two_product(weight, value)
            total, rest = plus(total, rest, more, more_rest)
            more, more_rest = two_product(weight, value * value)
            squares, squares_rest = plus(squares, squares_rest, more, more_rest)
        out[0, k], out[1, k] = low, high
        if not (math.isfinite(low) and math.isfinite(high)):
            out[2, k] = low + high  # infinity, or NaN if both occur
            out[3, k] = np.nan
            continue
        out[2, k] = min(max((total + rest) / n, low), high)
        out[3, k] = 0.0 if low == high else math.sqrt(max(spread(total, rest, squares, squares_rest, n), 0.0) / n)


@njit(cache=True, nogil=True, error_model="numpy")
def spread(total: float, rest: float, squares: float, squares_rest: float, n: float) -> float:
    """Sum of the squared deviations from the mean: squares - total² / n, in double-double numbers."""
    product, product_rest = two_product(total, total)
    product_rest += 2.0 * total * rest
    quotient = product / n
    back, back_rest = two_product(quotient, n)
    quotient_rest = ((product - back) - back_rest + product_rest) / n
    high, low = plus(squares, squares_rest, -quotient, -quotient_rest)
    return high + low
