"""Tracer: executes the top level of a script, then evaluatePixel once, for an unknown sample."""

from __future__ import annotations

from dataclasses import dataclass, field

from arpent.domain.evalscript import Evalscript, Mosaicking
from arpent.evalscript.compile.graph.operation import Operation, live_operations
from arpent.evalscript.compile.interpreter_effects import InterpreterEffects, find_interpreter_effects, seeing_changes
from arpent.evalscript.compile.javascript.evaluator import PartialEvaluator
from arpent.evalscript.compile.javascript.expressions import EXPRESSIONS
from arpent.evalscript.compile.javascript.functions import call_function
from arpent.evalscript.compile.javascript.scopes import declare_variable, find_variable, hoist_functions
from arpent.evalscript.compile.javascript.standard_library import GLOBAL_CONSTANTS, GLOBAL_OBJECTS, global_functions
from arpent.evalscript.compile.javascript.statements import STATEMENTS
from arpent.evalscript.compile.javascript.symbolic_memory import GlobalWrite, UndeclaredGlobal
from arpent.evalscript.compile.javascript.values import (
    ClassObject,
    Closure,
    GlobalObject,
    Intrinsic,
    JsValue,
    Scope,
    SpecialValue,
)
from arpent.evalscript.compile.returned_bands import ReturnedBands, collect_returned_bands
from arpent.evalscript.compile.sample_arguments import pixel_arguments
from arpent.evalscript.compile.syntax_tree import SyntaxTree, Unsupported, declared_names, var_names
from arpent.evalscript.layout import MemoryLayout

_MOST_OPERATIONS = 3000
_MOST_BANDS = 64
_MOST_ATTEMPTS = 16
_UNCHANGEABLE = (Operation, str, Closure, ClassObject, Intrinsic)
"""Types of values that code cannot change if it only reads the variable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptTracer:
    """Turns one script into operations, for any layout of its samples.

    If a script turns out to write global variables, tracing starts again with what it has learnt about them.
    """

    evalscript: Evalscript
    """What setup() declared, after updateOutput."""
    script: SyntaxTree
    """Syntax tree of the script."""
    prelude: SyntaxTree
    """Syntax tree of the built-in functions."""
    rewritten: set[str] = field(default_factory=set)
    """Global variables that a sample writes; it must write them before it reads them."""
    undeclared: set[str] = field(default_factory=set)
    """Global variables that the top level writes without declaring them."""

    def trace(self, layout: MemoryLayout) -> ReturnedBands:
        """The numbers that evaluatePixel returns. Raises Unsupported if only the interpreter can run the script."""
        if layout.width > _MOST_BANDS:
            raise Unsupported("very many bands")
        if "updateOutputMetadata" in self.evalscript.functions:
            raise Unsupported("updateOutputMetadata")
        effects = find_interpreter_effects(self.script)
        for _ in range(_MOST_ATTEMPTS):
            try:
                bands = self._attempt(layout, effects)
            except GlobalWrite as error:
                self._allow_rewriting(str(error))
            except UndeclaredGlobal as error:
                self._declare(str(error))
            except RecursionError:
                raise Unsupported("recursion") from None
            else:
                if len(live_operations([*bands.values, *bands.missing])) > _MOST_OPERATIONS:
                    raise Unsupported("too many operations")
                return bands
        raise Unsupported("too many variables that outlive a sample")

    def _allow_rewriting(self, name: str) -> None:
        if any(entry.mosaicking is not Mosaicking.SIMPLE for entry in self.evalscript.inputs):
            raise Unsupported("a variable outlives the sample")
        if name in self.rewritten:
            raise Unsupported(f"{name} outlives the sample")
        self.rewritten.add(name)

    def _declare(self, name: str) -> None:
        if name in self.undeclared or any(name in declared_names(tree) for tree in self.prelude.children):
            raise Unsupported(f"the top level writes {name}")
        self.undeclared.add(name)

    def _attempt(self, layout: MemoryLayout, effects: InterpreterEffects) -> ReturnedBands:
        evaluator = PartialEvaluator(expressions=EXPRESSIONS, statements=STATEMENTS, call_function=call_function)
        scope = self._run_top_level(evaluator, effects)
        evaluator.memory.freeze()
        for name in self.rewritten:
            declare_variable(evaluator, name, SpecialValue.UNSET, scope)
        evaluate_pixel = find_variable(evaluator, "evaluatePixel", scope)
        if evaluate_pixel is None:
            raise Unsupported("no evaluatePixel")
        arguments = pixel_arguments(evaluator, self.evalscript, layout)
        result = evaluator.call(evaluate_pixel.content, None, arguments)
        return collect_returned_bands(evaluator, self.evalscript, result)

    def _run_top_level(self, evaluator: PartialEvaluator, effects: InterpreterEffects) -> Scope:
        """The script's scope after its top level has been executed."""
        scope = Scope(outer=self._global_scope(evaluator))
        for name in (*var_names(self.script), *self.undeclared):
            declare_variable(evaluator, name, SpecialValue.UNDEFINED, scope)
        hoist_functions(evaluator, self.script.children, scope)
        for statement in self.script.children:
            try:
                _execute_or_hide(evaluator, statement, scope)
            except GlobalWrite as error:
                raise UndeclaredGlobal(str(error)) from None
        _hide_effects(evaluator, scope, effects)
        return scope

    def _global_scope(self, evaluator: PartialEvaluator) -> Scope:
        """The prelude's scope, inside that of JavaScript's own names. Its declarations are executed on first use."""
        contents: dict[str, JsValue] = {name: evaluator.constant(value) for name, value in GLOBAL_CONSTANTS.items()}
        contents |= {name: GlobalObject(name=name) for name in GLOBAL_OBJECTS}
        contents |= global_functions(evaluator)
        outermost = Scope(outer=None)
        for name, content in contents.items():
            declare_variable(evaluator, name, content, outermost, constant=True)
        deferred = {name: tree for tree in self.prelude.children for name in declared_names(tree)}
        return Scope(outer=outermost, deferred=deferred)


def _execute_or_hide(evaluator: PartialEvaluator, statement: SyntaxTree, scope: Scope) -> None:
    """Execute a top-level statement. If a declaration cannot be compiled, its names become unknown; for other
    statements, Unsupported is raised."""
    memory = evaluator.memory
    memory.enter_branch(evaluator.graph.truth(True), True)
    depth = len(memory.branches)
    try:
        evaluator.execute(statement, scope)
        reason = None
    except Unsupported as error:
        reason = error
    while len(memory.branches) > depth:
        memory.leave_branch()
    written = memory.leave_branch()
    if reason is None:
        for cell, content in written.items():
            memory.write(cell, content)
    elif statement.kind in ("lexical_declaration", "variable_declaration", "class_declaration"):
        for name in declared_names(statement):
            declare_variable(evaluator, name, SpecialValue.OPAQUE, scope)
    else:
        raise reason


def _hide_effects(evaluator: PartialEvaluator, scope: Scope, effects: InterpreterEffects) -> None:
    """Mark as unknown what setup() and the other functions run by the interpreter may have changed, under this name or
    another."""
    seeing = seeing_changes(scope, effects.written | effects.read)
    for name, variable in list(scope.variables.items()):
        read = name in effects.read and not isinstance(variable.content, _UNCHANGEABLE)
        if name in effects.written or read or name in seeing:
            declare_variable(evaluator, name, SpecialValue.OPAQUE, scope)
