"""Value numbering: each distinct operation exists once; constants are folded, conditions simplified."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field

from arpent.evalscript.compile.graph.constant_folding import FOLDS
from arpent.evalscript.compile.graph.operation import Operation, constant_value
from arpent.evalscript.compile.syntax_tree import Unsupported

_MOST_OPERATIONS_MADE = 60_000
_MOST_LEAVES = 64
_COMPARISONS = frozenset({"equal", "less", "less_equal"})
_COMMUTATIVE = frozenset({"add", "multiply", "equal", "and", "or", "bit_and", "bit_or", "bit_xor"})


@dataclass(slots=True)
class ValueGraph:
    """All operations of one script. The same operation requested twice gives the same object.

    Raises Unsupported if a script needs too many operations.
    """

    numbered: dict[tuple[object, ...], Operation] = field(default_factory=dict)
    """(opcode, operands, value, source) → the operation."""

    def _operation(self, opcode: str, operands: tuple[Operation, ...] = (), value: float = 0.0,
                   source: tuple[int, int] = (0, 0)) -> Operation:  # fmt: skip
        key = (opcode, *map(id, operands), struct.pack("d", value), source)
        operation = self.numbered.get(key)
        if operation is None:
            if len(self.numbered) >= _MOST_OPERATIONS_MADE:
                raise Unsupported("too many operations")
            operation = Operation(
                opcode=opcode,
                operands=operands,
                value=value,
                source=source,
                leaves=_leaves(opcode, operands),
                value_number=len(self.numbered),
            )
            self.numbered[key] = operation
        return operation

    def constant(self, value: float) -> Operation:
        """A constant double; all NaN are one object."""
        return self._operation("constant", value=math.nan if math.isnan(value) else float(value))

    def truth(self, value: bool) -> Operation:
        """The truth value true or false as an operation."""
        return self._operation("true" if value else "false")

    def input(self, column: int, row: int) -> Operation:
        """A stored sample as a double, not yet scaled."""
        return self._operation("input", source=(column, row))

    def make(self, opcode: str, *operands: Operation) -> Operation:
        """The result of an opcode of FOLDS: a constant if all operands are constants, otherwise the simplest equal
        operation."""
        known = [constant_value(operand) for operand in operands]
        if all(value is not None for value in known):
            result = FOLDS[opcode](*known)
            return self.truth(result) if isinstance(result, bool) else self.constant(result)
        if opcode in _COMPARISONS and all(operand.leaves for operand in operands):
            return self._make_of_each_leaf(opcode, operands)
        if opcode in ("and", "or", "not"):
            simple = self._simplified(opcode, operands)
            if simple is not None:
                return simple
        if opcode in _COMMUTATIVE and operands[0].value_number > operands[1].value_number:
            operands = (operands[1], operands[0])
        return self._operation(opcode, operands)

    def _make_of_each_leaf(self, opcode: str, operands: tuple[Operation, ...]) -> Operation:
        """`(c ? 1 : 2) + 3` as `c ? 4 : 5`: apply the operation to each constant that an operand may be."""
        place = next((place for place, operand in enumerate(operands) if operand.opcode == "select"), None)
        if place is None:
            return self.make(opcode, *operands)
        condition, *sides = operands[place].operands
        results = [self._make_of_each_leaf(opcode, (*operands[:place], side, *operands[place + 1 :])) for side in sides]
        return self.select(condition, *results)

    def as_constant_choice(self, number: Operation) -> Operation:
        """The double as a select among constants, if it can only be a few; otherwise the operation itself."""
        if number.opcode not in FOLDS or number.leaves or not all(one.is_number for one in number.operands):
            return number
        operands = tuple(self.as_constant_choice(operand) for operand in number.operands)
        leaves = math.prod(operand.leaves for operand in operands)
        return self._make_of_each_leaf(number.opcode, operands) if 0 < leaves <= _MOST_LEAVES else number

    def _simplified(self, opcode: str, operands: tuple[Operation, ...]) -> Operation | None:
        """What not, and, or simplify to by the rules of logic, whatever the samples; None if they do not."""
        first = operands[0]
        if opcode == "not":
            return _negated(first)
        second = operands[1]
        absorbing = opcode == "or"
        for one, other in ((first, second), (second, first)):
            if constant_value(one) is not None:
                return one if constant_value(one) is absorbing else other
        if first is second:
            return first
        opposite = first is _negated(second) or second is _negated(first)
        return self.truth(absorbing) if opposite else None

    def select(self, condition: Operation, yes: Operation, no: Operation) -> Operation:
        """`condition ? yes : no`; both are doubles, or both are truth values."""
        known = constant_value(condition)
        if known is not None or yes is no:
            return yes if known else no
        if condition.opcode == "not":
            return self.select(condition.operands[0], no, yes)
        if yes.is_number:
            return self._operation("select", (condition, yes, no))
        return self._select_truth(condition, yes, no)

    def _select_truth(self, condition: Operation, yes: Operation, no: Operation) -> Operation:
        """A select of truth values as `and` and `or`, where one side is known."""
        opposite = self.make("not", condition)
        yes = self.truth(yes is condition) if yes in (condition, opposite) else yes
        no = self.truth(no is opposite) if no in (condition, opposite) else no
        if constant_value(yes) is not None:
            return self.make("or", condition, no) if constant_value(yes) else self.make("and", opposite, no)
        if constant_value(no) is not None:
            return self.make("or", opposite, yes) if constant_value(no) else self.make("and", condition, yes)
        return self._operation("select_truth", (condition, yes, no))


def _leaves(opcode: str, operands: tuple[Operation, ...]) -> int:
    if opcode == "constant":
        return 1
    sides = [operand.leaves for operand in operands[1:]] if opcode == "select" else [0]
    return sum(sides) if all(sides) and sum(sides) <= _MOST_LEAVES else 0


def _negated(operation: Operation) -> Operation | None:
    """The operand of a `not`; None for other operations."""
    return operation.operands[0] if operation.opcode == "not" else None
