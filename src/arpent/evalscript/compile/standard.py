"""Standard: JavaScript's own functions of numbers whose results are the same everywhere.

Not `Math.exp`, `log`, `pow`, `sin` and their kind: the last bit of what they give is each library's own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from arpent.evalscript.compile.graph import Node
from arpent.evalscript.compile.listing import plain_names
from arpent.evalscript.compile.machine import Machine
from arpent.evalscript.compile.tree import Unsupported
from arpent.evalscript.compile.values import Builtin, Class, List, Special, Value

_Arguments = Sequence[Value]
_Action = Callable[[Machine, _Arguments], Value]


def _first(machine: Machine, arguments: _Arguments) -> Node:
    return machine.number(arguments[0] if arguments else Special.UNDEFINED)


def _plain(operation: str) -> _Action:
    return lambda machine, arguments: machine.graph.make(operation, _first(machine, arguments))


def _many(operation: str, nothing: float) -> _Action:
    def action(machine: Machine, arguments: _Arguments) -> Value:
        answer = machine.constant(nothing)
        for place, argument in enumerate(arguments):
            number = machine.number(argument)
            answer = machine.graph.make(operation, answer, number) if place else number
        return answer

    return action


def _round(machine: Machine, arguments: _Arguments) -> Value:
    """Halves go up: the next whole number, or the one below it if that is nearer."""
    make, number = machine.graph.make, _first(machine, arguments)
    above = make("ceil", number)
    far = make("less", number, make("subtract", above, machine.constant(0.5)))
    return machine.graph.choose(far, make("subtract", above, machine.constant(1)), above)


def _sign(machine: Machine, arguments: _Arguments) -> Value:
    make, number, zero = machine.graph.make, _first(machine, arguments), machine.constant(0)
    below = machine.graph.choose(make("less", number, zero), machine.constant(-1), number)
    return machine.graph.choose(make("less", zero, number), machine.constant(1), below)


def _is_number(machine: Machine, arguments: _Arguments, test: Callable[[Node], Node]) -> Value:
    value = arguments[0] if arguments else Special.UNDEFINED
    false = machine.graph.truth(False)
    return machine.each(value, lambda one: test(one) if isinstance(one, Node) and one.is_number else false)


def _finite(machine: Machine, number: Node) -> Node:
    """x - x is 0, or NaN for what is not finite."""
    zero = machine.constant(0)
    return machine.graph.make("equal", machine.graph.make("subtract", number, number), zero)


def _whole(machine: Machine, number: Node) -> Node:
    make = machine.graph.make
    return make("and", _finite(machine, number), make("equal", make("trunc", number), number))


def _is_array(machine: Machine, arguments: _Arguments) -> Value:
    value = arguments[0] if arguments else Special.UNDEFINED
    return machine.each(value, lambda one: machine.graph.truth(isinstance(one, List)))


def _from(machine: Machine, arguments: _Arguments) -> Value:
    source = machine.memory.resolve(arguments[0] if arguments else Special.UNDEFINED)
    if isinstance(source, List):
        items = machine.items(source)
    else:
        properties = machine.properties(source)
        if list(properties) != ["length"]:
            raise Unsupported("Array.from")
        items = (Special.UNDEFINED,) * max(0, min(5000, machine.whole(properties["length"])))
    if len(arguments) > 1:
        items = tuple(
            machine.call(arguments[1], None, (one, machine.constant(place))) for place, one in enumerate(items)
        )
    return machine.memory.list(items)


def _names(machine: Machine, arguments: _Arguments) -> Value:
    return machine.memory.list(tuple(plain_names(machine.properties(arguments[0]))))


def _contents(machine: Machine, arguments: _Arguments) -> Value:
    properties = machine.properties(arguments[0])
    plain_names(properties)
    return machine.memory.list(tuple(properties.values()))


def _entries(machine: Machine, arguments: _Arguments) -> Value:
    properties = machine.properties(arguments[0])
    plain_names(properties)
    return machine.memory.list(tuple(machine.memory.list(pair) for pair in properties.items()))


def _create(machine: Machine, arguments: _Arguments) -> Value:
    """Of a class's prototype, which stands for the class here."""
    if len(arguments) != 1 or not isinstance(arguments[0], Class):
        raise Unsupported("Object.create")
    made = machine.memory.record({})
    made.kind = arguments[0]
    return made


_FUNCTIONS: Mapping[str, _Action] = {
    "isNaN": _plain("not_a_number"),
    "isFinite": lambda machine, arguments: _finite(machine, _first(machine, arguments)),
}
_CALLED: Mapping[str, _Action] = {
    "Number": lambda machine, arguments: _first(machine, arguments) if arguments else machine.constant(0),
    "Boolean": lambda machine, arguments: machine.truthy(arguments[0] if arguments else Special.UNDEFINED),
}
_MATH: Mapping[str, _Action] = {
    "min": _many("minimum", math.inf),
    "max": _many("maximum", -math.inf),
    "round": _round,
    "sign": _sign,
    "fround": _plain("single"),
    **{name: _plain(name) for name in ("abs", "floor", "ceil", "trunc", "sqrt")},
}
_NUMBER: Mapping[str, _Action] = {
    "isNaN": lambda machine, arguments: _is_number(
        machine, arguments, lambda one: machine.graph.make("not_a_number", one)
    ),
    "isFinite": lambda machine, arguments: _is_number(machine, arguments, lambda one: _finite(machine, one)),
    "isInteger": lambda machine, arguments: _is_number(machine, arguments, lambda one: _whole(machine, one)),
}
_CONSTANTS = {
    "PI": math.pi,
    "E": math.e,
    "LN2": 0.6931471805599453,
    "LN10": 2.302585092994046,
    "LOG2E": 1.4426950408889634,
    "LOG10E": 0.4342944819032518,
    "SQRT2": 1.4142135623730951,
    "SQRT1_2": 0.7071067811865476,
}
_LIMITS = {
    "MAX_VALUE": 1.7976931348623157e308,
    "MIN_VALUE": 5e-324,
    "EPSILON": 2.220446049250313e-16,
    "MAX_SAFE_INTEGER": 9007199254740991.0,
    "MIN_SAFE_INTEGER": -9007199254740991.0,
    "POSITIVE_INFINITY": math.inf,
    "NEGATIVE_INFINITY": -math.inf,
    "NaN": math.nan,
}
NAMESPACES: Mapping[str, tuple[Mapping[str, float], Mapping[str, _Action]]] = {
    "Math": (_CONSTANTS, _MATH),
    "Number": (_LIMITS, _NUMBER),
    "Boolean": ({}, {}),
    "Array": (
        {},
        {"isArray": _is_array, "from": _from, "of": lambda machine, given: machine.memory.list(tuple(given))},
    ),
    "Object": ({}, {"keys": _names, "values": _contents, "entries": _entries, "create": _create}),
}
"""Name → its constants and its functions."""
NUMBERS = {"NaN": math.nan, "Infinity": math.inf}
"""Global constants."""


def called(machine: Machine, name: str, arguments: _Arguments) -> Value:
    """`Number(x)` and its like."""
    action = _CALLED.get(name)
    if action is None:
        raise Unsupported(f"calling {name}")
    return action(machine, arguments)


def functions(machine: Machine) -> dict[str, Builtin]:
    """Global functions."""
    return {name: Builtin(name=name, action=partial(action, machine)) for name, action in _FUNCTIONS.items()}
