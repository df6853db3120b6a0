"""Trace: a script's top level is executed, then evaluatePixel once, for samples that are not known."""

from __future__ import annotations

from dataclasses import dataclass, field

from arpent.domain.evalscript import Evalscript, Mosaicking
from arpent.evalscript.compile.answer import Answer, answer_of
from arpent.evalscript.compile.expression import EXPRESSIONS
from arpent.evalscript.compile.function import find, hoist, invoke
from arpent.evalscript.compile.graph import Node, needed
from arpent.evalscript.compile.machine import Machine
from arpent.evalscript.compile.memory import Rewritten, Undeclared
from arpent.evalscript.compile.outside import Outside, outside_of
from arpent.evalscript.compile.property import member
from arpent.evalscript.compile.sample import arguments_of
from arpent.evalscript.compile.standard import NAMESPACES, NUMBERS, functions
from arpent.evalscript.compile.statement import STATEMENTS
from arpent.evalscript.compile.tree import Tree, Unsupported, bound_names, declared_by_var
from arpent.evalscript.compile.values import Builtin, Class, Function, Namespace, Scope, Special, Value
from arpent.evalscript.layout import MemoryLayout

_MOST_OPERATIONS = 3000
_MOST_WIDTH = 64
_PRIMITIVE = (Node, str, Function, Class, Builtin)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracer:
    """Compiles one script to operations, for any layout of its samples."""

    evalscript: Evalscript
    """What setup() declared, after updateOutput."""
    script: Tree
    """Its text."""
    prelude: Tree
    """The built-ins' text."""
    rewritten: set[str] = field(default_factory=set)
    """Variables that a sample writes before it reads them."""
    implicit: set[str] = field(default_factory=set)
    """Variables that the top level makes without declaring them."""

    def trace(self, layout: MemoryLayout) -> Answer:
        """The numbers that come back. Raises Unsupported."""
        if layout.width > _MOST_WIDTH:
            raise Unsupported("very many bands")
        if "updateOutputMetadata" in self.evalscript.functions:
            raise Unsupported("updateOutputMetadata")
        outside = outside_of(self.script)
        for _ in range(16):
            try:
                answer = self._attempt(layout, outside)
            except Rewritten as error:
                self._rewrite(str(error))
            except Undeclared as error:
                self._declare(str(error))
            except RecursionError:
                raise Unsupported("recursion") from None
            else:
                if len(needed([*answer.values, *answer.missing])) > _MOST_OPERATIONS:
                    raise Unsupported("too many operations")
                return answer
        raise Unsupported("too many variables that outlive a sample")

    def _rewrite(self, name: str) -> None:
        if any(entry.mosaicking is not Mosaicking.SIMPLE for entry in self.evalscript.inputs):
            raise Unsupported("a variable outlives the sample")
        if name in self.rewritten:
            raise Unsupported(f"{name} outlives the sample")
        self.rewritten.add(name)

    def _declare(self, name: str) -> None:
        if name in self.implicit or any(name in _names(tree) for tree in self.prelude.children):
            raise Unsupported(f"the top level writes {name}")
        self.implicit.add(name)

    def _attempt(self, layout: MemoryLayout, outside: Outside) -> Answer:
        machine = Machine(expressions=EXPRESSIONS, statements=STATEMENTS, invoke=invoke, member=member)
        scope = self._load(machine, outside)
        machine.memory.freeze()
        for name in self.rewritten:
            scope.names[name] = machine.memory.variable(name, Special.UNSET)
        pixel = find(machine, "evaluatePixel", scope)
        if pixel is None:
            raise Unsupported("no evaluatePixel")
        arguments = arguments_of(machine, self.evalscript, layout)
        result = machine.call(pixel.content, None, arguments)
        return answer_of(machine, self.evalscript, result)

    def _load(self, machine: Machine, outside: Outside) -> Scope:
        """The user's scope once the text has been executed."""
        scope = Scope(outer=self._surroundings(machine))
        for name in (*declared_by_var(self.script), *self.implicit):
            scope.names[name] = machine.memory.variable(name, Special.UNDEFINED)
        hoist(machine, self.script.children, scope)
        for statement in self.script.children:
            try:
                self._top(machine, statement, scope)
            except Rewritten as error:
                raise Undeclared(str(error)) from None
        _hide(machine, scope, outside)
        return scope

    def _surroundings(self, machine: Machine) -> Scope:
        """JavaScript's own names, then the prelude's."""
        contents: dict[str, Value] = {name: machine.constant(value) for name, value in NUMBERS.items()}
        contents |= {name: Namespace(name=name) for name in NAMESPACES}
        contents |= functions(machine)
        own = Scope(outer=None)
        for name, content in contents.items():
            own.names[name] = machine.memory.variable(name, content, True)
        return Scope(outer=own, waiting={name: tree for tree in self.prelude.children for name in _names(tree)})

    def _top(self, machine: Machine, statement: Tree, scope: Scope) -> None:
        """A declaration that cannot be compiled hides its names; anything else ends the attempt."""
        memory = machine.memory
        memory.begin(machine.graph.truth(True), True)
        depth = len(memory.branches)
        try:
            machine.execute(statement, scope)
            reason = None
        except Unsupported as error:
            reason = error
        while len(memory.branches) > depth:
            memory.end()
        written = memory.end()
        if reason is None:
            for box, content in written.items():
                memory.write(box, content)
        elif statement.kind in ("lexical_declaration", "variable_declaration", "class_declaration"):
            for name in _names(statement):
                scope.names[name] = memory.variable(name, Special.OPAQUE)
        else:
            raise reason


def _names(tree: Tree) -> list[str]:
    if tree.kind in ("function_declaration", "class_declaration"):
        return [tree["name"].text]
    return [name for child in tree.children for name in bound_names(child)]


def _hide(machine: Machine, scope: Scope, outside: Outside) -> None:
    """What setup() and its like may have changed is not known."""
    for name in outside.written | outside.read:
        variable = scope.names.get(name)
        if variable is not None and (name in outside.written or not isinstance(variable.content, _PRIMITIVE)):
            scope.names[name] = machine.memory.variable(name, Special.OPAQUE)
