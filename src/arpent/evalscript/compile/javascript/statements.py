"""Statements: executes each kind of statement, and says how it ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from arpent.evalscript.compile.graph.operation import Operation
from arpent.evalscript.compile.javascript.control_flow import (
    Completion,
    Jump,
    jump_away,
    normal_completion,
    run_conditional,
    run_loop,
    run_sequence,
)
from arpent.evalscript.compile.javascript.evaluator import PartialEvaluator
from arpent.evalscript.compile.javascript.patterns import assign_pattern, bind_pattern
from arpent.evalscript.compile.javascript.scopes import declare_class, declare_variable, hoist_functions
from arpent.evalscript.compile.javascript.values import JsValue, PlainObject, Scope, SpecialValue
from arpent.evalscript.compile.syntax_tree import SyntaxTree, Unsupported, declared_names

_EFFECTS = frozenset({
    "update_expression", "assignment_expression", "augmented_assignment_expression", "call_expression",
    "new_expression",
})  # fmt: skip
_DECLARATIONS = frozenset({"function_declaration", "class_declaration"})
_JUMPS: Mapping[str, Jump] = {"break": "break", "continue": "continue"}


def run_statements(evaluator: PartialEvaluator, trees: Sequence[SyntaxTree], scope: Scope) -> Completion:
    """Run the statements of one scope in sequence; its functions are declared first."""
    hoist_functions(evaluator, trees, scope)
    for tree in trees:
        if tree.kind in ("lexical_declaration", "class_declaration"):
            for name in declared_names(tree):  # until its declaration, the name refers to nothing
                declare_variable(evaluator, name, SpecialValue.OPAQUE, scope)
    return run_sequence(evaluator.memory, (partial(evaluator.execute, tree, scope) for tree in trees))


def _run_block(evaluator: PartialEvaluator, tree: SyntaxTree, scope: Scope) -> Completion:
    """`{ … }`, with a scope of its own. Raises Unsupported for a function declared in it, which would also become a
    variable of the enclosing function."""
    if any(child.kind == "function_declaration" for child in tree.children):
        raise Unsupported("a function declared in a block")
    return run_statements(evaluator, tree.children, Scope(outer=scope))


def _run_nothing(evaluator: PartialEvaluator, _tree: SyntaxTree, _scope: Scope) -> Completion:
    return normal_completion(evaluator.memory)


def _run_expression(evaluator: PartialEvaluator, tree: SyntaxTree, scope: Scope) -> Completion:
    for child in tree.children:
        evaluator.evaluate(child, scope)
    return normal_completion(evaluator.memory)


def _run_variables(evaluator: PartialEvaluator, tree: SyntaxTree, scope: Scope) -> Completion:
    """`var`, `let`, `const`. Variables of `var` exist already: they were declared when the function was entered."""
    keyword = tree.tokens[0]
    for declarator in tree.children:
        value = declarator.fields.get("value")
        if value is None and keyword == "var":
            continue
        content = SpecialValue.UNDEFINED if value is None else evaluator.evaluate(value, scope)
        if keyword == "var":
            assign_pattern(evaluator, declarator["name"], content, scope)
        else:
            bind_pattern(evaluator, declarator["name"], content, scope, constant=keyword == "const")
    return normal_completion(evaluator.memory)


def _run_class(evaluator: PartialEvaluator, tree: SyntaxTree, scope: Scope) -> Completion:
    declare_class(evaluator, tree, scope)
    return normal_completion(evaluator.memory)


def _run_if(evaluator: PartialEvaluator, tree: SyntaxTree, scope: Scope) -> Completion:
    condition = evaluator.to_boolean(evaluator.evaluate(tree["condition"], scope))
    alternative = tree.fields.get("alternative")
    if any(one.kind == "function_declaration" for one in (tree["consequence"], *(alternative or tree).children)):
        raise Unsupported("a function declared in a branch")

    def no() -> Completion:
        if alternative is None:
            return normal_completion(evaluator.memory)
        return evaluator.execute(alternative.children[0], scope)

    return run_conditional(evaluator.memory, condition, lambda: evaluator.execute(tree["consequence"], scope), no)


def _run_return(evaluator: PartialEvaluator, tree: SyntaxTree, scope: Scope) -> Completion:
    value = evaluator.evaluate(tree.children[0], scope) if tree.children else SpecialValue.UNDEFINED
    return jump_away(evaluator.memory, "return", value)


def _run_jump(evaluator: PartialEvaluator, tree: SyntaxTree, _scope: Scope) -> Completion:
    if tree.children:
        raise Unsupported("a label")
    return jump_away(evaluator.memory, _JUMPS[tree.tokens[0]])


def _run_try(evaluator: PartialEvaluator, tree: SyntaxTree, scope: Scope) -> Completion:
    """`try`: runs the body only, because nothing that can be compiled throws. Raises Unsupported for `finally`."""
    completion = evaluator.execute(tree["body"], scope)
    if "finalizer" in tree.fields:
        raise Unsupported("finally")
    return completion


# ---- loops


def _run_for(evaluator: PartialEvaluator, tree: SyntaxTree, scope: Scope) -> Completion:
    inner = Scope(outer=scope)
    initializer, test, increment = (tree.fields.get(name) for name in ("initializer", "condition", "increment"))
    if initializer is not None and initializer.kind in evaluator.statements:
        evaluator.execute(initializer, inner)
    elif initializer is not None:
        evaluator.evaluate(initializer, inner)
    started = False

    def condition() -> Operation:
        nonlocal started, inner
        if started:
            inner = _copied_scope(evaluator, inner)
            if increment is not None:
                evaluator.evaluate(increment, inner)
        started = True
        if test is None or test.kind in ("empty_statement", ";"):
            return evaluator.graph.truth(True)
        expression = test.children[0] if test.kind == "expression_statement" else test
        return evaluator.to_boolean(evaluator.evaluate(expression, inner))

    return run_loop(evaluator.memory, condition, lambda: evaluator.execute(tree["body"], inner))


def _copied_scope(evaluator: PartialEvaluator, scope: Scope) -> Scope:
    """A copy of the scope's variables: each iteration has its own, and closures keep the old ones."""
    copied = Scope(outer=scope.outer)
    for name, variable in scope.variables.items():
        content: JsValue = variable.content  # type: ignore[assignment]
        declare_variable(evaluator, name, content, copied, constant=variable.constant)
    return copied


