"""Symbolic memory: what cells hold under which conditions. Both sides of a branch run; phi nodes then join them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from arpent.evalscript.compile.graph.operation import Operation, constant_value
from arpent.evalscript.compile.graph.value_numbering import ValueGraph
from arpent.evalscript.compile.javascript.values import ArrayObject, Cell, JsValue, Phi, PlainObject, Variable
from arpent.evalscript.compile.syntax_tree import Unsupported

_LARGEST_PHI = 64
_LONGEST_ARRAY = 10_000
_PROGRAM_START = -(1 << 40)
_Result = TypeVar("_Result")


class GlobalWrite(Exception):
    """A sample writes a variable that outlives it; the argument is the name of the variable."""


class UndeclaredGlobal(Exception):
    """The top level writes a name that it does not declare; the argument is the name."""


@dataclass(slots=True, kw_only=True, eq=False)
class Branch:
    """A condition that is assumed while one side of a branch runs."""

    since: int
    """Number of cells at its start. Newer cells are its own: writes to them need not be undone."""
    overwritten: dict[Cell, object] = field(default_factory=dict)
    """Older cells that it wrote → their content before."""
    assumed: list[Operation] = field(default_factory=list)
    """Operations whose truth is known inside the branch."""


@dataclass(slots=True)
class SymbolicMemory:
    """The cells and branches of one compilation."""

    graph: ValueGraph
    """Graph in which select operations are created."""
    branches: list[Branch] = field(default_factory=list)
    """The path condition, innermost branch last."""
    known: dict[Operation, bool] = field(default_factory=dict)
    """Truth values that the branches assume."""
    created: int = 0
    """Number of cells created so far."""
    frozen: int = 0
    """Cells created up to this number outlive a sample and cannot be written."""

    def new_variable(self, name: str, content: JsValue, constant: bool = False) -> Variable:
        """A new variable; it becomes visible when a scope holds it."""
        self.created += 1
        return Variable(name=name, content=content, constant=constant, created=self.created)

    def new_array(self, items: tuple[JsValue, ...]) -> ArrayObject:
        """A new array. Raises Unsupported for a very long one."""
        if len(items) > _LONGEST_ARRAY:
            raise Unsupported("a very long array")
        self.created += 1
        return ArrayObject(content=items, created=self.created)

    def new_object(self, properties: dict[str, JsValue]) -> PlainObject:
        """A new object with these properties."""
        self.created += 1
        return PlainObject(content=properties, created=self.created)

    def freeze(self) -> None:
        """Forbid changes to everything that exists now."""
        self.frozen = self.created

    def write(self, cell: Cell, content: object) -> None:
        """Change a cell on the current path. Raises GlobalWrite or Unsupported for a cell that outlives the sample."""
        if cell.created <= self.frozen:
            if isinstance(cell, Variable):
                raise GlobalWrite(cell.name)
            raise Unsupported("an object that outlives the sample is changed")
        if isinstance(content, tuple) and len(content) > _LONGEST_ARRAY:
            raise Unsupported("a very long array")
        if self.branches and cell.created <= self.branches[-1].since:
            self.branches[-1].overwritten.setdefault(cell, cell.content)
        cell.content = content

    def at_program_start(self, action: Callable[[], None]) -> None:
        """Run an action as if it came before everything else; what it creates cannot be changed later."""
        before = self.created, self.frozen, self.branches
        self.created, self.frozen, self.branches = _PROGRAM_START, 2 * _PROGRAM_START, []
        try:
            action()
        finally:
            self.created, self.frozen, self.branches = before

    # ---- branches

    def enter_branch(self, condition: Operation, truth: bool) -> None:
        """Assume that the condition has this truth value until the branch is left."""
        branch = Branch(since=self.created)
        self._assume(condition, truth, branch)
        self.branches.append(branch)

    def _assume(self, condition: Operation, truth: bool, branch: Branch) -> None:
        if condition.opcode == "not":
            self._assume(condition.operands[0], not truth, branch)
            return
        if condition not in self.known:
            self.known[condition] = truth
            branch.assumed.append(condition)
        if condition.opcode == ("and" if truth else "or"):
            for operand in condition.operands:
                self._assume(operand, truth, branch)

    def leave_branch(self) -> dict[Cell, object]:
        """Leave the innermost branch and undo its writes; returns what it wrote."""
        branch = self.branches.pop()
        for operation in branch.assumed:
            del self.known[operation]
        written = {cell: cell.content for cell in branch.overwritten}
        for cell, content in branch.overwritten.items():
            cell.content = content
        return written

    def close_branch(self, condition: Operation) -> None:
        """Leave a branch that has no other side, and keep its writes under its condition."""
        self.join_branches(condition, self.leave_branch(), {})

    def join_branches(self, condition: Operation, yes: dict[Cell, object], no: dict[Cell, object]) -> None:
        """Write what either side wrote, each under its condition."""
        for cell in {**yes, **no}:
            self.write(cell, self.merge(condition, yes.get(cell, cell.content), no.get(cell, cell.content)))

    def run_both(
        self, condition: Operation, yes: Callable[[], _Result], no: Callable[[], _Result]
    ) -> tuple[_Result, _Result]:
        """Run both sides and join their writes; returns both results. The condition must not be known."""
        self.enter_branch(condition, True)
        first = yes()
        written = self.leave_branch()
        self.enter_branch(condition, False)
        second = no()
        self.join_branches(condition, written, self.leave_branch())
        return first, second

    # ---- values

    def known_truth(self, condition: Operation) -> bool | None:
        """Truth of a condition on the current path; None if it is not known."""
        truth = constant_value(condition)
        if truth is not None:
            return bool(truth)
        if condition.opcode == "not":
            inner = self.known_truth(condition.operands[0])
            return None if inner is None else not inner
        return self.known.get(condition)

    def resolve(self, value: object) -> object:
        """The value, with every choice resolved that is decided on the current path."""
        while True:
            if isinstance(value, Phi):
                truth, sides = self.known_truth(value.condition), (value.no, value.yes)
            elif isinstance(value, Operation) and value.opcode == "select":
                truth, sides = self.known_truth(value.operands[0]), (value.operands[2], value.operands[1])
            else:
                return value
            if truth is None:
                return value
            value = sides[truth]

    def merge(self, condition: Operation, yes: object, no: object) -> object:
        """`condition ? yes : no` for values and contents of cells: a select if possible, otherwise a Phi."""
        truth = self.known_truth(condition)
        if truth is not None:
            return yes if truth else no
        if yes is no or (isinstance(yes, str) and yes == no):
            return yes
        if isinstance(yes, Operation) and isinstance(no, Operation) and yes.is_number == no.is_number:
            return self.graph.select(condition, yes, no)
        if isinstance(yes, tuple) and isinstance(no, tuple) and len(yes) == len(no):
            return tuple(self.merge(condition, *pair) for pair in zip(yes, no, strict=True))
        if isinstance(yes, dict) and isinstance(no, dict) and list(yes) == list(no):
            return {name: self.merge(condition, yes[name], no[name]) for name in yes}
        size = _alternatives(yes) + _alternatives(no)
        if size > _LARGEST_PHI:
            raise Unsupported("too many different values for one name")
        return Phi(condition=condition, yes=yes, no=no, size=size)

    def map_phi(self, value: object, action: Callable[[object], object]) -> object:
        """Apply an action to each possible value, under its condition; returns the merged results."""
        value = self.resolve(value)
        if not isinstance(value, Phi):
            return action(value)
        phi = value
        sides = self.run_both(
            phi.condition, lambda: self.map_phi(phi.yes, action), lambda: self.map_phi(phi.no, action)
        )
        return self.merge(phi.condition, *sides)


def _alternatives(value: object) -> int:
    return value.size if isinstance(value, Phi) else 1
