"""Gather: pixels of one decoded block copied to the flat array of samples (NEAREST)."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from arpent.raster.canvas import Target
from arpent.raster.conversion import Conversion

_NO_MASK = np.zeros(0, np.bool_)


def gather(block: NDArray[np.generic], order: NDArray[np.int32], pixels: NDArray[np.int32], target: Target) -> None:
    """Copy the block's pixels `pixels` (counted row by row) to the samples `order`, unless they are no data, masked, or
    already filled. The block must hold the pixels of all unfilled samples; those of filled samples may lie beyond its
    end."""
    stored, mask = flat(block)
    conversion = target.conversion
    check, no_data = stored_no_data(conversion, block.dtype)
    number = float if "f" in (block.dtype.kind, target.values.dtype.kind) else int
    _gather(
        stored, mask, order, pixels, target.filled, target.values, target.hits, check, no_data,
        number(conversion.offset), *result_limits(conversion, target.values.dtype, number),
    )  # fmt: skip


def flat(block: NDArray[np.generic]) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
    """The pixels of a block, row by row, and which of them its mask hides; the latter is empty if there is no mask."""
    if isinstance(block, np.ma.MaskedArray):
        return np.asarray(block.data).reshape(-1), np.ma.getmaskarray(block).reshape(-1)
    return block.reshape(-1), _NO_MASK


def stored_no_data(conversion: Conversion, dtype: np.dtype[np.generic]) -> tuple[bool, np.generic]:
    """Whether the file's type can hold the no-data number, and that number in the file's type."""
    no_data = conversion.no_data
    zero = dtype.type(0)
    if no_data is None or np.isnan(no_data):
        return False, zero
    if dtype.kind == "f":
        widest = float(np.finfo(dtype).max)  # type: ignore[type-var]
        return True, dtype.type(no_data if np.isinf(no_data) else np.clip(no_data, -widest, widest))
    if np.isinf(no_data):
        return False, zero
    result_limits = np.iinfo(dtype)  # type: ignore[type-var]
    possible = no_data == int(no_data) and result_limits.min <= no_data <= result_limits.max
    return possible, dtype.type(int(no_data)) if possible else zero


def result_limits(
    conversion: Conversion, dtype: np.dtype[np.generic], number: type[int] | type[float]
) -> tuple[float, float]:
    """Smallest and largest result, as numbers that the kernel's type can hold."""
    if number is float or dtype.kind == "f":
        return float(conversion.low), float(conversion.high)
    bounds = np.iinfo(dtype)  # type: ignore[type-var]
    low = max(conversion.low, bounds.min)
    return int(low), min(int(bounds.max), np.iinfo(np.int64).max)


@njit(cache=True, nogil=True)
def _gather(stored, mask, order, pixels, filled, values, hits, check, no_data, offset, low, high):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    for k in range(len(order)):
        n = order[k]
        if filled[n] != 0:  # asked before the load: the block ends with the last row that an unfilled sample needs
            continue
        if len(mask) != 0 and mask[pixels[k]]:  # as long as `stored`, if there is one
            continue
        number = stored[pixels[k]]  # there, since the block has the sides and rows it was asked for with
        if not (check and number == no_data) and number == number:  # noqa: PLR0124 - NaN
            values[n] = min(max(number + offset, low), high)
            hits[n] += 1