def _run_for_of_or_in(evaluator: PartialEvaluator, tree: SyntaxTree, scope: Scope) -> Completion:
    right = evaluator.evaluate(tree["right"], scope)
    over_items = tree["operator"].text == "of"
    values = evaluator.array_items(right) if over_items else _enumerated_keys(evaluator, right)
    turn = -1

    def test() -> Operation:
        nonlocal turn
        turn += 1
        if over_items and evaluator.array_items(right) != values:
            raise Unsupported("an array that changes while a loop runs over it")
        return evaluator.graph.truth(turn < len(values))

    def body() -> Completion:
        inner, keyword = Scope(outer=scope), tree.fields.get("kind")
        if keyword is None or keyword.text == "var":
            assign_pattern(evaluator, tree["left"], values[turn], inner)
        else:
            bind_pattern(evaluator, tree["left"], values[turn], inner, constant=keyword.text == "const")
        return evaluator.execute(tree["body"], inner)

    return run_loop(evaluator.memory, test, body)


def _enumerated_keys(evaluator: PartialEvaluator, value: JsValue) -> tuple[JsValue, ...]:
    """What `for … in` enumerates: names of properties, or indices of items."""
    if isinstance(evaluator.memory.resolve(value), PlainObject):
        return tuple(evaluator.property_names(value))
    return tuple(str(place) for place in range(len(evaluator.array_items(value))))


