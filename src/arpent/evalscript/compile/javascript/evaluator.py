"""Partial evaluator: dispatch by kind of syntax, and JavaScript's conversions and comparisons of unknown values."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from arpent.domain.boundary.text import whole_number
from arpent.evalscript.compile.graph.operation import Operation, constant_value
from arpent.evalscript.compile.graph.value_numbering import ValueGraph
from arpent.evalscript.compile.javascript.control_flow import Completion
from arpent.evalscript.compile.javascript.symbolic_memory import SymbolicMemory
from arpent.evalscript.compile.javascript.values import (
    ArrayObject,
    ClassObject,
    Closure,
    GlobalObject,
    Intrinsic,
    JsValue,
    PlainObject,
    Scope,
    SpecialValue,
    describe,
    is_nullish,
)
from arpent.evalscript.compile.syntax_tree import SyntaxTree, Unsupported

_DEEPEST_CALL = 24
_MOST_STEPS = 200_000
_LARGEST_EXACT = 1 << 53
_LARGEST_INTEGER = 1 << 30
_OBJECTS = (ArrayObject, PlainObject, Closure, ClassObject, Intrinsic, GlobalObject)
_CALLABLES = (Closure, ClassObject, Intrinsic)


@dataclass(slots=True, kw_only=True)
class PartialEvaluator:
    """Evaluates syntax trees over numbers that are not known yet. One evaluator serves one compilation.

    The tables that it is given say how to evaluate each kind of tree, so that the modules of the language need not
    import one another. Every method raises Unsupported for what only the interpreter can do.
    """

    expressions: Mapping[str, Callable[[PartialEvaluator, SyntaxTree, Scope], JsValue]]
    """Kind of tree → how to evaluate it."""
    statements: Mapping[str, Callable[[PartialEvaluator, SyntaxTree, Scope], Completion]]
    """Kind of tree → how to execute it."""
    call_function: Callable[[PartialEvaluator, object, object, Sequence[JsValue]], JsValue]
    """(evaluator, callee, receiver, arguments) → what the call returns; the callee is not a Phi."""
    graph: ValueGraph = field(default_factory=ValueGraph)
    """Operations created so far."""
    memory: SymbolicMemory = field(init=False)
    """Variables, arrays and objects."""
    depth: int = 0
    """Current depth of calls."""
    steps: int = 0
    """Expressions evaluated so far."""

    def __post_init__(self) -> None:
        self.memory = SymbolicMemory(self.graph)

    # ---- dispatch

    def evaluate(self, tree: SyntaxTree, scope: Scope) -> JsValue:
        """The value of an expression."""
        self.steps += 1
        if self.steps > _MOST_STEPS:
            raise Unsupported("too many steps")
        action = self.expressions.get(tree.kind)
        if action is None:
            raise Unsupported(tree.kind)
        return action(self, tree, scope)

    def execute(self, tree: SyntaxTree, scope: Scope) -> Completion:
        """Execute a statement; returns how it ends."""
        action = self.statements.get(tree.kind)
        if action is None:
            raise Unsupported(tree.kind)
        return action(self, tree, scope)

    def call(self, callee: object, receiver: object, arguments: Sequence[JsValue]) -> JsValue:
        """What a call returns; `receiver` is `this`, or None."""
        if self.depth >= _DEEPEST_CALL:
            raise Unsupported("recursion")
        self.depth += 1
        try:
            return self.map_phi(callee, lambda one: self.call_function(self, one, receiver, arguments))
        finally:
            self.depth -= 1

    def map_phi(self, value: object, action: Callable[[object], object]) -> JsValue:
        """Apply an action to each possible value: SymbolicMemory.map_phi for actions that return a JsValue."""
        result: JsValue = self.memory.map_phi(value, action)  # type: ignore[assignment]
        return result

    def map_phi_pair(self, one: object, other: object, action: Callable[[object, object], object]) -> JsValue:
        """Apply an action to each possible pair of values."""
        return self.map_phi(one, lambda left: self.map_phi(other, lambda right: action(left, right)))

    def evaluate_either(self, condition: Operation, yes: Callable[[], JsValue], no: Callable[[], JsValue]) -> JsValue:
        """`condition ? yes() : no()`; a side that cannot be reached is not evaluated."""
        truth = self.memory.known_truth(condition)
        if truth is not None:
            return yes() if truth else no()
        sides = self.memory.run_both(condition, yes, no)
        result: JsValue = self.memory.merge(condition, *sides)  # type: ignore[assignment]
        return result

    # ---- conversions, named as in the language's specification

    def constant(self, value: float) -> Operation:
        """A known number as an operation."""
        return self.graph.constant(value)

    def to_number(self, value: object) -> Operation:
        """JavaScript's ToNumber: the value as a double."""
        return _operation(self.map_phi(value, self._to_number))

    def _to_number(self, value: object) -> Operation:
        if isinstance(value, Operation):
            return value if value.is_number else self.graph.make("truth_to_number", value)
        if value is SpecialValue.UNDEFINED or value is SpecialValue.HOLE:
            return self.constant(math.nan)
        if value is SpecialValue.NULL:
            return self.constant(0)
        raise Unsupported(f"{describe(value)} as a number")

    def to_boolean(self, value: object) -> Operation:
        """JavaScript's ToBoolean: the value as a truth value."""
        return _operation(self.map_phi(value, self._to_boolean))

    def _to_boolean(self, value: object) -> Operation:
        if isinstance(value, Operation):
            return self.graph.make("number_to_truth", value) if value.is_number else value
        if isinstance(value, str):
            return self.graph.truth(value != "")
        if is_nullish(value) or value is SpecialValue.HOLE:
            return self.graph.truth(False)
        if isinstance(value, _OBJECTS):
            return self.graph.truth(True)
        raise Unsupported(f"{describe(value)} as a condition")

    def to_property_key(self, value: object) -> str:
        """ToPropertyKey of a known value: text or an integer."""
        value = self.memory.resolve(value)
        if isinstance(value, str):
            return value
        number = constant_value(value) if isinstance(value, Operation) and value.is_number else None
        if number is None or isinstance(number, bool) or not number.is_integer() or abs(number) >= _LARGEST_EXACT:
            raise Unsupported(f"{describe(value)} as a text")
        return str(int(number))

    def to_known_integer(self, value: object, default: int | None = None) -> int:
        """ToIntegerOrInfinity of a known value; undefined gives `default`."""
        value = self.memory.resolve(value)
        if value is SpecialValue.UNDEFINED and default is not None:
            return default
        number = constant_value(self.to_number(value))
        if number is None or math.isnan(number) or abs(number) > _LARGEST_INTEGER:
            raise Unsupported("a number that must be known is not")
        return int(number)

    # ---- comparisons

    def type_of(self, value: object) -> str:
        """`typeof` of a value that is not a Phi."""
        if isinstance(value, Operation):
            return "number" if value.is_number else "boolean"
        if isinstance(value, str):
            return "string"
        if value is SpecialValue.UNDEFINED or value is SpecialValue.HOLE:
            return "undefined"
        if isinstance(value, _CALLABLES) or (isinstance(value, GlobalObject) and value.name != "Math"):
            return "function"
        if value is SpecialValue.NULL or isinstance(value, (ArrayObject, PlainObject, GlobalObject)):
            return "object"
        raise Unsupported(f"typeof {describe(value)}")

    def strictly_equal(self, one: object, other: object) -> Operation:
        """`one === other` as a truth value."""
        return _operation(self.map_phi_pair(one, other, self._strictly_equal))

    def loosely_equal(self, one: object, other: object) -> Operation:
        """`one == other` as a truth value."""
        return _operation(self.map_phi_pair(one, other, self._loosely_equal))

    def _strictly_equal(self, one: object, other: object) -> Operation:
        if self.type_of(one) != self.type_of(other):
            return self.graph.truth(False)
        if isinstance(one, Operation) and isinstance(other, Operation):
            return self.graph.make("equal" if one.is_number else "equal_truth", one, other)
        return self.graph.truth(one == other if isinstance(one, str) else one is other)

    def _loosely_equal(self, one: object, other: object) -> Operation:
        if self.type_of(one) == self.type_of(other):
            return self._strictly_equal(one, other)
        if is_nullish(one) or is_nullish(other):
            return self.graph.truth(is_nullish(one) and is_nullish(other))
        return self.graph.make("equal", self._to_number(one), self._to_number(other))

    # ---- contents

    def array_items(self, value: object) -> tuple[JsValue, ...]:
        """The items of an array whose length is known."""
        content = self.memory.map_phi(value, self._array_items)
        if not isinstance(content, tuple):
            raise Unsupported("an array whose length depends on the sample")
        if SpecialValue.HOLE in content:
            raise Unsupported("an array with holes")
        return content

    def _array_items(self, value: object) -> object:
        if not isinstance(value, ArrayObject):
            raise Unsupported(f"{describe(value)} as an array")
        return self.memory.map_phi(value.content, lambda items: items)

    def object_properties(self, value: object) -> dict[str, JsValue]:
        """The properties of an object whose property names are known."""
        value = self.memory.resolve(value)
        if not isinstance(value, PlainObject):
            raise Unsupported(f"{describe(value)} as an object")
        content = self.memory.resolve(value.content)
        if not isinstance(content, dict) or value.partial:
            raise Unsupported("an object whose properties depend on the sample")
        return content

    def property_names(self, value: object) -> list[str]:
        """Names of an object's properties in JavaScript's order."""
        names = list(self.object_properties(value))
        if any(whole_number(name) is not None for name in names):
            raise Unsupported("listing an object whose names are numbers")
        return names


def _operation(value: JsValue) -> Operation:
    """The value, which must be a double or a truth value."""
    assert isinstance(value, Operation)
    return value
