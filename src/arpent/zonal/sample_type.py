"""Sample type: converts the numbers that a script returns to an output's sample type before statistics are computed
(sentinelhub.md 5.1)."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from arpent.domain.evalscript import SampleType

LIMITS = {
    SampleType.INT8: (-128.0, 127.0),
    SampleType.UINT8: (0.0, 255.0),
    SampleType.INT16: (-32768.0, 32767.0),
    SampleType.UINT16: (0.0, 65535.0),
}
"""Smallest and largest value of the integer types; all others are float32. So is AUTO: its stretch from 0..1 to 0..255
applies to images of the Process API, and the real service treats AUTO as float in statistics (sentinelhub.md 2.4,
5.1)."""


def type_limits(sample_type: SampleType) -> tuple[float, float, bool]:
    """Lower limit, upper limit, and whether the type is an integer type."""
    low, high = LIMITS.get(sample_type, (-math.inf, math.inf))
    return low, high, sample_type in LIMITS


def converted(values: NDArray[np.float64], sample_type: SampleType) -> NDArray[np.float64]:
    """(N,): each number as the statistics use it, as a double; NaN means no data."""
    out, counts = np.empty(len(values), np.float32), np.empty(len(values), np.int64)
    compact(values, np.ones(len(values), np.uint8), np.arange(len(values) + 1), type_limits(sample_type), out, counts)
    return np.where(counts > 0, out.astype(np.float64), math.nan)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def counts_in(mark: float) -> bool:
    """Whether a sample with this mask counts: the mask is neither 0 nor NaN."""
    return (mark != 0) & (mark == mark)  # noqa: PLR0124


@njit(cache=True, nogil=True, error_model="numpy")
def compact(
    values: NDArray[np.float64],
    valid: NDArray[np.number],
    offsets: NDArray[np.int64],
    target: tuple[float, float, bool],
    out: NDArray[np.float32],
    counts: NDArray[np.int64],
) -> None:
    """Write each segment's valid samples, converted to `target`, to the front of its slice of `out`, and their number
    to `counts` (n,). A sample is valid where `valid` (N,) is neither 0 nor NaN. The position written never overtakes
    the one being read, so `cursor` needs no check.

    For integer types, samples are rounded half up (`floor(x + 0.5)`) and clamped; for float types they become float32,
    in which infinity is a value. NaN is no data for both (sentinelhub.md 3.3). All types fit into float32. A negative
    zero becomes 0.0, so that a minimum does not depend on the order of equal samples.
    """
    low, high, integer = target
    for k in range(len(offsets) - 1):
        begin = np.uint64(offsets[k])
        end = np.uint64(offsets[k + 1])
        cursor = begin
        if integer:
            for i in range(begin, end):
                x = values[i]
                # np.floor gives a double; math.floor would give an int64, which cannot hold infinity or 1e19.
                out[cursor] = np.float32(min(max(np.floor(x + 0.5), low), high))
                cursor += np.uint64(counts_in(valid[i]) & (x == x))  # noqa: PLR0124 - NaN is not itself
        else:
            for i in range(begin, end):
                narrow = np.float32(values[i]) + np.float32(0.0)
                out[cursor] = narrow
                cursor += np.uint64(counts_in(valid[i]) & (narrow == narrow))  # noqa: PLR0124
        counts[k] = cursor - begin
