"""Vectors: loops over samples that keep several running values in vector registers, written directly for LLVM. Numba's
own loops are vectorised only if all these values are in memory and are loaded and stored for each sample.

The functions are called by other kernels. Samples are arranged in turns: sample `i` belongs to lane `i % LANES`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

WIDTH = 8
"""Lanes per vector, as on the widest processors; for others, LLVM divides it into several vectors."""
VECTORS = 2
"""Vectors per turn: enough to keep a processor busy while it waits for a sum."""
LANES = WIDTH * VECTORS
"""Number of running values of each kind, and of samples per turn."""

_DOUBLES = ir.VectorType(ir.DoubleType(), WIDTH)
_BITS = ir.VectorType(ir.IntType(64), WIDTH)
_INDEX, _PLACE = ir.IntType(64), ir.IntType(32)
_ALIGNED = 8
"""Alignment of vectors in bytes: arrays guarantee no more."""
_FUSED = ("contract",)
"""Flags that allow multiplication and addition to be fused; used only where both are exact."""

_Step = Callable[[ir.IRBuilder, ir.Value, Sequence[ir.Value]], Sequence[ir.Value]]
"""(builder, samples of one turn, running values) → the next running values."""


def _extremes_of(_context: Any, samples: Any, turns: Any, out: Any) -> Any:
    """Write the minimum, the maximum, the count and the smallest non-zero magnitude of each lane to `out` (4, LANES);
    for a lane without samples: inf, -inf, 0 and inf. NaN does not count as a sample. `samples` (turns * LANES,)."""

    def lower(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        starts = [_all(math.inf), _all(-math.inf), _all(0.0), _all(math.inf)]
        begin, end = (_pointer(context, builder, signature, arguments, place) for place in (0, 2))
        _over_lanes(builder, begin, arguments[1], end, starts, _extremes)
        return context.get_dummy_value()

    return types.void(samples, turns, out), lower


extremes = cast("Callable[[NDArray[np.float64], int, NDArray[np.float64]], None]", intrinsic(_extremes_of))


def _cut_sums_of(_context: Any, samples: Any, turns: Any, cut: Any, out: Any) -> Any:
    """Write four sums of each lane to `out` (4, LANES): of the samples, and of h * h, h * l and l * l, where a sample
    is h + l, and h is the sample rounded by adding and then subtracting `cut`. NaN counts as 0. `samples`
    (turns * LANES,)."""

    def lower(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        cuts = ir.Constant(_DOUBLES, ir.Undefined)
        for lane in range(WIDTH):
            cuts = builder.insert_element(cuts, arguments[2], _PLACE(lane))
        begin, end = (_pointer(context, builder, signature, arguments, place) for place in (0, 3))
        _over_lanes(builder, begin, arguments[1], end, [_all(0.0)] * 4, partial(_cut_sums, cuts))
        return context.get_dummy_value()

    return types.void(samples, turns, cut, out), lower


cut_sums = cast("Callable[[NDArray[np.float64], int, float, NDArray[np.float64]], None]", intrinsic(_cut_sums_of))


def _extremes(builder: ir.IRBuilder, x: ir.Value, running: Sequence[ir.Value]) -> Sequence[ir.Value]:
    low, high, count, least = running
    bits = builder.and_(builder.bitcast(x, _BITS), ir.Constant(_BITS, [(1 << 63) - 1] * WIDTH))
    size = builder.bitcast(bits, _DOUBLES)
    size = builder.select(builder.fcmp_ordered("==", size, _all(0.0)), _all(math.inf), size)
    one = builder.select(builder.fcmp_ordered("ord", x, x), _all(1.0), _all(0.0))
    return (
        builder.select(builder.fcmp_ordered("<", x, low), x, low),
        builder.select(builder.fcmp_ordered(">", x, high), x, high),
        builder.fadd(count, one),
        builder.select(builder.fcmp_ordered("<", size, least), size, least),
    )


def _cut_sums(cuts: ir.Value, builder: ir.IRBuilder, x: ir.Value, running: Sequence[ir.Value]) -> Sequence[ir.Value]:
    total, *products = running
    x = builder.select(builder.fcmp_ordered("ord", x, x), x, _all(0.0))
    high = builder.fsub(builder.fadd(x, cuts), cuts)
    low = builder.fsub(x, high)
    pairs = ((high, high), (high, low), (low, low))
    return (
        builder.fadd(total, x),
        *(builder.fadd(sums, builder.fmul(a, b, _FUSED), _FUSED) for sums, (a, b) in zip(products, pairs, strict=True)),
    )


def _over_lanes(
    builder: ir.IRBuilder, samples: ir.Value, turns: ir.Value, out: ir.Value, starts: Sequence[ir.Value], step: _Step
) -> None:
    """Apply `step` for all turns, one vector of lanes after the other, and write the final running values to `out`."""
    for first in range(0, LANES, WIDTH):
        begin, turn_of, after = builder.block, builder.append_basic_block(), builder.append_basic_block()
        builder.cbranch(builder.icmp_signed(">", turns, _INDEX(0)), turn_of, after)
        builder.position_at_end(turn_of)
        turn, running = builder.phi(_INDEX), [builder.phi(_DOUBLES) for _ in starts]
        place = builder.add(builder.mul(turn, _INDEX(LANES)), _INDEX(first))
        found = step(builder, builder.load(_vector(builder, samples, place), align=_ALIGNED), running)
        following = builder.add(turn, _INDEX(1))
        for phi, start, result in zip([turn, *running], [_INDEX(0), *starts], [following, *found], strict=True):
            phi.add_incoming(start, begin)
            phi.add_incoming(result, turn_of)
        builder.cbranch(builder.icmp_signed("<", following, turns), turn_of, after)
        builder.position_at_end(after)
        ends = []
        for start, result in zip(starts, found, strict=True):
            last = builder.phi(_DOUBLES)
            last.add_incoming(start, begin)
            last.add_incoming(result, turn_of)
            ends.append(last)
        for row, last in enumerate(ends):
            builder.store(last, _vector(builder, out, _INDEX(row * LANES + first)), align=_ALIGNED)


def _pointer(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any, place: int) -> ir.Value:
    """Pointer to the first element of an argument that is a contiguous array of doubles."""
    return context.make_array(signature.args[place])(context, builder, arguments[place]).data


def _vector(builder: ir.IRBuilder, numbers: ir.Value, first: ir.Value) -> ir.Value:
    """Pointer to the vector that begins at element `first`."""
    return builder.bitcast(builder.gep(numbers, [first]), _DOUBLES.as_pointer())


def _all(number: float) -> ir.Constant:
    return ir.Constant(_DOUBLES, [number] * WIDTH)
