"""Constant folding: computes each operation on known doubles, bit for bit as JavaScript does."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable


def _divided(one: float, other: float) -> float:
    if other != 0:
        return one / other
    if one == 0 or math.isnan(one) or math.isnan(other):
        return math.nan
    return math.copysign(math.inf, one) * math.copysign(1, other)


def _modulo(one: float, other: float) -> float:
    if math.isnan(one) or math.isnan(other) or math.isinf(one) or other == 0:
        return math.nan
    return math.fmod(one, other)


def _minimum(one: float, other: float) -> float:
    """The smaller number, as Math.min returns it: NaN if either is NaN; -0 is less than 0."""
    if math.isnan(one) or math.isnan(other):
        return math.nan
    if one == other == 0:
        return one if math.copysign(1, one) < 0 else other
    return min(one, other)


def _rounding(function: Callable[[float], int]) -> Callable[[float], float]:
    """A rounding that keeps the sign of zero, and leaves NaN and infinities unchanged."""

    def apply(one: float) -> float:
        return math.copysign(float(function(one)), one) if math.isfinite(one) and one != 0 else one

    return apply


def _to_float32(one: float) -> float:
    try:
        return float(struct.unpack("f", struct.pack("f", one))[0])
    except OverflowError:
        return math.copysign(math.inf, one)


def to_int32(one: float) -> int:
    """JavaScript's ToInt32: the whole part modulo 2^32 as a signed integer; 0 for NaN and infinities."""
    return (to_uint32(one) ^ 1 << 31) - (1 << 31)


def to_uint32(one: float) -> int:
    """JavaScript's ToUint32: the whole part modulo 2^32; 0 for NaN and infinities."""
    return int(one) & 0xFFFFFFFF if math.isfinite(one) else 0


def _shifted_left(one: float, other: float) -> float:
    return float(to_int32(float(to_int32(one) << (to_uint32(other) & 31))))


FOLDS: dict[str, Callable[..., float | bool]] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": _divided,
    "remainder": _modulo,
    "negate": lambda a: -a,
    "minimum": _minimum,
    "maximum": lambda a, b: -_minimum(-a, -b),
    "abs": abs,
    "floor": _rounding(math.floor),
    "ceil": _rounding(math.ceil),
    "trunc": _rounding(math.trunc),
    "sqrt": lambda a: math.sqrt(a) if a >= 0 else math.nan,
    "to_float32": _to_float32,
    "truth_to_number": float,
    "bit_and": lambda a, b: float(to_int32(a) & to_int32(b)),
    "bit_or": lambda a, b: float(to_int32(a) | to_int32(b)),
    "bit_xor": lambda a, b: float(to_int32(a) ^ to_int32(b)),
    "shift_left": _shifted_left,
    "shift_right": lambda a, b: float(to_int32(a) >> (to_uint32(b) & 31)),
    "shift_right_unsigned": lambda a, b: float(to_uint32(a) >> (to_uint32(b) & 31)),
    "less": lambda a, b: a < b,
    "less_equal": lambda a, b: a <= b,
    "equal": lambda a, b: a == b,
    "equal_truth": lambda a, b: a == b,
    "number_to_truth": lambda a: not (a == 0 or math.isnan(a)),
    "is_nan": math.isnan,
    "not": lambda a: not a,
    "and": lambda a, b: a and b,
    "or": lambda a, b: a or b,
}
"""Opcode → (constant operands) → result. `equal_truth`, `not`, `and`, `or` take truth values, the others doubles;
`truth_to_number` takes either."""