def _run_while(evaluator: PartialEvaluator, tree: SyntaxTree, scope: Scope) -> Completion:
    def test() -> Operation:
        return evaluator.to_boolean(evaluator.evaluate(tree["condition"], scope))

    return run_loop(evaluator.memory, test, lambda: evaluator.execute(tree["body"], scope))


def _run_do(evaluator: PartialEvaluator, tree: SyntaxTree, scope: Scope) -> Completion:
    started = False

    def test() -> Operation:
        nonlocal started
        if not started:
            started = True
            return evaluator.graph.truth(True)
        return evaluator.to_boolean(evaluator.evaluate(tree["condition"], scope))

    return run_loop(evaluator.memory, test, lambda: evaluator.execute(tree["body"], scope))


# ---- switch


def _run_switch(evaluator: PartialEvaluator, tree: SyntaxTree, scope: Scope) -> Completion:
    value = evaluator.evaluate(tree["value"], scope)
    inner, graph = Scope(outer=scope), evaluator.graph
    cases = tree["body"].children
    if any(case.kind == "switch_default" for case in cases[:-1]):
        raise Unsupported("default before other cases")
    if any(one.kind in _EFFECTS for case in cases if "value" in case.fields for one in case["value"].walk()):
        raise Unsupported("a case with effects, which are only sometimes reached")
    if any(one.kind in _DECLARATIONS for case in cases for one in case.children):
        raise Unsupported("a declaration in a case, which holds for all of the switch")
    _check_own_variables(cases)
    found, falls_through = graph.truth(False), graph.truth(False)

    def step(case: SyntaxTree) -> Completion:
        nonlocal found, falls_through
        hit = graph.make("not", found)
        if case.kind == "switch_case":
            same = evaluator.strictly_equal(value, evaluator.evaluate(case["value"], inner))
            hit = graph.make("and", hit, same)
        found = graph.make("or", found, hit)
        enters = graph.make("or", hit, falls_through)
        body = case.children[1:] if case.kind == "switch_case" else case.children
        completion = run_conditional(
            evaluator.memory,
            enters,
            lambda: run_statements(evaluator, body, inner),
            lambda: normal_completion(evaluator.memory),
        )
        falls_through = graph.make("and", enters, completion.normal)
        return completion

    completion = run_sequence(evaluator.memory, (partial(step, case) for case in cases))
    after = completion.normal
    for one in completion.abrupt:
        after = graph.make("or", after, one.condition) if one.jump == "break" else after
    return Completion(normal=after, abrupt=tuple(one for one in completion.abrupt if one.jump != "break"))


def _check_own_variables(cases: Sequence[SyntaxTree]) -> None:
    """Raises Unsupported for a `let` or `const` whose name occurs in another case, or in the value of its own case. The
    variable exists there, but has no value unless its case falls through."""
    for case in cases:
        own = {name for one in case.children if one.kind == "lexical_declaration" for name in declared_names(one)}
        elsewhere = [other for other in cases if other is not case]
        elsewhere += [case["value"]] if case.kind == "switch_case" else []
        named = (one.text for other in elsewhere for one in other.walk() if "identifier" in one.kind)
        if own and not own.isdisjoint(named):
            raise Unsupported("a variable that one case declares and another names")


STATEMENTS: Mapping[str, Callable[[PartialEvaluator, SyntaxTree, Scope], Completion]] = {
    "statement_block": _run_block,
    "expression_statement": _run_expression,
    "lexical_declaration": _run_variables,
    "variable_declaration": _run_variables,
    "function_declaration": _run_nothing,
    "class_declaration": _run_class,
    "empty_statement": _run_nothing,
    "if_statement": _run_if,
    "return_statement": _run_return,
    "break_statement": _run_jump,
    "continue_statement": _run_jump,
    "try_statement": _run_try,
    "for_statement": _run_for,
    "for_in_statement": _run_for_of_or_in,
    "while_statement": _run_while,
    "do_statement": _run_do,
    "switch_statement": _run_switch,
}
"""Kind of tree → (evaluator, tree, scope) → how it ends."""
