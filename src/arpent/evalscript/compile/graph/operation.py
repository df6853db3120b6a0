"""Operation: one node of the value graph, and what can be asked of a node."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

_NUMBERS = frozenset({
    "constant", "input", "add", "subtract", "multiply", "divide", "remainder", "negate", "select", "minimum", "maximum",
    "abs", "floor", "ceil", "trunc", "sqrt", "to_float32", "truth_to_number", "bit_and", "bit_or", "bit_xor",
    "shift_left", "shift_right", "shift_right_unsigned",
})  # fmt: skip
_TRUTHS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Operation:
    """One operation on doubles and truth values. Made by ValueGraph only: equal operations are the same object."""

    opcode: str
    """A key of FOLDS, or constant, input, true, false, select (of doubles), select_truth (of truth values)."""
    operands: tuple[Operation, ...] = ()
    """What it computes with; of a select: condition, value if true, value if false."""
    value: float = 0.0
    """Of a constant."""
    source: tuple[int, int] = (0, 0)
    """Of an input: (column, row) of the stored sample."""
    leaves: int = 0
    """If it is a constant, or selects among constants only: how many constants there are; else 0."""
    value_number: int
    """Position in the order of creation: operands have smaller numbers."""

    @property
    def is_number(self) -> bool:
        """Whether it gives a double; else it gives a truth value."""
        return self.opcode in _NUMBERS


def constant_value(operation: Operation) -> float | bool | None:
    """The value, if it is known while compiling; else None."""
    if operation.opcode == "constant":
        return operation.value
    return _TRUTHS.get(operation.opcode)


def live_operations(roots: Iterable[Operation]) -> list[Operation]:
    """The roots and everything they need, operands first."""
    found: dict[int, Operation] = {}
    waiting = list(roots)
    while waiting:
        operation = waiting.pop()
        if operation.value_number not in found:
            found[operation.value_number] = operation
            waiting.extend(operation.operands)
    return [found[number] for number in sorted(found)]
