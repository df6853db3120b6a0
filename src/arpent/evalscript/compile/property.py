"""Property: what names and places of values give: properties, items, methods."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from arpent.evalscript.compile.array import ARRAY_METHODS
from arpent.evalscript.compile.graph import Node, given
from arpent.evalscript.compile.machine import Machine, shown
from arpent.evalscript.compile.standard import NAMESPACES
from arpent.evalscript.compile.tree import Unsupported
from arpent.evalscript.compile.values import Builtin, Class, Function, List, Namespace, Record, Special, Value


def member(machine: Machine, owner: object, name: str) -> Value:
    """`owner.name`."""
    return machine.each(owner, lambda one: _member(machine, one, name))


def _member(machine: Machine, owner: object, name: str) -> Value:
    if isinstance(owner, Record):
        return machine.each(owner.content, lambda properties: _property(owner, properties, name))
    if isinstance(owner, List) and name == "length":
        return machine.each(owner.content, lambda items: machine.constant(_count(items)))
    if isinstance(owner, str) and name == "length" and owner.isascii():
        return machine.constant(len(owner))
    if isinstance(owner, Class) and name == "prototype":
        return owner
    if isinstance(owner, Namespace):
        constants = NAMESPACES[owner.name][0]
        if name in constants:
            return machine.constant(constants[name])
    return method(machine, owner, name)


def _count(items: object) -> int:
    assert isinstance(items, tuple)
    return len(items)


def _property(owner: Record, properties: object, name: str) -> Value:
    assert isinstance(properties, dict)
    if name in properties:
        value: Value = properties[name]
        if value is Special.OPAQUE:
            raise Unsupported(f"the property {name}")
        return value
    if owner.kind is not None and name in owner.kind.methods:
        return owner.kind.methods[name]
    if name in _INHERITED or owner.partial:
        raise Unsupported(f"the property {name}")
    return Special.UNDEFINED


_INHERITED = frozenset({
    "constructor", "__proto__", "hasOwnProperty", "toString", "valueOf", "isPrototypeOf", "propertyIsEnumerable",
    "toLocaleString", "__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__",
})  # fmt: skip


def method(machine: Machine, owner: object, name: str) -> Value:
    """A function that is a property."""
    if isinstance(owner, Record):
        return _member(machine, owner, name)
    if isinstance(owner, Class):
        if name in owner.statics:
            return owner.statics[name]
    elif isinstance(owner, Namespace):
        action = NAMESPACES[owner.name][1].get(name)
        if action is not None:
            return Builtin(name=name, action=lambda arguments: action(machine, arguments))
    elif isinstance(owner, List) and name in ARRAY_METHODS:
        run = ARRAY_METHODS[name]
        return Builtin(name=name, action=lambda arguments: run(machine, owner, arguments))
    elif isinstance(owner, Function) and name in ("call", "apply", "bind"):
        raise Unsupported(f"a function's {name}")
    raise Unsupported(f"{name} of {shown(owner)}")


def item(machine: Machine, owner: object, key: object) -> Value:
    """`owner[key]`."""
    if isinstance(owner, List):
        return machine.each(key, lambda place: _place(machine, owner, place))
    if isinstance(owner, (Record, Namespace)):
        return _member(machine, owner, machine.key(key))
    raise Unsupported(f"an item of {shown(owner)}")


def _place(machine: Machine, owner: List, place: object) -> Value:
    place = machine.memory.resolve(place)
    if isinstance(place, str):
        return _member(machine, owner, place)
    if not isinstance(place, Node) or not place.is_number:
        raise Unsupported(f"{shown(place)} as a place in an array")
    number = given(place)
    if number is not None:
        return machine.each(owner.content, lambda items: _at(items, float(number)))
    place = machine.graph.discrete(place)
    if place.operation != "choose":
        raise Unsupported("an item whose place depends on the sample")
    condition, yes, no = place.operands
    sides: tuple[Callable[[], Value], ...] = tuple(partial(_place, machine, owner, side) for side in (yes, no))
    return machine.choice(condition, *sides)


def _at(items: object, number: float) -> Value:
    assert isinstance(items, tuple)
    if not number.is_integer() or not 0 <= number < len(items):
        return Special.UNDEFINED
    value: Value = items[int(number)]
    return Special.UNDEFINED if value is Special.HOLE else value
