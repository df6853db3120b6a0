"""Machine: the state of one compilation, the coercions of JavaScript, and the doors to its other parts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from arpent.evalscript.compile.completion import Completion
from arpent.evalscript.compile.graph import Graph, Node, given
from arpent.evalscript.compile.memory import Memory, is_nothing
from arpent.evalscript.compile.tree import Tree, Unsupported
from arpent.evalscript.compile.values import (
    Builtin,
    Class,
    Function,
    List,
    Namespace,
    Phi,
    Record,
    Scope,
    Special,
    Value,
)

_DEEPEST = 24
_MOST_STEPS = 200_000
_OBJECTS = (List, Record, Function, Class, Builtin, Namespace)
_FUNCTIONS = (Function, Class, Builtin)


@dataclass(slots=True, kw_only=True)
class Machine:
    """Evaluates trees over unknown numbers."""

    expressions: Mapping[str, Callable[[Machine, Tree, Scope], Value]]
    """Kind of tree → how to evaluate it."""
    statements: Mapping[str, Callable[[Machine, Tree, Scope], Completion]]
    """Kind of tree → how to execute it."""
    invoke: Callable[[Machine, object, object, Sequence[Value]], Value]
    """Call of something, with a receiver and arguments."""
    member: Callable[[Machine, object, str], Value]
    """Property of something by name."""
    graph: Graph = field(default_factory=Graph)
    """Operations."""
    memory: Memory = field(init=False)
    """Variables and objects."""
    depth: int = 0
    """Calls under way."""
    steps: int = 0
    """Expressions evaluated so far."""

    def __post_init__(self) -> None:
        self.memory = Memory(self.graph)

    # ---- doors

    def evaluate(self, tree: Tree, scope: Scope) -> Value:
        """An expression's value."""
        self.steps += 1
        if self.steps > _MOST_STEPS:
            raise Unsupported("too long a way")
        action = self.expressions.get(tree.kind)
        if action is None:
            raise Unsupported(tree.kind)
        return action(self, tree, scope)

    def execute(self, tree: Tree, scope: Scope) -> Completion:
        """What a statement does."""
        action = self.statements.get(tree.kind)
        if action is None:
            raise Unsupported(tree.kind)
        return action(self, tree, scope)

    def call(self, callee: object, receiver: object, arguments: Sequence[Value]) -> Value:
        """A call, no deeper than is sensible."""
        if self.depth >= _DEEPEST:
            raise Unsupported("recursion")
        self.depth += 1
        try:
            return self.each(callee, lambda one: self.invoke(self, one, receiver, arguments))
        finally:
            self.depth -= 1

    def each(self, value: object, action: Callable[[object], object]) -> Value:
        """Memory.each for values."""
        answer: Value = self.memory.each(value, action)  # type: ignore[assignment]
        return answer

    def choice(self, condition: Node, yes: Callable[[], Value], no: Callable[[], Value]) -> Value:
        """`condition ? yes() : no()`, executing only what may happen."""
        truth = self.memory.truth(condition)
        if truth is not None:
            return yes() if truth else no()
        answer: Value = self.memory.merge(condition, *self.memory.fork(condition, yes, no))  # type: ignore[assignment]
        return answer

    # ---- values

    def constant(self, value: float) -> Node:
        """A number."""
        return self.graph.constant(value)

    def number(self, value: object) -> Node:
        """ToNumber."""
        answer = self.each(value, self._number)
        assert isinstance(answer, Node)
        return answer

    def _number(self, value: object) -> Node:
        if isinstance(value, Node):
            return value if value.is_number else self.graph.make("number", value)
        if value is Special.UNDEFINED or value is Special.HOLE:
            return self.constant(float("nan"))
        if value is Special.NULL:
            return self.constant(0)
        raise Unsupported(f"{shown(value)} as a number")

    def truthy(self, value: object) -> Node:
        """ToBoolean."""
        answer = self.each(value, self._truthy)
        assert isinstance(answer, Node)
        return answer

    def _truthy(self, value: object) -> Node:
        if isinstance(value, Node):
            return self.graph.make("truth", value) if value.is_number else value
        if isinstance(value, str):
            return self.graph.truth(value != "")
        if is_nothing(value) or value is Special.HOLE:
            return self.graph.truth(False)
        if isinstance(value, _OBJECTS):
            return self.graph.truth(True)
        raise Unsupported(f"{shown(value)} as a condition")

    def kind(self, value: object) -> str:
        """`typeof`, of something that is no Phi."""
        if isinstance(value, Node):
            return "number" if value.is_number else "boolean"
        if isinstance(value, str):
            return "string"
        if value is Special.UNDEFINED or value is Special.HOLE:
            return "undefined"
        if isinstance(value, _FUNCTIONS):
            return "function"
        if value is Special.NULL or isinstance(value, (List, Record, Namespace)):
            return "object"
        raise Unsupported(f"typeof {shown(value)}")

    def identical(self, one: object, other: object) -> Node:
        """`===`."""
        answer = self.each(one, lambda left: self.each(other, lambda right: self._identical(left, right)))
        assert isinstance(answer, Node)
        return answer

    def _identical(self, one: object, other: object) -> Node:
        kinds = self.kind(one), self.kind(other)
        if kinds[0] != kinds[1]:
            return self.graph.truth(False)
        if isinstance(one, Node) and isinstance(other, Node):
            return self.graph.make("equal" if one.is_number else "same", one, other)
        return self.graph.truth(one == other if isinstance(one, str) else one is other)

    def alike(self, one: object, other: object) -> Node:
        """`==`."""
        answer = self.each(one, lambda left: self.each(other, lambda right: self._alike(left, right)))
        assert isinstance(answer, Node)
        return answer

    def _alike(self, one: object, other: object) -> Node:
        if self.kind(one) == self.kind(other):
            return self._identical(one, other)
        if is_nothing(one) or is_nothing(other):
            return self.graph.truth(is_nothing(one) and is_nothing(other))
        return self.graph.make("equal", self._number(one), self._number(other))

    def key(self, value: object) -> str:
        """A constant as the name of a property."""
        value = self.memory.resolve(value)
        if isinstance(value, str):
            return value
        number = given(value) if isinstance(value, Node) and value.is_number else None
        if number is None or isinstance(number, bool) or not number.is_integer() or abs(number) >= 1 << 53:
            raise Unsupported(f"{shown(value)} as a text")
        return str(int(number))

    def whole(self, value: object, default: int | None = None) -> int:
        """A constant integer, truncated as ToInteger does."""
        value = self.memory.resolve(value)
        if value is Special.UNDEFINED and default is not None:
            return default
        number = given(self.number(value))
        if number is None or math.isnan(number) or abs(number) > 1 << 30:
            raise Unsupported("a number that must be known is not")
        return int(number)

    # ---- contents

    def items(self, value: object) -> tuple[Value, ...]:
        """An array's items, if their number is known."""
        content = self.memory.each(value, self._items)
        if not isinstance(content, tuple):
            raise Unsupported("an array whose length depends on the sample")
        if Special.HOLE in content:
            raise Unsupported("an array with holes")
        return content

    def _items(self, value: object) -> object:
        if not isinstance(value, List):
            raise Unsupported(f"{shown(value)} as an array")
        return self.memory.each(value.content, lambda items: items)

    def properties(self, value: object) -> dict[str, Value]:
        """An object's properties, if their names are known."""
        value = self.memory.resolve(value)
        if not isinstance(value, Record):
            raise Unsupported(f"{shown(value)} as an object")
        content = self.memory.resolve(value.content)
        if not isinstance(content, dict) or value.partial:
            raise Unsupported("an object whose properties depend on the sample")
        return content


def shown(value: object) -> str:
    """For messages."""
    if isinstance(value, Special):
        return value.value
    if isinstance(value, Node):
        return "a number" if value.is_number else "a truth value"
    return "one of several things" if isinstance(value, Phi) else f"a {type(value).__name__.lower()}"
