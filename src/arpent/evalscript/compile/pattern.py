"""Pattern: names and destructuring: where values go."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from arpent.evalscript.compile.function import find
from arpent.evalscript.compile.graph import given
from arpent.evalscript.compile.machine import Machine
from arpent.evalscript.compile.memory import Rewritten, is_nothing
from arpent.evalscript.compile.tree import Tree, Unsupported
from arpent.evalscript.compile.values import List, Record, Scope, Special, Value

_Put = Callable[[Tree, Value], None]


def bind(machine: Machine, pattern: Tree, value: Value, scope: Scope, *, constant: bool = False) -> None:
    """Declare the names of a pattern."""

    def put(name: Tree, content: Value) -> None:
        scope.names[name.text] = machine.memory.variable(name.text, content, constant)

    _spread(machine, pattern, value, scope, put)


def assign(machine: Machine, target: Tree, value: Value, scope: Scope) -> None:
    """Write to a variable, a property, an item, or the parts of a pattern."""
    _spread(machine, target, value, scope, lambda one, content: _assign(machine, one, content, scope))


def _assign(machine: Machine, target: Tree, value: Value, scope: Scope) -> None:
    if target.kind == "member_expression":
        name = target["property"].text
        owner = machine.evaluate(target["object"], scope)
        machine.each(owner, lambda one: put_property(machine, one, name, value))
    elif target.kind == "subscript_expression":
        owner = machine.evaluate(target["object"], scope)
        key = machine.evaluate(target["index"], scope)
        machine.each(owner, lambda one: put_item(machine, one, key, value))
    else:
        variable = find(machine, target.text, scope)
        if variable is None:
            raise Rewritten(target.text)
        if variable.constant:
            raise Unsupported("writing to a constant")
        machine.memory.write(variable, value)


def put_property(machine: Machine, owner: object, name: str, value: Value) -> Value:
    """`owner.name = value`."""
    if isinstance(owner, List) and name == "length" and machine.whole(value) == 0:
        machine.memory.write(owner, ())
        return value
    if not isinstance(owner, Record) or name == "__proto__":
        raise Unsupported(f"a property of something that is no plain object: {name}")
    new = machine.memory.each(owner.content, lambda properties: {**_mapping(properties), name: value})
    machine.memory.write(owner, new)
    return value


def _mapping(content: object) -> dict[str, Value]:
    assert isinstance(content, dict)
    return content


def put_item(machine: Machine, owner: object, key: Value, value: Value) -> Value:
    """`owner[key] = value`."""
    if isinstance(owner, Record):
        return put_property(machine, owner, machine.key(key), value)
    place = machine.memory.resolve(key)
    number = given(machine.number(place))
    if not isinstance(owner, List) or number is None or not float(number).is_integer() or number < 0:
        raise Unsupported("writing to an item whose place depends on the sample")
    at = int(number)

    def put(items: object) -> object:
        assert isinstance(items, tuple)
        if at > len(items):
            raise Unsupported("writing behind an array's end")
        return (*items[:at], value, *items[at + 1 :])

    machine.memory.write(owner, machine.memory.each(owner.content, put))
    return value


# ---- destructuring


def _spread(machine: Machine, pattern: Tree, value: Value, scope: Scope, put: _Put) -> None:
    kind = pattern.kind
    if kind in ("array_pattern", "array"):
        _spread_array(machine, pattern, value, scope, put)
    elif kind in ("object_pattern", "object"):
        _spread_object(machine, pattern, value, scope, put)
    elif kind in ("assignment_pattern", "object_assignment_pattern", "assignment_expression"):
        chosen = _defaulted(machine, value, pattern["right"], scope)
        _spread(machine, pattern["left"], chosen, scope, put)
    elif kind in ("identifier", "shorthand_property_identifier_pattern", "shorthand_property_identifier", "undefined",
                  "member_expression", "subscript_expression"):  # fmt: skip
        put(pattern, value)
    elif kind == "parenthesized_expression":
        _spread(machine, pattern.children[0], value, scope, put)
    else:
        raise Unsupported(kind)


def _defaulted(machine: Machine, value: Value, default: Tree, scope: Scope) -> Value:
    """The value, or what stands after `=` if it is undefined."""
    missing = machine.each(value, lambda one: machine.graph.truth(one is Special.UNDEFINED))
    return machine.choice(machine.truthy(missing), lambda: machine.evaluate(default, scope), lambda: value)


def _spread_array(machine: Machine, pattern: Tree, value: Value, scope: Scope, put: _Put) -> None:
    items = machine.items(value)
    if _elided(pattern):
        raise Unsupported("an array pattern that leaves out items")
    for place, target in enumerate(pattern.children):
        if target.kind in ("rest_pattern", "spread_element"):
            _spread(machine, target.children[0], machine.memory.list(items[place:]), scope, put)
        else:
            item = items[place] if place < len(items) else Special.UNDEFINED
            _spread(machine, target, item, scope, put)


def _elided(tree: Tree) -> bool:
    """Whether two commas follow one another, or one begins."""
    words = tree.words
    return any(one in ("[", ",") and other == "," for one, other in pairwise(words))


def _spread_object(machine: Machine, pattern: Tree, value: Value, scope: Scope, put: _Put) -> None:
    if is_nothing(machine.memory.resolve(value)):
        raise Unsupported("taking nothing apart")
    for target in pattern.children:
        if target.kind in ("pair_pattern", "pair"):
            key = target["key"]
            if key.kind != "property_identifier":
                raise Unsupported("an object pattern with a key that is no name")
            _spread(machine, target["value"], machine.member(machine, value, key.text), scope, put)
        elif target.kind in ("rest_pattern", "spread_element"):
            raise Unsupported("the rest of an object")
        else:
            name = target["left"].text if target.kind == "object_assignment_pattern" else target.text
            _spread(machine, target, machine.member(machine, value, name), scope, put)
