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
    _gather(stored, mask, order, pixels, target.filled, target.values, target.hits, *_rule(block.dtype, target))


def gather_pieces(
    block: NDArray[np.generic], pieces: NDArray[np.int32], table: NDArray[np.int32], target: Target
) -> None:
    """Copy the block's pixels to the samples of these pieces (p, 4) of an AlignedIndex and its `table`, unless they are
    no data, masked, or already filled. The block must hold the rows of all unfilled samples."""
    stored, mask = flat(block)
    _gather_pieces(stored, mask, pieces, table, target.filled, target.values, target.hits, *_rule(block.dtype, target))


def _rule(dtype: np.dtype[np.generic], target: Target) -> tuple[object, ...]:
    """What the kernels need to convert numbers of the file's type: whether there is a number for no data, that number,
    offset, smallest and largest result, and whether nothing is to be converted."""
    conversion, result = target.conversion, target.values.dtype
    number = float if "f" in (dtype.kind, result.kind) else int
    low, high = result_limits(conversion, result, number)
    plain = dtype == result and not conversion.offset and (low, high) == _everything(dtype)
    return *stored_no_data(conversion, dtype), number(conversion.offset), low, high, plain


def _everything(dtype: np.dtype[np.generic]) -> tuple[float, float]:
    """Smallest and largest number of the type."""
    if dtype.kind == "f":
        return -np.inf, np.inf
    limits = np.iinfo(dtype)  # type: ignore[type-var]
    return int(limits.min), int(limits.max)


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
def _gather(stored, mask, order, pixels, filled, values, hits, check, no_data, offset, low, high, plain):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    for k in range(len(order)):
        n = order[k]
        if filled[n] != 0:  # asked before the load: the block ends with the last row that an unfilled sample needs
            continue
        if len(mask) != 0 and mask[pixels[k]]:  # as long as `stored`, if there is one
            continue
        number = stored[pixels[k]]  # there, since the block has the sides and rows it was asked for with
        if not (check and number == no_data) and number == number:  # noqa: PLR0124 - NaN
            values[n] = number if plain else min(max(number + offset, low), high)
            hits[n] += 1


@njit(cache=True, nogil=True)
def _gather_pieces(stored, mask, pieces, table, filled, values, hits, check, no_data, offset, low, high, plain):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    rule = (check, no_data, offset, low, high, plain)
    for piece in range(len(pieces)):
        first, count, pixel = np.uint64(pieces[piece, 0]), np.uint64(pieces[piece, 1]), np.uint64(pieces[piece, 2])
        listed = pieces[piece, 3]
        if pixel >= np.uint64(len(stored)):  # the block ends before this row, which no unfilled sample needs
            continue
        if listed >= 0:
            for i in range(count):
                place = pixel + np.uint64(table[np.uint64(listed) + i])
                hidden = len(mask) != 0 and mask[place]
                _put(stored[place], hidden, first + i, filled, values, hits, rule)
        elif len(mask) != 0:
            for i in range(count):
                _put(stored[pixel + i], mask[pixel + i], first + i, filled, values, hits, rule)
        else:
            for i in range(count):
                _put(stored[pixel + i], False, first + i, filled, values, hits, rule)


@njit(cache=True, nogil=True, inline="always")
def _put(number, hidden, n, filled, values, hits, rule):  # type: ignore[no-untyped-def]
    """Write one sample, without a branch: the compiler makes vectors of the samples of a piece."""
    check, no_data, offset, low, high, plain = rule
    data = (filled[n] == 0) & (number == number) & (not (check & (number == no_data))) & (not hidden)  # noqa: PLR0124 - NaN
    result = number if plain else min(max(number + offset, low), high)
    values[n] = result if data else values[n]
    hits[n] += data
