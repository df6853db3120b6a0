"""Standard library: JavaScript's functions on numbers, arrays and objects whose results are equal on every machine.

`Math.exp`, `log`, `pow`, `sin` and similar are not among them: their last bit differs between libraries.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from arpent.evalscript.compile.graph.operation import Operation
from arpent.evalscript.compile.javascript.evaluator import PartialEvaluator
from arpent.evalscript.compile.javascript.values import ArrayObject, ClassObject, Intrinsic, JsValue, SpecialValue
from arpent.evalscript.compile.syntax_tree import Unsupported

Arguments = Sequence[JsValue]
_LONGEST_MADE_ARRAY = 5000
_Action = Callable[[PartialEvaluator, Arguments], JsValue]


def first_argument(arguments: Arguments) -> JsValue:
    """The first argument; undefined if there is none."""
    return arguments[0] if arguments else SpecialValue.UNDEFINED


def _first_number(evaluator: PartialEvaluator, arguments: Arguments) -> Operation:
    return evaluator.to_number(first_argument(arguments))


def _of_one_number(opcode: str) -> _Action:
    return lambda evaluator, arguments: evaluator.graph.make(opcode, _first_number(evaluator, arguments))


def _of_many_numbers(opcode: str, of_none: float) -> _Action:
    def action(evaluator: PartialEvaluator, arguments: Arguments) -> JsValue:
        result = evaluator.constant(of_none)
        for place, argument in enumerate(arguments):
            number = evaluator.to_number(argument)
            result = evaluator.graph.make(opcode, result, number) if place else number
        return result

    return action


def _math_round(evaluator: PartialEvaluator, arguments: Arguments) -> JsValue:
    """`Math.round`: halves are rounded up."""
    make, number = evaluator.graph.make, _first_number(evaluator, arguments)
    above = make("ceil", number)
    far = make("less", number, make("subtract", above, evaluator.constant(0.5)))
    return evaluator.graph.select(far, make("subtract", above, evaluator.constant(1)), above)


def _math_sign(evaluator: PartialEvaluator, arguments: Arguments) -> JsValue:
    make, number, zero = evaluator.graph.make, _first_number(evaluator, arguments), evaluator.constant(0)
    below = evaluator.graph.select(make("less", number, zero), evaluator.constant(-1), number)
    return evaluator.graph.select(make("less", zero, number), evaluator.constant(1), below)


def _number_test(test: Callable[[PartialEvaluator, Operation], Operation]) -> _Action:
    """A test that is false for any value that is not a number."""

    def action(evaluator: PartialEvaluator, arguments: Arguments) -> JsValue:
        false = evaluator.graph.truth(False)

        def of_one(value: object) -> Operation:
            return test(evaluator, value) if isinstance(value, Operation) and value.is_number else false

        return evaluator.map_phi(first_argument(arguments), of_one)

    return action


def _is_nan(evaluator: PartialEvaluator, number: Operation) -> Operation:
    return evaluator.graph.make("is_nan", number)


def _is_finite(evaluator: PartialEvaluator, number: Operation) -> Operation:
    """`isFinite`: x - x is 0 if x is finite, otherwise NaN."""
    zero = evaluator.constant(0)
    return evaluator.graph.make("equal", evaluator.graph.make("subtract", number, number), zero)


def _is_integer(evaluator: PartialEvaluator, number: Operation) -> Operation:
    make = evaluator.graph.make
    return make("and", _is_finite(evaluator, number), make("equal", make("trunc", number), number))


def _array_is_array(evaluator: PartialEvaluator, arguments: Arguments) -> JsValue:
    return evaluator.map_phi(first_argument(arguments), lambda one: evaluator.graph.truth(isinstance(one, ArrayObject)))


def _array_from(evaluator: PartialEvaluator, arguments: Arguments) -> JsValue:
    source = evaluator.memory.resolve(first_argument(arguments))
    if len(arguments) > 2:
        raise Unsupported("Array.from with a receiver")
    if isinstance(source, ArrayObject):
        items = evaluator.array_items(source)
    else:
        properties = evaluator.object_properties(source)
        if list(properties) != ["length"]:
            raise Unsupported("Array.from")
        length = evaluator.to_known_integer(properties["length"])
        if length > _LONGEST_MADE_ARRAY:
            raise Unsupported("a very long array")
        items = (SpecialValue.UNDEFINED,) * max(0, length)
    if len(arguments) > 1:
        items = tuple(
            evaluator.call(arguments[1], None, (one, evaluator.constant(place))) for place, one in enumerate(items)
        )
    return evaluator.memory.new_array(items)


def _array_of(evaluator: PartialEvaluator, arguments: Arguments) -> JsValue:
    return evaluator.memory.new_array(tuple(arguments))


def _object_keys(evaluator: PartialEvaluator, arguments: Arguments) -> JsValue:
    return evaluator.memory.new_array(tuple(evaluator.property_names(first_argument(arguments))))


def _object_values(evaluator: PartialEvaluator, arguments: Arguments) -> JsValue:
    names = evaluator.property_names(first_argument(arguments))
    properties = evaluator.object_properties(arguments[0])
    return evaluator.memory.new_array(tuple(properties[name] for name in names))


def _object_entries(evaluator: PartialEvaluator, arguments: Arguments) -> JsValue:
    names = evaluator.property_names(first_argument(arguments))
    properties = evaluator.object_properties(arguments[0])
    pairs = [evaluator.memory.new_array((name, properties[name])) for name in names]
    return evaluator.memory.new_array(tuple(pairs))


def _object_create(evaluator: PartialEvaluator, arguments: Arguments) -> JsValue:
    """`Object.create` of a class's prototype; the class stands for its prototype."""
    made_by = first_argument(arguments)
    if len(arguments) != 1 or not isinstance(made_by, ClassObject):
        raise Unsupported("Object.create")
    made = evaluator.memory.new_object({})
    made.made_by = made_by
    return made


