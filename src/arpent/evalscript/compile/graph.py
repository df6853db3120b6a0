"""Graph: arithmetic on doubles and truth values, each distinct operation once, constants folded as JavaScript folds."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from arpent.evalscript.compile.tree import Unsupported

_MOST_MADE = 60_000
_MOST_LEAVES = 64
_COMPARISONS = frozenset({"equal", "less", "less_equal"})
_NUMBERS = frozenset({
    "constant", "input", "add", "subtract", "multiply", "divide", "remainder", "negate", "choose", "minimum", "maximum",
    "abs", "floor", "ceil", "trunc", "sqrt", "single", "number", "bit_and", "bit_or", "bit_xor", "shift_left",
    "shift_right", "shift_right_unsigned",
})  # fmt: skip
_COMMUTE = frozenset({"add", "multiply", "equal", "and", "or", "bit_and", "bit_or", "bit_xor"})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Node:
    """One operation; equal ones are the same object."""

    operation: str
    """Name in FOLD, or constant, input, true, false, choose, choose_truth."""
    operands: tuple[Node, ...] = ()
    """Operations it needs."""
    value: float = 0.0
    """Of a constant."""
    place: tuple[int, int] = (0, 0)
    """(column, row) of an input."""
    leaves: int = 0
    """If it can only be one of some constants: how many places they stand at; else 0."""
    serial: int
    """Order of creation: operands come before what needs them."""

    @property
    def is_number(self) -> bool:
        """A double, else a truth value."""
        return self.operation in _NUMBERS


def _divide(one: float, other: float) -> float:
    if other != 0:
        return one / other
    if one == 0 or math.isnan(one) or math.isnan(other):
        return math.nan
    return math.copysign(math.inf, one) * math.copysign(1, other)


def _remainder(one: float, other: float) -> float:
    if math.isnan(one) or math.isnan(other) or math.isinf(one) or other == 0:
        return math.nan
    return math.fmod(one, other)


def _least(one: float, other: float) -> float:
    if math.isnan(one) or math.isnan(other):
        return math.nan
    if one == other == 0:
        return one if math.copysign(1, one) < 0 else other
    return min(one, other)


def _greatest(one: float, other: float) -> float:
    return -_least(-one, -other)


def _whole(function: Callable[[float], int]) -> Callable[[float], float]:
    def apply(one: float) -> float:
        return math.copysign(float(function(one)), one) if math.isfinite(one) and one != 0 else one

    return apply


def _single(one: float) -> float:
    try:
        return float(struct.unpack("f", struct.pack("f", one))[0])
    except OverflowError:
        return math.copysign(math.inf, one)


def signed(one: float) -> int:
    """ToInt32."""
    if not math.isfinite(one):
        return 0
    low = int(one) & 0xFFFFFFFF
    return low - (1 << 32) if low >= 1 << 31 else low


FOLD: dict[str, Callable[..., float | bool]] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": _divide,
    "remainder": _remainder,
    "negate": lambda a: -a,
    "minimum": _least,
    "maximum": _greatest,
    "abs": abs,
    "floor": _whole(math.floor),
    "ceil": _whole(math.ceil),
    "trunc": _whole(math.trunc),
    "sqrt": lambda a: math.sqrt(a) if a >= 0 else math.nan,
    "single": _single,
    "number": float,
    "bit_and": lambda a, b: float(signed(a) & signed(b)),
    "bit_or": lambda a, b: float(signed(a) | signed(b)),
    "bit_xor": lambda a, b: float(signed(a) ^ signed(b)),
    "shift_left": lambda a, b: float(signed(float(signed(a) << (signed(b) & 31)))),
    "shift_right": lambda a, b: float(signed(a) >> (signed(b) & 31)),
    "shift_right_unsigned": lambda a, b: float((signed(a) & 0xFFFFFFFF) >> (signed(b) & 31)),
    "less": lambda a, b: a < b,
    "less_equal": lambda a, b: a <= b,
    "equal": lambda a, b: a == b,
    "same": lambda a, b: a == b,
    "truth": lambda a: not (a == 0 or math.isnan(a)),
    "not_a_number": math.isnan,
    "not": lambda a: not a,
    "and": lambda a, b: a and b,
    "or": lambda a, b: a or b,
}  # fmt: skip
"""Operation → what it gives for constants. `same` compares truth values."""


@dataclass(slots=True)
class Graph:
    """All operations of one script."""

    made: dict[tuple[object, ...], Node] = field(default_factory=dict)
    """By what they are."""

    def _node(self, operation: str, operands: tuple[Node, ...] = (), value: float = 0.0,
              place: tuple[int, int] = (0, 0)) -> Node:  # fmt: skip
        key = (operation, *map(id, operands), struct.pack("d", value), place)
        node = self.made.get(key)
        if node is None:
            if len(self.made) >= _MOST_MADE:
                raise Unsupported("too many operations")
            node = Node(
                operation=operation,
                operands=operands,
                value=value,
                place=place,
                leaves=_leaves(operation, operands),
                serial=len(self.made),
            )
            self.made[key] = node
        return node

    def constant(self, value: float) -> Node:
        """A double; all NaN are one."""
        return self._node("constant", value=math.nan if math.isnan(value) else float(value))

    def truth(self, value: bool) -> Node:
        """True or false."""
        return self._node("true" if value else "false")

    def input(self, column: int, row: int) -> Node:
        """A stored sample as a double, unscaled."""
        return self._node("input", place=(column, row))

    def make(self, operation: str, *operands: Node) -> Node:
        """An operation of FOLD."""
        known = [given(operand) for operand in operands]
        if all(value is not None for value in known):
            answer = FOLD[operation](*known)
            return self.truth(answer) if isinstance(answer, bool) else self.constant(answer)
        if operation in _COMPARISONS and all(operand.leaves for operand in operands):
            return self.among(operation, operands)
        if operation in ("and", "or", "not"):
            simple = self._simpler(operation, operands)
            if simple is not None:
                return simple
        if operation in _COMMUTE and operands[0].serial > operands[1].serial:
            operands = (operands[1], operands[0])
        return self._node(operation, operands)

    def among(self, operation: str, operands: tuple[Node, ...]) -> Node:
        """The operation of one of some constants and of constants, as a choice among its results."""
        place = next((place for place, operand in enumerate(operands) if operand.operation == "choose"), None)
        if place is None:
            return self.make(operation, *operands)
        condition, *sides = operands[place].operands
        results = [self.among(operation, (*operands[:place], side, *operands[place + 1 :])) for side in sides]
        return self.choose(condition, *results)

    def discrete(self, number: Node) -> Node:
        """The same number as a choice among constants, if it is one; otherwise itself."""
        if number.operation not in FOLD or number.leaves or not all(one.is_number for one in number.operands):
            return number
        operands = tuple(self.discrete(operand) for operand in number.operands)
        leaves = math.prod(operand.leaves for operand in operands)
        return self.among(number.operation, operands) if 0 < leaves <= _MOST_LEAVES else number

    def _simpler(self, operation: str, operands: tuple[Node, ...]) -> Node | None:
        """What logic says without knowing the samples."""
        first = operands[0]
        if operation == "not":
            return first.operands[0] if first.operation == "not" else None
        second = operands[1]
        absorbing = operation == "or"
        for one, other in ((first, second), (second, first)):
            if given(one) is not None:
                return one if given(one) is absorbing else other
        if first is second:
            return first
        opposite = first is negated(second) or second is negated(first)
        return self.truth(absorbing) if opposite else None

    def choose(self, condition: Node, yes: Node, no: Node) -> Node:
        """`condition ? yes : no`, both of one kind."""
        known = given(condition)
        if known is not None or yes is no:
            return yes if known else no
        if condition.operation == "not":
            return self.choose(condition.operands[0], no, yes)
        if yes.is_number:
            return self._node("choose", (condition, yes, no))
        return self._choose_truth(condition, yes, no)

    def _choose_truth(self, condition: Node, yes: Node, no: Node) -> Node:
        """By and and or, where a side is known."""
        opposite = self.make("not", condition)
        yes = self.truth(yes is condition) if yes in (condition, opposite) else yes
        no = self.truth(no is opposite) if no in (condition, opposite) else no
        if given(yes) is not None:
            return self.make("or", condition, no) if given(yes) else self.make("and", opposite, no)
        if given(no) is not None:
            return self.make("or", opposite, yes) if given(no) else self.make("and", condition, yes)
        return self._node("choose_truth", (condition, yes, no))


def _leaves(operation: str, operands: tuple[Node, ...]) -> int:
    if operation == "constant":
        return 1
    sides = [operand.leaves for operand in operands[1:]] if operation == "choose" else [0]
    return sum(sides) if all(sides) and sum(sides) <= _MOST_LEAVES else 0


def given(node: Node) -> float | bool | None:
    """The value, if it is a constant."""
    if node.operation == "constant":
        return node.value
    return {"true": True, "false": False}.get(node.operation)


def negated(node: Node) -> Node | None:
    """What this is the opposite of."""
    return node.operands[0] if node.operation == "not" else None


def needed(roots: list[Node]) -> list[Node]:
    """Everything the roots need, operands first."""
    found: dict[int, Node] = {}
    waiting = list(roots)
    while waiting:
        node = waiting.pop()
        if node.serial not in found:
            found[node.serial] = node
            waiting.extend(node.operands)
    return [found[serial] for serial in sorted(found)]
