"""Memory: what has been written, under which conditions; branches are executed one after the other and merged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from arpent.evalscript.compile.graph import Graph, Node, given
from arpent.evalscript.compile.tree import Unsupported
from arpent.evalscript.compile.values import Box, List, Phi, Record, Special, Value, Variable

_LARGEST_PHI = 64
_LONGEST = 10_000
_LONG_AGO = 1 << 40
_Answer = TypeVar("_Answer")


class Undeclared(Exception):
    """The top level writes a name that it does not declare; it is the argument."""


class Rewritten(Exception):
    """A sample writes a variable that outlives it; its name is the argument."""


@dataclass(slots=True, kw_only=True, eq=False)
class Branch:
    """A condition under which we are."""

    since: int
    """Boxes made before it are merged at its end."""
    old: dict[Box, object] = field(default_factory=dict)
    """What boxes held when it began."""
    assumed: list[Node] = field(default_factory=list)
    """Nodes whose truth is known while it lasts."""


@dataclass(slots=True)
class Memory:
    """Boxes and branches of one compilation."""

    graph: Graph
    """Where choices are made."""
    branches: list[Branch] = field(default_factory=list)
    """Innermost last."""
    known: dict[Node, bool] = field(default_factory=dict)
    """What the branches assume."""
    stamp: int = 0
    """Boxes made so far."""
    frozen: int = 0
    """Boxes made up to here outlive a sample."""

    def variable(self, name: str, content: Value, constant: bool = False) -> Variable:
        """A new binding."""
        self.stamp += 1
        return Variable(name=name, content=content, constant=constant, stamp=self.stamp)

    def list(self, items: tuple[Value, ...]) -> List:
        """A new array."""
        if len(items) > _LONGEST:
            raise Unsupported("a very long array")
        self.stamp += 1
        return List(content=items, stamp=self.stamp)

    def record(self, properties: dict[str, Value]) -> Record:
        """A new object."""
        self.stamp += 1
        return Record(content=properties, stamp=self.stamp)

    def freeze(self) -> None:
        """From now on nothing that exists may change."""
        self.frozen = self.stamp

    def write(self, box: Box, content: object) -> None:
        """Change a box, under the conditions that hold."""
        if box.stamp <= self.frozen:
            if isinstance(box, Variable):
                raise Rewritten(box.name)
            raise Unsupported("an object that outlives the sample is changed")
        if isinstance(content, tuple) and len(content) > _LONGEST:
            raise Unsupported("a very long array")
        if self.branches and box.stamp <= self.branches[-1].since:
            self.branches[-1].old.setdefault(box, box.content)
        box.content = content

    def aside(self, action: Callable[[], None]) -> None:
        """Do something that belongs before everything else; what it makes may not change later."""
        before = self.stamp, self.frozen, self.branches
        self.stamp, self.frozen, self.branches = -_LONG_AGO, -2 * _LONG_AGO, []
        try:
            action()
        finally:
            self.stamp, self.frozen, self.branches = before

    # ---- branches

    def begin(self, condition: Node, truth: bool) -> None:
        """Assume that the condition has this truth."""
        branch = Branch(since=self.stamp)
        self._assume(condition, truth, branch)
        self.branches.append(branch)

    def _assume(self, condition: Node, truth: bool, branch: Branch) -> None:
        if condition.operation == "not":
            self._assume(condition.operands[0], not truth, branch)
            return
        if condition not in self.known:
            self.known[condition] = truth
            branch.assumed.append(condition)
        if condition.operation == ("and" if truth else "or"):
            for operand in condition.operands:
                self._assume(operand, truth, branch)

    def end(self) -> dict[Box, object]:
        """Undo what was written since begin(); what it was."""
        branch = self.branches.pop()
        for node in branch.assumed:
            del self.known[node]
        new = {box: box.content for box in branch.old}
        for box, content in branch.old.items():
            box.content = content
        return new

    def close(self, condition: Node) -> None:
        """End a branch that had no other side."""
        self.join(condition, self.end(), {})

    def join(self, condition: Node, yes: dict[Box, object], no: dict[Box, object]) -> None:
        """Write what either side wrote."""
        for box in {**yes, **no}:
            self.write(box, self.merge(condition, yes.get(box, box.content), no.get(box, box.content)))

    def fork(self, condition: Node, yes: Callable[[], _Answer], no: Callable[[], _Answer]) -> tuple[_Answer, _Answer]:
        """Execute both sides; their answers, not merged. The condition must not be known."""
        self.begin(condition, True)
        first = yes()
        written = self.end()
        self.begin(condition, False)
        second = no()
        self.join(condition, written, self.end())
        return first, second

    # ---- values

    def truth(self, condition: Node) -> bool | None:
        """What is known of a condition here."""
        truth = given(condition)
        if truth is not None:
            return bool(truth)
        if condition.operation == "not":
            inner = self.truth(condition.operands[0])
            return None if inner is None else not inner
        return self.known.get(condition)

    def resolve(self, value: object) -> object:
        """The value without the choices that are already made."""
        while True:
            if isinstance(value, Phi):
                truth, sides = self.truth(value.condition), (value.no, value.yes)
            elif isinstance(value, Node) and value.operation == "choose":
                truth, sides = self.truth(value.operands[0]), (value.operands[2], value.operands[1])
            else:
                return value
            if truth is None:
                return value
            value = sides[truth]

    def merge(self, condition: Node, yes: object, no: object) -> object:
        """`condition ? yes : no`, for values and for contents of boxes."""
        truth = self.truth(condition)
        if truth is not None:
            return yes if truth else no
        if yes is no or (isinstance(yes, str) and yes == no):
            return yes
        if isinstance(yes, Node) and isinstance(no, Node) and yes.is_number == no.is_number:
            return self.graph.choose(condition, yes, no)
        if isinstance(yes, tuple) and isinstance(no, tuple) and len(yes) == len(no):
            return tuple(self.merge(condition, *pair) for pair in zip(yes, no, strict=True))
        if isinstance(yes, dict) and isinstance(no, dict) and list(yes) == list(no):
            return {name: self.merge(condition, yes[name], no[name]) for name in yes}
        size = _size(yes) + _size(no)
        if size > _LARGEST_PHI:
            raise Unsupported("too many different values for one name")
        return Phi(condition=condition, yes=yes, no=no, size=size)

    def each(self, value: object, action: Callable[[object], object]) -> object:
        """Apply an action to every value this may be; the answers, merged."""
        value = self.resolve(value)
        if not isinstance(value, Phi):
            return action(value)
        phi = value
        sides = self.fork(phi.condition, lambda: self.each(phi.yes, action), lambda: self.each(phi.no, action))
        return self.merge(phi.condition, *sides)


def _size(value: object) -> int:
    return value.size if isinstance(value, Phi) else 1


def is_nothing(value: object) -> bool:
    """Null or undefined."""
    return value in (Special.NULL, Special.UNDEFINED)
