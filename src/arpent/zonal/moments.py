"""Moments: extremes, sums and squares of segments, in parts that can be added in any order and give the same bits.

Samples are float32: their sum, and the sum of their squares, is kept as a double and what the doubles could not hold
(TwoSum of Knuth, double-double numbers of Dekker), 106 bits together. That is exact for samples whose magnitudes differ
by less than 2**25 or so, hence independent of the order and of how a feature was cut; and precise enough that the
variance may be taken from both sums without cancellation.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

LOW, HIGH, SUM, SUM_REST, SQUARES, SQUARES_REST = range(6)
"""Rows of the sums of many segments."""
ROWS = 6
SPLITTER = 134217729.0
"""2**27 + 1: cuts a double into two halves whose products are exact (Veltkamp)."""


def no_sums(count: int) -> NDArray[np.float64]:
    """(ROWS, count): the sums of so many segments without samples."""
    sums = np.zeros((ROWS, count))
    sums[LOW], sums[HIGH] = np.inf, -np.inf
    return sums


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"nnan", "nsz"})
def _extremes(samples: NDArray[np.float32], begin: int, end: int) -> tuple[np.float32, np.float32]:
    """Smallest and largest. The flags only let the compiler reorder comparisons; there is no NaN or -0.0 in here."""
    low = high = samples[begin]
    for i in range(begin, end):
        x = samples[i]
        low = x if x < low else low
        high = x if x > high else high
    return low, high


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _two_sum(a: float, b: float) -> tuple[float, float]:
    """a + b as a double, and what it leaves out, exactly."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _two_product(a: float, b: float) -> tuple[float, float]:
    """a * b as a double, and what it leaves out, exactly; a and b below 2**900."""
    product = a * b
    c = SPLITTER * a
    a_high = c - (c - a)
    a_low = a - a_high
    c = SPLITTER * b
    b_high = c - (c - b)
    b_low = b - b_high
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _plus(a: float, a_rest: float, b: float, b_rest: float) -> tuple[float, float]:
    """Sum of two double-double numbers."""
    total, rest = _two_sum(a, b)
    low, lower = _two_sum(a_rest, b_rest)
    total, rest = _two_sum(total, rest + low)
    return _two_sum(total, rest + lower)


@njit(cache=True, nogil=True, error_model="numpy")
def add_samples(
    samples: NDArray[np.float32],
    offsets: NDArray[np.int64],
    counts: NDArray[np.int64],
    sums: NDArray[np.float64],
) -> None:
    """Add the samples `[offsets[k]:offsets[k] + counts[k]]` of each segment to its column of `sums` (ROWS, n)."""
    for k in range(len(counts)):
        if counts[k] == 0:
            continue
        begin, end = offsets[k], offsets[k] + counts[k]
        least, most = _extremes(samples, begin, end)
        sums[LOW, k] = min(sums[LOW, k], np.float64(least))
        sums[HIGH, k] = max(sums[HIGH, k], np.float64(most))
        total, rest, squares, squares_rest = _sums(samples, begin, end)
        sums[SUM, k], sums[SUM_REST, k] = _plus(sums[SUM, k], sums[SUM_REST, k], total, rest)
        sums[SQUARES, k], sums[SQUARES_REST, k] = _plus(sums[SQUARES, k], sums[SQUARES_REST, k], squares, squares_rest)


@njit(cache=True, nogil=True, error_model="numpy")
def _sums(samples: NDArray[np.float32], begin: int, end: int) -> tuple[float, float, float, float]:
    """Sum and sum of squares, each with what it leaves out. The square of a float32 is exact in a double. Two lanes
    keep the processor busy."""
    a = a_rest = b = b_rest = p = p_rest = q = q_rest = 0.0
    whole = begin + ((end - begin) & ~1)
    for i in range(begin, whole, 2):
        x, y = np.float64(samples[i]), np.float64(samples[i + 1])
        a, rest = _two_sum(a, x)
        a_rest += rest
        b, rest = _two_sum(b, y)
        b_rest += rest
        p, rest = _two_sum(p, x * x)
        p_rest += rest
        q, rest = _two_sum(q, y * y)
        q_rest += rest
    if whole < end:
        x = np.float64(samples[whole])
        a, rest = _two_sum(a, x)
        a_rest += rest
        p, rest = _two_sum(p, x * x)
        p_rest += rest
    a, a_rest = _plus(a, a_rest, b, b_rest)
    p, p_rest = _plus(p, p_rest, q, q_rest)
    return a, a_rest, p, p_rest


@njit(cache=True, nogil=True, error_model="numpy")
def moments(
    sums: NDArray[np.float64],
    counts: NDArray[np.int64],
    weights: NDArray[np.int64],
    extra: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """min, max, mean and population standard deviation of each segment into `out` (4, n); NaN where it is empty, and
    for the deviation where a sample is infinite.

    `sums` (ROWS, n) of `counts` (n,) samples, plus `extra[k]` counted `weights[k]` times.
    """
    for k in range(len(counts)):
        n = float(counts[k] + weights[k])
        if n == 0.0:
            out[:, k] = np.nan
            continue
        low, high = sums[LOW, k], sums[HIGH, k]
        total, rest, squares, squares_rest = sums[SUM, k], sums[SUM_REST, k], sums[SQUARES, k], sums[SQUARES_REST, k]
        if weights[k] > 0:
            weight, value = float(weights[k]), extra[k]
            low, high = min(low, value), max(high, value)
            more, more_rest = _two_product(weight, value)
            total, rest = _plus(total, rest, more, more_rest)
            more, more_rest = _two_product(weight, value * value)
            squares, squares_rest = _plus(squares, squares_rest, more, more_rest)
        out[0, k], out[1, k] = low, high
        if not (math.isfinite(low) and math.isfinite(high)):
            out[2, k] = low + high  # infinity, or NaN of both
            out[3, k] = np.nan
            continue
        out[2, k] = min(max((total + rest) / n, low), high)
        out[3, k] = 0.0 if low == high else math.sqrt(max(_spread(total, rest, squares, squares_rest, n), 0.0) / n)


@njit(cache=True, nogil=True, error_model="numpy")
def _spread(total: float, rest: float, squares: float, squares_rest: float, n: float) -> float:
    """Sum of the squared deviations from the mean: squares - total² / n, in double-double numbers."""
    product, product_rest = _two_product(total, total)
    product_rest += 2.0 * total * rest
    quotient = product / n
    back, back_rest = _two_product(quotient, n)
    quotient_rest = ((product - back) - back_rest + product_rest) / n
    high, low = _plus(squares, squares_rest, -quotient, -quotient_rest)
    return high + low
