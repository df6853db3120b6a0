"""Function: names in scopes, functions, classes, and calls of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from arpent.evalscript.compile.graph import given
from arpent.evalscript.compile.machine import Machine, shown
from arpent.evalscript.compile.standard import called
from arpent.evalscript.compile.tree import Tree, Unsupported, declared_by_var
from arpent.evalscript.compile.values import (
    Builtin,
    Class,
    Function,
    Namespace,
    Record,
    Scope,
    Special,
    Value,
    Variable,
)

_THIS = "this"


def find(machine: Machine, name: str, scope: Scope) -> Variable | None:
    """The binding of a name."""
    here = scope
    while name not in here.names:
        if name in here.waiting:
            machine.memory.aside(partial(_declare, machine, here.waiting.pop(name), here))
        elif here.outer is None:
            return None
        else:
            here = here.outer
    return here.names[name]


def _declare(machine: Machine, tree: Tree, scope: Scope) -> None:
    hoist(machine, (tree,), scope)
    machine.execute(tree, scope)


def read(machine: Machine, name: str, scope: Scope) -> Value:
    """A variable's value."""
    variable = find(machine, name, scope)
    if variable is None:
        raise Unsupported(f"the name {name}")
    content: Value = machine.memory.resolve(variable.content)  # type: ignore[assignment]
    if content is Special.UNSET or content is Special.OPAQUE:
        raise Unsupported(f"{name}: {content.value}")
    return content


def hoist(machine: Machine, trees: Sequence[Tree], scope: Scope) -> None:
    """Declare the functions among statements."""
    for tree in trees:
        if tree.kind == "function_declaration":
            name = tree["name"].text
            scope.names[name] = machine.memory.variable(name, function_of(tree, scope))
        elif tree.kind.startswith("generator"):
            raise Unsupported("a generator")


def function_of(tree: Tree, scope: Scope) -> Function:
    """A function made here."""
    if {"async", "get", "set", "*"} & set(tree.words):
        raise Unsupported("a function that is async, a generator or an accessor")
    return Function(tree=tree, scope=scope)


def declare_class(machine: Machine, tree: Tree, scope: Scope) -> Class:
    """A class without a superclass and without fields."""
    if any(child.kind == "class_heritage" for child in tree.children):
        raise Unsupported("a class that extends another")
    methods: dict[str, Function] = {}
    statics: dict[str, Function] = {}
    for member in tree["body"].children:
        if member.kind != "method_definition" or member["name"].kind != "property_identifier":
            raise Unsupported("a class with more than methods")
        owner = statics if "static" in member.words else methods
        owner[member["name"].text] = function_of(member, scope)
    name = tree["name"].text if "name" in tree.fields else ""
    made = Class(name=name, methods=methods, statics=statics)
    if name:
        scope.names[name] = machine.memory.variable(name, made)
    return made


def invoke(machine: Machine, callee: object, receiver: object, arguments: Sequence[Value]) -> Value:
    """Call a function."""
    if isinstance(callee, Builtin):
        return callee.action(arguments)
    if isinstance(callee, Namespace):
        return called(machine, callee.name, arguments)
    if not isinstance(callee, Function):
        raise Unsupported(f"calling {shown(callee)}")
    scope = Scope(outer=callee.scope)
    if callee.tree.kind != "arrow_function":
        content: Value = Special.OPAQUE if receiver is None else receiver  # type: ignore[assignment]
        scope.names[_THIS] = machine.memory.variable(_THIS, content, True)
        scope.names["arguments"] = machine.memory.variable("arguments", Special.OPAQUE, True)
    _parameters(machine, callee.tree, arguments, scope)
    body = callee.tree["body"]
    if body.kind != "statement_block":
        return machine.evaluate(body, scope)
    for name in declared_by_var(body):
        scope.names.setdefault(name, machine.memory.variable(name, Special.UNDEFINED))
    return _answer(machine, body, scope)


def _parameters(machine: Machine, tree: Tree, arguments: Sequence[Value], scope: Scope) -> None:
    from arpent.evalscript.compile.pattern import bind

    single = tree.fields.get("parameter")
    patterns = (single,) if single is not None else tree["parameters"].children
    for place, pattern in enumerate(patterns):
        if pattern.kind == "rest_pattern":
            bind(machine, pattern.children[0], machine.memory.list(tuple(arguments[place:])), scope)
        else:
            bind(machine, pattern, arguments[place] if place < len(arguments) else Special.UNDEFINED, scope)


def _answer(machine: Machine, body: Tree, scope: Scope) -> Value:
    """What the return statements give, under their conditions."""
    from arpent.evalscript.compile.statement import statements

    done = statements(machine, body.children, scope)
    exits = list(done.exits)
    value: Value = Special.UNDEFINED
    if exits and given(done.normal) is False:
        value = exits.pop().value
    for one in reversed(exits):
        value = machine.memory.merge(one.condition, one.value, value)  # type: ignore[assignment]
    return value


def construct(machine: Machine, callee: object, arguments: Sequence[Value]) -> Value:
    """`new`."""
    if not isinstance(callee, Class):
        raise Unsupported(f"new {shown(callee)}")
    made = machine.memory.record({})
    made.kind = callee
    constructor = callee.methods.get("constructor")
    if constructor is not None:
        answer = machine.call(constructor, made, arguments)
        if isinstance(answer, Record):
            raise Unsupported("a constructor that returns an object")
    return made