_FUNCTIONS: Mapping[str, _Action] = {
    "isNaN": _of_one_number("is_nan"),
    "isFinite": lambda evaluator, arguments: _is_finite(evaluator, _first_number(evaluator, arguments)),
}
_CONVERSIONS: Mapping[str, _Action] = {
    "Number": lambda evaluator, arguments: _first_number(evaluator, arguments) if arguments else evaluator.constant(0),
    "Boolean": lambda evaluator, arguments: evaluator.to_boolean(first_argument(arguments)),
}
_MATH: Mapping[str, _Action] = {
    "min": _of_many_numbers("minimum", math.inf),
    "max": _of_many_numbers("maximum", -math.inf),
    "round": _math_round,
    "sign": _math_sign,
    "fround": _of_one_number("to_float32"),
    **{name: _of_one_number(name) for name in ("abs", "floor", "ceil", "trunc", "sqrt")},
}
_MATH_CONSTANTS = {
    "PI": math.pi,
    "E": math.e,
    "LN2": 0.6931471805599453,
    "LN10": 2.302585092994046,
    "LOG2E": 1.4426950408889634,
    "LOG10E": 0.4342944819032518,
    "SQRT2": 1.4142135623730951,
    "SQRT1_2": 0.7071067811865476,
}
_NUMBER_CONSTANTS = {
    "MAX_VALUE": 1.7976931348623157e308,
    "MIN_VALUE": 5e-324,
    "EPSILON": 2.220446049250313e-16,
    "MAX_SAFE_INTEGER": 9007199254740991.0,
    "MIN_SAFE_INTEGER": -9007199254740991.0,
    "POSITIVE_INFINITY": math.inf,
    "NEGATIVE_INFINITY": -math.inf,
    "NaN": math.nan,
}
GLOBAL_OBJECTS: Mapping[str, tuple[Mapping[str, float], Mapping[str, _Action]]] = {
    "Math": (_MATH_CONSTANTS, _MATH),
    "Number": (
        _NUMBER_CONSTANTS,
        {
            "isNaN": _number_test(_is_nan),
            "isFinite": _number_test(_is_finite),
            "isInteger": _number_test(_is_integer),
        },
    ),
    "Boolean": ({}, {}),
    "Array": ({}, {"isArray": _array_is_array, "from": _array_from, "of": _array_of}),
    "Object": (
        {},
        {"keys": _object_keys, "values": _object_values, "entries": _object_entries, "create": _object_create},
    ),
}
"""Name → its constants and its functions."""
GLOBAL_CONSTANTS = {"NaN": math.nan, "Infinity": math.inf}
"""Global names whose values are numbers."""


def call_global_object(evaluator: PartialEvaluator, name: str, arguments: Arguments) -> JsValue:
    """A call of a global object: `Number(x)` or `Boolean(x)`. Raises Unsupported for others."""
    action = _CONVERSIONS.get(name)
    if action is None:
        raise Unsupported(f"calling {name}")
    return action(evaluator, arguments)


def global_functions(evaluator: PartialEvaluator) -> dict[str, Intrinsic]:
    """The global functions isNaN and isFinite."""
    return {name: Intrinsic(name=name, action=partial(action, evaluator)) for name, action in _FUNCTIONS.items()}
