"""Scopes: finds the variable that a name refers to, and declares variables, functions and classes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from arpent.evalscript.compile.javascript.evaluator import PartialEvaluator
from arpent.evalscript.compile.javascript.values import ClassObject, Closure, JsValue, Scope, SpecialValue, Variable
from arpent.evalscript.compile.syntax_tree import SyntaxTree, Unsupported


def find_variable(evaluator: PartialEvaluator, name: str, scope: Scope) -> Variable | None:
    """The variable that a name refers to; None if it is not declared. Executes a deferred declaration."""
    here = scope
    while name not in here.variables:
        if name in here.deferred:
            declaration = here.deferred.pop(name)
            evaluator.memory.at_program_start(partial(_declare, evaluator, declaration, here))
        elif here.outer is None:
            return None
        else:
            here = here.outer
    return here.variables[name]


def _declare(evaluator: PartialEvaluator, tree: SyntaxTree, scope: Scope) -> None:
    hoist_functions(evaluator, (tree,), scope)
    evaluator.execute(tree, scope)


def read_variable(evaluator: PartialEvaluator, name: str, scope: Scope) -> JsValue:
    """The value of the variable that a name refers to. Raises Unsupported if the value is not known."""
    variable = find_variable(evaluator, name, scope)
    if variable is None:
        raise Unsupported(f"the name {name}")
    content: JsValue = evaluator.memory.resolve(variable.content)  # type: ignore[assignment]
    if content is SpecialValue.UNSET or content is SpecialValue.OPAQUE:
        raise Unsupported(f"{name}: {content.value}")
    return content


def declare_variable(
    evaluator: PartialEvaluator, name: str, content: JsValue, scope: Scope, *, constant: bool = False
) -> None:
    """Create a variable in a scope; it replaces an older one of that name."""
    if name == "undefined":
        raise Unsupported("a variable called undefined")
    scope.variables[name] = evaluator.memory.new_variable(name, content, constant)


def hoist_functions(evaluator: PartialEvaluator, trees: Sequence[SyntaxTree], scope: Scope) -> None:
    """Declare the functions among statements before any statement is executed."""
    for tree in trees:
        if tree.kind == "function_declaration":
            declare_variable(evaluator, tree["name"].text, make_closure(tree, scope), scope)
        elif tree.kind.startswith("generator"):
            raise Unsupported("a generator")


def make_closure(tree: SyntaxTree, scope: Scope) -> Closure:
    """A function with the scope in which it is created."""
    if {"async", "get", "set", "*"} & set(tree.tokens):
        raise Unsupported("a function that is async, a generator or an accessor")
    return Closure(tree=tree, scope=scope)


def declare_class(evaluator: PartialEvaluator, tree: SyntaxTree, scope: Scope) -> ClassObject:
    """Create a class without a superclass and fields. If it has a name, it also becomes a variable of the scope."""
    if any(child.kind == "class_heritage" for child in tree.children):
        raise Unsupported("a class that extends another")
    methods: dict[str, Closure] = {}
    statics: dict[str, Closure] = {}
    for member in tree["body"].children:
        if member.kind != "method_definition" or member["name"].kind != "property_identifier":
            raise Unsupported("a class with more than methods")
        owner = statics if "static" in member.tokens else methods
        owner[member["name"].text] = make_closure(member, scope)
    name = tree["name"].text if "name" in tree.fields else ""
    made = ClassObject(name=name, methods=methods, statics=statics)
    if name:
        declare_variable(evaluator, name, made, scope)
    return made
