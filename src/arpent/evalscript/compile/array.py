"""Array: methods of arrays whose length is known."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cmp_to_key, partial
from itertools import pairwise

from arpent.evalscript.compile.graph import Node, given
from arpent.evalscript.compile.machine import Machine
from arpent.evalscript.compile.tree import Unsupported
from arpent.evalscript.compile.values import Builtin, Function, List, Special, Value

_Arguments = Sequence[Value]


def _push(machine: Machine, array: List, arguments: _Arguments) -> Value:
    def longer(items: object) -> object:
        assert isinstance(items, tuple)
        return (*items, *arguments)

    content = machine.memory.each(array.content, longer)
    machine.memory.write(array, content)
    return machine.each(content, lambda items: machine.constant(len(items)))  # type: ignore[arg-type]


def _pop(machine: Machine, array: List, _arguments: _Arguments) -> Value:
    items = machine.items(array)
    machine.memory.write(array, items[:-1])
    return items[-1] if items else Special.UNDEFINED


def _shift(machine: Machine, array: List, _arguments: _Arguments) -> Value:
    items = machine.items(array)
    machine.memory.write(array, items[1:])
    return items[0] if items else Special.UNDEFINED


def _unshift(machine: Machine, array: List, arguments: _Arguments) -> Value:
    items = (*arguments, *machine.items(array))
    machine.memory.write(array, items)
    return machine.constant(len(items))


def _turns(machine: Machine, array: List, arguments: _Arguments) -> list[Callable[[], Value]]:
    """Calls of the first argument with item, place, array."""
    if not arguments or len(arguments) > 1 or not isinstance(arguments[0], (Function, Builtin)):
        raise Unsupported("a method of an array with other than one function")
    function, items = arguments[0], machine.items(array)

    def turn(place: int) -> Value:
        if machine.memory.resolve(array.content) is not items:
            raise Unsupported("an array that changes while a function runs over it")
        return machine.call(function, None, (items[place], machine.constant(place), array))

    return [partial(turn, place) for place in range(len(items))]


def _map(machine: Machine, array: List, arguments: _Arguments) -> Value:
    return machine.memory.list(tuple(turn() for turn in _turns(machine, array, arguments)))


def _for_each(machine: Machine, array: List, arguments: _Arguments) -> Value:
    for turn in _turns(machine, array, arguments):
        turn()
    return Special.UNDEFINED


def _filter(machine: Machine, array: List, arguments: _Arguments) -> Value:
    items, kept = machine.items(array), []
    for place, turn in enumerate(_turns(machine, array, arguments)):
        keep = machine.memory.truth(machine.truthy(turn()))
        if keep is None:
            raise Unsupported("filter by what depends on the sample")
        if keep:
            kept.append(items[place])
    return machine.memory.list(tuple(kept))


def _first(machine: Machine, turns: Sequence[Callable[[], Value]], answers: Sequence[Value], none: Value) -> Value:
    """The answer of the first turn that is true; later turns are not executed."""
    if not turns:
        return none
    found = machine.truthy(turns[0]())
    return machine.choice(found, lambda: answers[0], lambda: _first(machine, turns[1:], answers[1:], none))


def _some(machine: Machine, array: List, arguments: _Arguments) -> Value:
    turns = _turns(machine, array, arguments)
    true, false = machine.graph.truth(True), machine.graph.truth(False)
    return _first(machine, turns, [true] * len(turns), false)


def _every(machine: Machine, array: List, arguments: _Arguments) -> Value:
    turns = [
        (lambda turn=turn: machine.graph.make("not", machine.truthy(turn())))
        for turn in _turns(machine, array, arguments)
    ]
    true, false = machine.graph.truth(True), machine.graph.truth(False)
    return _first(machine, turns, [false] * len(turns), true)


def _find(machine: Machine, array: List, arguments: _Arguments) -> Value:
    return _first(machine, _turns(machine, array, arguments), machine.items(array), Special.UNDEFINED)


def _find_index(machine: Machine, array: List, arguments: _Arguments) -> Value:
    turns = _turns(machine, array, arguments)
    return _first(machine, turns, [machine.constant(place) for place in range(len(turns))], machine.constant(-1))


def _reduce(machine: Machine, array: List, arguments: _Arguments) -> Value:
    items = machine.items(array)
    if not arguments or (len(arguments) == 1 and not items):
        raise Unsupported("reduce of nothing")
    start = 0 if len(arguments) > 1 else 1
    answer = arguments[1] if len(arguments) > 1 else items[0]
    for place in range(start, len(items)):
        answer = machine.call(arguments[0], None, (answer, items[place], machine.constant(place), array))
        if machine.memory.resolve(array.content) is not items:
            raise Unsupported("an array that changes while a function runs over it")
    return answer


def _includes(machine: Machine, array: List, arguments: _Arguments) -> Value:
    wanted = arguments[0] if arguments else Special.UNDEFINED
    found = machine.graph.truth(False)
    for one in machine.items(array):
        same = machine.identical(one, wanted)
        if isinstance(one, Node) and isinstance(wanted, Node) and one.is_number and wanted.is_number:
            both = machine.graph.make("and", *(machine.graph.make("not_a_number", each) for each in (one, wanted)))
            same = machine.graph.make("or", same, both)
        elif not isinstance(one, (Node, str)) or not isinstance(wanted, (Node, str)):
            raise Unsupported("includes of other than numbers and texts")
        found = machine.graph.make("or", found, same)
    return found


def _index_of(machine: Machine, array: List, arguments: _Arguments) -> Value:
    items = machine.items(array)
    turns = [(lambda one=one: machine.identical(one, arguments[0])) for one in items]
    return _first(machine, turns, [machine.constant(place) for place in range(len(items))], machine.constant(-1))


def _concat(machine: Machine, array: List, arguments: _Arguments) -> Value:
    items = machine.items(array)
    for argument in arguments:
        one = machine.memory.resolve(argument)
        items += machine.items(one) if isinstance(one, List) else (argument,)
    return machine.memory.list(items)


def _slice(machine: Machine, array: List, arguments: _Arguments) -> Value:
    bounds = [machine.whole(argument, default) for argument, default in zip(arguments, (0, 1 << 30), strict=False)]
    low, high = (*bounds, *(0, 1 << 30)[len(bounds) :])
    return machine.memory.list(machine.items(array)[low:high])


def _fill(machine: Machine, array: List, arguments: _Arguments) -> Value:
    content = machine.memory.resolve(array.content)
    if len(arguments) != 1 or not isinstance(content, tuple):
        raise Unsupported("fill of a part")
    machine.memory.write(array, (arguments[0],) * len(content))
    return array


def _reverse(machine: Machine, array: List, _arguments: _Arguments) -> Value:
    machine.memory.write(array, machine.items(array)[::-1])
    return array


def _sort(machine: Machine, array: List, arguments: _Arguments) -> Value:
    """Only where the order does not depend on the sample."""
    if len(arguments) != 1:
        raise Unsupported("sort without a function")

    def order(one: Value, other: Value) -> int:
        answer = given(machine.number(machine.call(arguments[0], None, (one, other))))
        if answer is None or math.isnan(answer):
            raise Unsupported("sort by what depends on the sample")
        return (answer > 0) - (answer < 0)

    items = machine.items(array)
    ordered = sorted(items, key=cmp_to_key(order))
    doubtful = Special.UNDEFINED in items or any(
        order(one, other) != -order(other, one) for one, other in pairwise(ordered)
    )
    if doubtful:
        raise Unsupported("sort by a function that contradicts itself")
    machine.memory.write(array, tuple(ordered))
    return array


ARRAY_METHODS: Mapping[str, Callable[[Machine, List, _Arguments], Value]] = {
    "push": _push,
    "pop": _pop,
    "shift": _shift,
    "unshift": _unshift,
    "map": _map,
    "forEach": _for_each,
    "filter": _filter,
    "some": _some,
    "every": _every,
    "find": _find,
    "findIndex": _find_index,
    "reduce": _reduce,
    "includes": _includes,
    "indexOf": _index_of,
    "concat": _concat,
    "slice": _slice,
    "fill": _fill,
    "reverse": _reverse,
    "sort": _sort,
}
"""Name → what it does with (machine, array, arguments)."""
