"""Functions: evaluates calls, by inlining them, and `new`."""

from __future__ import annotations

from collections.abc import Sequence

from arpent.evalscript.compile.graph.operation import Operation, constant_value
from arpent.evalscript.compile.javascript.evaluator import PartialEvaluator
from arpent.evalscript.compile.javascript.patterns import bind_pattern
from arpent.evalscript.compile.javascript.scopes import declare_variable
from arpent.evalscript.compile.javascript.standard_library import call_global_object
from arpent.evalscript.compile.javascript.statements import run_statements
from arpent.evalscript.compile.javascript.values import (
    ClassObject,
    Closure,
    GlobalObject,
    Intrinsic,
    JsValue,
    Scope,
    SpecialValue,
    describe,
)
from arpent.evalscript.compile.syntax_tree import FUNCTION_KINDS, SyntaxTree, Unsupported, pattern_names, var_names


def call_function(
    evaluator: PartialEvaluator, callee: object, receiver: object, arguments: Sequence[JsValue]
) -> JsValue:
    """What a call returns; the callee is not a Phi. PartialEvaluator.call calls this, and limits the depth."""
    if isinstance(callee, Intrinsic):
        return callee.action(arguments)
    if isinstance(callee, GlobalObject):
        return call_global_object(evaluator, callee.name, arguments)
    if not isinstance(callee, Closure):
        raise Unsupported(f"calling {describe(callee)}")
    scope = Scope(outer=callee.scope)
    if callee.tree.kind != "arrow_function":
        this: JsValue = SpecialValue.OPAQUE if receiver is None else receiver  # type: ignore[assignment]
        declare_variable(evaluator, "this", this, scope, constant=True)
        declare_variable(evaluator, "arguments", SpecialValue.OPAQUE, scope, constant=True)
    _bind_parameters(evaluator, callee.tree, arguments, scope)
    body = callee.tree["body"]
    if body.kind != "statement_block":
        return evaluator.evaluate(body, scope)
    _check_one_scope(callee.tree)
    for name in var_names(body):
        scope.variables.setdefault(name, evaluator.memory.new_variable(name, SpecialValue.UNDEFINED))
    return _run_body(evaluator, body, scope)


def _bind_parameters(
    evaluator: PartialEvaluator, function: SyntaxTree, arguments: Sequence[JsValue], scope: Scope
) -> None:
    single = function.fields.get("parameter")
    patterns = (single,) if single is not None else function["parameters"].children
    for place, pattern in enumerate(patterns):
        if pattern.kind == "rest_pattern":
            rest = evaluator.memory.new_array(tuple(arguments[place:]))
            bind_pattern(evaluator, pattern.children[0], rest, scope)
        else:
            value = arguments[place] if place < len(arguments) else SpecialValue.UNDEFINED
            bind_pattern(evaluator, pattern, value, scope)


def _check_one_scope(function: SyntaxTree) -> None:
    """Raises Unsupported if a `var` or function in the body has the name of a parameter, and a function among the
    parameters may see that name: JavaScript then has two variables."""
    parameters = function.fields.get("parameters")
    if parameters is None or not any(one.kind in FUNCTION_KINDS for one in parameters.walk()):
        return
    names = {name for pattern in parameters.children for name in pattern_names(pattern)}
    body = function["body"]
    functions = {one["name"].text for one in body.children if one.kind == "function_declaration"}
    if names & {*var_names(body), *functions}:
        raise Unsupported("a variable with the name of a parameter that a function among the parameters sees")


def _run_body(evaluator: PartialEvaluator, body: SyntaxTree, scope: Scope) -> JsValue:
    """The value that the function returns: that of each return statement, under its condition."""
    completion = run_statements(evaluator, body.children, scope)
    returns = list(completion.abrupt)
    value: JsValue = SpecialValue.UNDEFINED
    if returns and constant_value(completion.normal) is False:
        value = returns.pop().value
    for one in reversed(returns):
        value = evaluator.memory.merge(one.condition, one.value, value)  # type: ignore[assignment]
    return value


def construct_object(evaluator: PartialEvaluator, callee: object, arguments: Sequence[JsValue]) -> JsValue:
    """`new` of a class that the script declares."""
    if not isinstance(callee, ClassObject):
        raise Unsupported(f"new {describe(callee)}")
    made = evaluator.memory.new_object({})
    made.made_by = callee
    constructor = callee.methods.get("constructor")
    if constructor is not None:
        returned = evaluator.call(constructor, made, arguments)
        if not isinstance(returned, (Operation, str, SpecialValue)):  # `new` would return the object instead
            raise Unsupported("a constructor that returns an object")
    return made
