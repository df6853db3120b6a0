"""Gather: copies the pixels of one decoded block to the flat array of samples (NEAREST)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

from arpent.raster.canvas import Target
from arpent.raster.conversion import Conversion

EXACT = 2**23
"""Sums of a two-byte integer and an integer below this are exact in float32, of which the processor's vectors hold more
than of int64."""
_NO_MASK = np.zeros(0, np.bool_)


def gather(block: NDArray[np.generic], order: NDArray[np.int32], pixels: NDArray[np.int32], target: Target) -> None:
    """Copy the pixels `pixels` (indices in the block, counted row by row) to the samples `order`, unless a pixel is no
    data or masked, or its sample is already filled. The block must contain the pixels of all unfilled samples; pixels
    of filled samples may lie beyond its end."""
    stored, mask = flat(block)
    conversion = target.conversion
    check, no_data = stored_no_data(conversion, block.dtype)
    number = float if "f" in (block.dtype.kind, target.values.dtype.kind) else int
    _gather(
        stored, mask, order, pixels, target.filled, target.values, target.hits, check, no_data,
        number(conversion.offset), *result_limits(conversion, target.values.dtype, number),
    )  # fmt: skip


def gather_pieces(
    block: NDArray[np.generic], pieces: NDArray[np.int32], table: NDArray[np.int32], target: Target
) -> None:
    """Copy the block's pixels to the samples of these pieces (p, 4) of an AlignedIndex with its `table`, unless a pixel
    is no data or masked, or its sample is already filled. The block must contain the rows of all unfilled samples."""
    (stored, mask), conversion, result = flat(block), target.conversion, target.values.dtype
    check, no_data = stored_no_data(conversion, block.dtype)
    number = float if "f" in (block.dtype.kind, result.kind) else int
    kind = np.result_type(block.dtype, result, np.float64 if number is float else np.int64)  # float64 for uint64
    if number is int and max(block.dtype.itemsize, result.itemsize) <= 2 and abs(conversion.offset) < EXACT:
        kind = np.dtype(np.float32)
    numbers = [kind.type(each) for each in (no_data, conversion.offset, *result_limits(conversion, result, number))]
    line = np.empty(pieces[:, 1].max(initial=0), kind)
    hidden = np.zeros(len(line), np.bool_)
    _gather_pieces(
        stored, mask, pieces, table, (line, hidden), target.filled, target.values, target.hits, check, *numbers
    )


def copy_pieces(
    block: NDArray[np.generic], pieces: NDArray[np.int32], table: NDArray[np.int32], target: Target
) -> bool:
    """Like `gather_pieces`, but fast and without counting hits; returns True if all of these samples have data. After
    False (data are missing, or the fast way does not apply) `gather_pieces` must do the work again."""
    kind = block.dtype
    copying = _copying(target.conversion, kind) if kind == target.values.dtype else None
    if copying is None or isinstance(block, np.ma.MaskedArray) or len(target.filled):
        return False
    line = np.empty(pieces[:, 1].max(initial=0), kind)
    return bool(_copy_pieces(block.reshape(-1), pieces, table, line, target.values, *copying))


def count_pieces(pieces: NDArray[np.int32], hits: NDArray[np.unsignedinteger]) -> None:
    """Count a hit for each sample of these pieces."""
    _count_pieces(pieces, hits)


def flat(block: NDArray[np.generic]) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
    """The pixels of a block, row by row, and which of them are masked (empty if there is no mask)."""
    if isinstance(block, np.ma.MaskedArray):
        return np.asarray(block.data).reshape(-1), np.ma.getmaskarray(block).reshape(-1)
    return block.reshape(-1), _NO_MASK


@lru_cache(maxsize=256)
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
    """Smallest and largest result, as numbers that fit the type in which the kernel computes."""
    if number is float or dtype.kind == "f":
        return float(conversion.low), float(conversion.high)
    bounds = np.iinfo(dtype)  # type: ignore[type-var]
    low = max(conversion.low, bounds.min)
    return int(low), min(int(bounds.max), np.iinfo(np.int64).max)


@lru_cache(maxsize=256)
def _copying(
    conversion: Conversion, dtype: np.dtype[np.generic]
) -> tuple[bool, np.generic, tuple[np.generic, np.generic], np.generic] | None:
    """The last arguments of `_copy_pieces` if file and results both have this type; None if it cannot be used. It
    clamps stored numbers instead of results, so that they can be shifted without leaving a narrow integer type."""
    if dtype.kind not in "iu" or dtype.itemsize > 4 or conversion.offset != int(conversion.offset):
        return None
    bounds, offset = np.iinfo(dtype), int(conversion.offset)  # type: ignore[type-var]
    low, high = (int(limit) - offset for limit in result_limits(conversion, dtype, int))
    low, high = max(low, int(bounds.min)), min(high, int(bounds.max))
    if low > high:
        return None
    shift: np.generic = np.int64(offset).astype(dtype)
    return *stored_no_data(conversion, dtype), (dtype.type(low), dtype.type(high)), shift


@njit(cache=True, nogil=True)
def _gather(stored, mask, order, pixels, filled, values, hits, check, no_data, offset, low, high):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    for k in range(len(order)):
        n = order[k]
        # Checked before the access: the block ends with the last row that an unfilled sample needs.
        if len(filled) != 0 and filled[n] != 0:
            continue
        if len(mask) != 0 and mask[pixels[k]]:  # as long as `stored`, unless empty
            continue
        number = stored[pixels[k]]  # in bounds, since the block has the requested width and rows
        if not (check and number == no_data) and number == number:  # noqa: PLR0124 - NaN
            values[n] = min(max(number + offset, low), high)
            hits[n] += 1


@njit(cache=True, nogil=True)
def _gather_pieces(stored, mask, pieces, table, scratch, filled, values, hits, check, no_data, offset, low, high):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    """Kernel of `gather_pieces`. `scratch`: space for the numbers of one piece, in the type used for computing, and for
    their masks, initially False. The loops have no branches, so that the compiler can vectorise them."""
    line, hidden = scratch
    for piece in range(len(pieces)):
        first, count, pixel = np.uint64(pieces[piece, 0]), np.uint64(pieces[piece, 1]), np.uint64(pieces[piece, 2])
        if pixel >= np.uint64(len(stored)):  # the block ends before this row, which no unfilled sample needs
            continue
        listed = pieces[piece, 3]
        if listed < 0:
            for i in range(count):
                line[i] = stored[pixel + i]
        else:
            for i in range(count):
                line[i] = stored[pixel + np.uint64(table[np.uint64(listed) + i])]
        if len(mask) != 0:
            for i in range(count):
                hidden[i] = mask[pixel + (i if listed < 0 else np.uint64(table[np.uint64(listed) + i]))]
        if len(filled) == 0:
            for i in range(count):
                number, n = line[i], first + i
                data = (not hidden[i]) & (number == number) & (not (check & (number == no_data)))  # noqa: PLR0124 - NaN
                values[n] = min(max(number + offset, low), high)
                hits[n] += data
            continue
        for i in range(count):
            number, n = line[i], first + i
            data = (filled[n] == 0) & (not hidden[i]) & (number == number) & (not (check & (number == no_data)))  # noqa: PLR0124 - NaN
            result = min(max(number + offset, low), high)
            values[n] = result if data else values[n]
            hits[n] += data


@njit(cache=True, nogil=True)
def _copy_pieces(stored, pieces, table, line, values, check, no_data, limits, shift):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    """Like `_gather_pieces`, if no sample is filled, no pixel is masked, and all numbers have one narrow integer type,
    of which the processor's vectors hold many. Returns whether all are data, and stops if not. `line`: space for the
    numbers of one piece; `limits`: of stored numbers; `shift`: added to them, modulo the size of the type."""
    low, high = limits
    for piece in range(len(pieces)):
        first, count, pixel = np.uint64(pieces[piece, 0]), np.uint64(pieces[piece, 1]), np.uint64(pieces[piece, 2])
        if pixel >= np.uint64(len(stored)):  # as in `_gather_pieces`
            return False
        lacking = False
        if pieces[piece, 3] < 0:
            for i in range(count):
                number = stored[pixel + i]
                values[first + i] = min(max(number, low), high) + shift
                lacking |= number == no_data
        else:
            listed = np.uint64(pieces[piece, 3])
            for i in range(count):
                line[i] = stored[pixel + np.uint64(table[listed + i])]
            for i in range(count):
                number = line[i]
                values[first + i] = min(max(number, low), high) + shift
                lacking |= number == no_data
        if check and lacking:
            return False
    return True


@njit(cache=True, nogil=True)
def _count_pieces(pieces, hits):  # type: ignore[no-untyped-def]
    for piece in range(len(pieces)):
        first = np.uint64(pieces[piece, 0])
        for n in range(first, first + np.uint64(pieces[piece, 1])):
            hits[n] += 1
