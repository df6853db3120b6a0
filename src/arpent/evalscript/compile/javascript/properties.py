"""Properties: reads and writes properties, items and methods."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from arpent.evalscript.compile.graph.operation import Operation, constant_value
from arpent.evalscript.compile.javascript.array_methods import ARRAY_METHODS
from arpent.evalscript.compile.javascript.evaluator import PartialEvaluator
from arpent.evalscript.compile.javascript.standard_library import GLOBAL_OBJECTS
from arpent.evalscript.compile.javascript.values import (
    ArrayObject,
    ClassObject,
    Closure,
    GlobalObject,
    Intrinsic,
    JsValue,
    PlainObject,
    SpecialValue,
    describe,
)
from arpent.evalscript.compile.syntax_tree import Unsupported

_INHERITED = frozenset({
    "constructor", "__proto__", "hasOwnProperty", "toString", "valueOf", "isPrototypeOf", "propertyIsEnumerable",
    "toLocaleString", "__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__",
})  # fmt: skip


# ---- reads


def read_property(evaluator: PartialEvaluator, owner: object, name: str) -> JsValue:
    """The value of `owner.name`."""
    return evaluator.map_phi(owner, lambda one: _property(evaluator, one, name))


def _property(evaluator: PartialEvaluator, owner: object, name: str) -> JsValue:
    if isinstance(owner, PlainObject):
        return evaluator.map_phi(owner.content, lambda properties: _own_or_inherited(owner, properties, name))
    if isinstance(owner, ArrayObject) and name == "length":
        return evaluator.map_phi(owner.content, lambda items: evaluator.constant(len(_as_items(items))))
    if isinstance(owner, str) and name == "length" and owner.isascii():
        return evaluator.constant(len(owner))
    if isinstance(owner, ClassObject) and name == "prototype":
        return owner
    if isinstance(owner, GlobalObject):
        constants = GLOBAL_OBJECTS[owner.name][0]
        if name in constants:
            return evaluator.constant(constants[name])
    return read_method(evaluator, owner, name)


def _own_or_inherited(owner: PlainObject, content: object, name: str) -> JsValue:
    properties = _as_properties(content)
    if name in properties:
        value: JsValue = properties[name]
        if value is SpecialValue.OPAQUE:
            raise Unsupported(f"the property {name}")
        return value
    if owner.made_by is not None and name in owner.made_by.methods and name != "constructor":  # that is the class
        return owner.made_by.methods[name]
    if name in _INHERITED or owner.partial:
        raise Unsupported(f"the property {name}")
    return SpecialValue.UNDEFINED


def read_method(evaluator: PartialEvaluator, owner: object, name: str) -> JsValue:
    """The function `owner.name` of an owner that is not a Phi."""
    if isinstance(owner, PlainObject):
        return _property(evaluator, owner, name)
    if isinstance(owner, ClassObject):
        if name in owner.statics:
            return owner.statics[name]
    elif isinstance(owner, GlobalObject):
        action = GLOBAL_OBJECTS[owner.name][1].get(name)
        if action is not None:
            return Intrinsic(name=name, action=partial(action, evaluator))
    elif isinstance(owner, ArrayObject) and name in ARRAY_METHODS:
        return Intrinsic(name=name, action=partial(ARRAY_METHODS[name], evaluator, owner))
    elif isinstance(owner, Closure) and name in ("call", "apply", "bind"):
        raise Unsupported(f"a function's {name}")
    raise Unsupported(f"{name} of {describe(owner)}")


def read_element(evaluator: PartialEvaluator, owner: object, key: object) -> JsValue:
    """`owner[key]` of an owner that is not a Phi."""
    if isinstance(owner, ArrayObject):
        return evaluator.map_phi(key, lambda place: _element_at(evaluator, owner, place))
    if isinstance(owner, (PlainObject, GlobalObject)):
        return _property(evaluator, owner, evaluator.to_property_key(key))
    raise Unsupported(f"an item of {describe(owner)}")


def _element_at(evaluator: PartialEvaluator, owner: ArrayObject, place: object) -> JsValue:
    """An item whose index is known, or is one of a few constants."""
    place = evaluator.memory.resolve(place)
    if isinstance(place, str):
        return _property(evaluator, owner, place)
    if not isinstance(place, Operation) or not place.is_number:
        raise Unsupported(f"{describe(place)} as a place in an array")
    number = constant_value(place)
    if number is not None:
        return evaluator.map_phi(owner.content, lambda items: _element_of(_as_items(items), float(number)))
    place = evaluator.graph.as_constant_choice(place)
    if place.opcode != "select":
        raise Unsupported("an item whose place depends on the sample")
    condition, yes, no = place.operands
    sides: tuple[Callable[[], JsValue], ...] = tuple(partial(_element_at, evaluator, owner, side) for side in (yes, no))
    return evaluator.evaluate_either(condition, *sides)


def _element_of(items: tuple[JsValue, ...], place: float) -> JsValue:
    if not place.is_integer() or not 0 <= place < len(items):
        return SpecialValue.UNDEFINED
    value = items[int(place)]
    return SpecialValue.UNDEFINED if value is SpecialValue.HOLE else value


# ---- writes


def write_property(evaluator: PartialEvaluator, owner: object, name: str, value: JsValue) -> JsValue:
    """`owner.name = value` of an owner that is not a Phi; returns the value."""
    if isinstance(owner, ArrayObject) and name == "length" and evaluator.to_known_integer(value) == 0:
        evaluator.memory.write(owner, ())
        return value
    if not isinstance(owner, PlainObject) or name == "__proto__":
        raise Unsupported(f"a property of something that is not a plain object: {name}")
    written = evaluator.memory.map_phi(owner.content, lambda content: {**_as_properties(content), name: value})
    evaluator.memory.write(owner, written)
    return value


def write_element(evaluator: PartialEvaluator, owner: object, key: JsValue, value: JsValue) -> JsValue:
    """`owner[key] = value` of an owner that is not a Phi; returns the value. An array may grow by one item."""
    if isinstance(owner, PlainObject):
        return write_property(evaluator, owner, evaluator.to_property_key(key), value)
    number = constant_value(evaluator.to_number(evaluator.memory.resolve(key)))
    if not isinstance(owner, ArrayObject) or number is None or not float(number).is_integer() or number < 0:
        raise Unsupported("writing to an item whose place depends on the sample")
    place = int(number)

    def replaced(content: object) -> object:
        items = _as_items(content)
        if place > len(items):
            raise Unsupported("writing behind an array's end")
        return (*items[:place], value, *items[place + 1 :])

    evaluator.memory.write(owner, evaluator.memory.map_phi(owner.content, replaced))
    return value


def _as_items(content: object) -> tuple[JsValue, ...]:
    """The content of an array, which must not be a Phi."""
    assert isinstance(content, tuple)
    return content


def _as_properties(content: object) -> dict[str, JsValue]:
    """The content of an object, which must not be a Phi."""
    assert isinstance(content, dict)
    return content
