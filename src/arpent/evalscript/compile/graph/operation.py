"""Operation: one node of the value graph, and functions that inspect nodes."""

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
    """One operation on doubles and truth values. Only ValueGraph creates them: equal operations are the same object."""

    opcode: str
    """A key of FOLDS, or constant, input, true, false, select (of doubles), select_truth (of truth values)."""
    operands: tuple[Operation, ...] = ()
    """Its inputs; of a select: condition, value if true, value if false."""
    value: float = 0.0
    """Value of a constant."""
    source: tuple[int, int] = (0, 0)
    """Of an input: (column, row) of the stored sample."""
    leaves: int = 0
    """Number of constants, if it is a constant or selects among constants only; otherwise 0."""
    value_number: int
    """Position in the order of creation: operands have smaller numbers."""

    @property
    def is_number(self) -> bool:
        """Whether the result is a double; otherwise it is a truth value."""
        return self.opcode in _NUMBERS


def constant_value(operation: Operation) -> float | bool | None:
    """The value, if it is known at compile time; otherwise None."""
    if operation.opcode == "constant":
        return operation.value
    return _TRUTHS.get(operation.opcode)


def live_operations(roots: Iterable[Operation]) -> list[Operation]:
    """The roots and all operations that they need, operands first."""
    found: dict[int, Operation] = {}
    waiting = list(roots)
    while waiting:
        operation = waiting.pop()
        if operation.value_number not in found:
            found[operation.value_number] = operation
            waiting.extend(operation.operands)
    return [found[number] for number in sorted(found)]
