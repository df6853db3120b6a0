"""Array methods: evaluates the methods of arrays whose length is known."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cmp_to_key, partial
from itertools import pairwise

from arpent.evalscript.compile.graph.operation import Operation, constant_value
from arpent.evalscript.compile.javascript.evaluator import PartialEvaluator
from arpent.evalscript.compile.javascript.standard_library import Arguments, first_argument
from arpent.evalscript.compile.javascript.values import ArrayObject, Closure, Intrinsic, JsValue, SpecialValue
from arpent.evalscript.compile.syntax_tree import Unsupported

_TO_THE_END = 1 << 30
_ItemCall = Callable[[], JsValue]


def _array_push(evaluator: PartialEvaluator, array: ArrayObject, arguments: Arguments) -> JsValue:
    def longer(items: object) -> object:
        assert isinstance(items, tuple)
        return (*items, *arguments)

    content = evaluator.memory.map_phi(array.content, longer)
    evaluator.memory.write(array, content)
    return evaluator.map_phi(content, lambda items: evaluator.constant(len(items)))  # type: ignore[arg-type]


def _array_pop(evaluator: PartialEvaluator, array: ArrayObject, _arguments: Arguments) -> JsValue:
    items = evaluator.array_items(array)
    evaluator.memory.write(array, items[:-1])
    return items[-1] if items else SpecialValue.UNDEFINED


def _array_shift(evaluator: PartialEvaluator, array: ArrayObject, _arguments: Arguments) -> JsValue:
    items = evaluator.array_items(array)
    evaluator.memory.write(array, items[1:])
    return items[0] if items else SpecialValue.UNDEFINED


def _array_unshift(evaluator: PartialEvaluator, array: ArrayObject, arguments: Arguments) -> JsValue:
    items = (*arguments, *evaluator.array_items(array))
    evaluator.memory.write(array, items)
    return evaluator.constant(len(items))


# ---- methods that call a function for each item


def _calls_per_item(evaluator: PartialEvaluator, array: ArrayObject, arguments: Arguments) -> list[_ItemCall]:
    """For each item, a function that calls the first argument with (item, index, array)."""
    if not arguments or len(arguments) > 1 or not isinstance(arguments[0], (Closure, Intrinsic)):
        raise Unsupported("a method of an array with other than one function")
    function, items = arguments[0], evaluator.array_items(array)

    def turn(place: int) -> JsValue:
        if evaluator.memory.resolve(array.content) is not items:
            raise Unsupported("an array that changes while a function runs over it")
        return evaluator.call(function, None, (items[place], evaluator.constant(place), array))

    return [partial(turn, place) for place in range(len(items))]


def _array_map(evaluator: PartialEvaluator, array: ArrayObject, arguments: Arguments) -> JsValue:
    return evaluator.memory.new_array(tuple(turn() for turn in _calls_per_item(evaluator, array, arguments)))


def _array_for_each(evaluator: PartialEvaluator, array: ArrayObject, arguments: Arguments) -> JsValue:
    for turn in _calls_per_item(evaluator, array, arguments):
        turn()
    return SpecialValue.UNDEFINED


def _array_filter(evaluator: PartialEvaluator, array: ArrayObject, arguments: Arguments) -> JsValue:
    items, kept = evaluator.array_items(array), []
    for place, turn in enumerate(_calls_per_item(evaluator, array, arguments)):
        keep = evaluator.memory.known_truth(evaluator.to_boolean(turn()))
        if keep is None:
            raise Unsupported("filter by what depends on the sample")
        if keep:
            kept.append(items[place])
    return evaluator.memory.new_array(tuple(kept))


def _of_first_true(
    evaluator: PartialEvaluator, turns: Sequence[_ItemCall], results: Sequence[JsValue], of_none: JsValue
) -> JsValue:
    """The result for the first call that returns true, or `of_none`; later calls are not executed."""
    if not turns:
        return of_none
    found = evaluator.to_boolean(turns[0]())
    return evaluator.evaluate_either(
        found, lambda: results[0], lambda: _of_first_true(evaluator, turns[1:], results[1:], of_none)
    )


def _array_some(evaluator: PartialEvaluator, array: ArrayObject, arguments: Arguments) -> JsValue:
    turns = _calls_per_item(evaluator, array, arguments)
    true, false = evaluator.graph.truth(True), evaluator.graph.truth(False)
    return _of_first_true(evaluator, turns, [true] * len(turns), false)


def _array_every(evaluator: PartialEvaluator, array: ArrayObject, arguments: Arguments) -> JsValue:
    turns = [
        (lambda turn=turn: evaluator.graph.make("not", evaluator.to_boolean(turn())))
        for turn in _calls_per_item(evaluator, array, arguments)
    ]
    true, false = evaluator.graph.truth(True), evaluator.graph.truth(False)
    return _of_first_true(evaluator, turns, [false] * len(turns), true)


def _array_find(evaluator: PartialEvaluator, array: ArrayObject, arguments: Arguments) -> JsValue:
    turns = _calls_per_item(evaluator, array, arguments)
    return _of_first_true(evaluator, turns, evaluator.array_items(array), SpecialValue.UNDEFINED)


def _array_find_index(evaluator: PartialEvaluator, array: ArrayObject, arguments: Arguments) -> JsValue:
    return _place_of_first_true(evaluator, _calls_per_item(evaluator, array, arguments))


def _place_of_first_true(evaluator: PartialEvaluator, turns: Sequence[_ItemCall]) -> JsValue:
    places = [evaluator.constant(place) for place in range(len(turns))]
    return _of_first_true(evaluator, turns, places, evaluator.constant(-1))


def _array_reduce(evaluator: PartialEvaluator, array: ArrayObject, arguments: Arguments) -> JsValue:
    items = evaluator.array_items(array)
    if not arguments or (len(arguments) == 1 and not items):
        raise Unsupported("reduce of nothing")
    start = 0 if len(arguments) > 1 else 1
    result = arguments[1] if len(arguments) > 1 else items[0]
    for place in range(start, len(items)):
        result = evaluator.call(arguments[0], None, (result, items[place], evaluator.constant(place), array))
        if evaluator.memory.resolve(array.content) is not items:
            raise Unsupported("an array that changes while a function runs over it")
    return result


def _array_sort(evaluator: PartialEvaluator, array: ArrayObject, arguments: Arguments) -> JsValue:
    """`array.sort`, only where the order does not depend on samples. Raises Unsupported otherwise."""
    if len(arguments) != 1:
        raise Unsupported("sort without a function")

    def order(one: JsValue, other: JsValue) -> int:
        sign = constant_value(evaluator.to_number(evaluator.call(arguments[0], None, (one, other))))
        if sign is None or math.isnan(sign):
            raise Unsupported("sort by what depends on the sample")
        return (sign > 0) - (sign < 0)

    items = evaluator.array_items(array)
    ordered = sorted(items, key=cmp_to_key(order))
    doubtful = SpecialValue.UNDEFINED in items or any(
        order(one, other) != -order(other, one) for one, other in pairwise(ordered)
    )
    if doubtful:
        raise Unsupported("sort by a function that contradicts itself")
    evaluator.memory.write(array, tuple(ordered))
    return array


# ---- methods that look for items or move them


def _only_argument(arguments: Arguments) -> JsValue:
    """The item to look for. Raises Unsupported if a start position follows it."""
    if len(arguments) > 1:
        raise Unsupported("looking for an item from a place on")
    return first_argument(arguments)


def _array_includes(evaluator: PartialEvaluator, array: ArrayObject, arguments: Arguments) -> JsValue:
    wanted, make = _only_argument(arguments), evaluator.graph.make
    found = evaluator.graph.truth(False)
    for one in evaluator.array_items(array):
        same = evaluator.strictly_equal(one, wanted)
        if isinstance(one, Operation) and isinstance(wanted, Operation) and one.is_number and wanted.is_number:
            both_nan = make("and", make("is_nan", one), make("is_nan", wanted))
            same = make("or", same, both_nan)
        elif not isinstance(one, (Operation, str)) or not isinstance(wanted, (Operation, str)):
            raise Unsupported("includes of other than numbers and texts")
        found = make("or", found, same)
    return found


def _array_index_of(evaluator: PartialEvaluator, array: ArrayObject, arguments: Arguments) -> JsValue:
    wanted = _only_argument(arguments)
    return _place_of_first_true(
        evaluator, [partial(evaluator.strictly_equal, one, wanted) for one in evaluator.array_items(array)]
    )


def _array_concat(evaluator: PartialEvaluator, array: ArrayObject, arguments: Arguments) -> JsValue:
    items = evaluator.array_items(array)
    for argument in arguments:
        one = evaluator.memory.resolve(argument)
        items += evaluator.array_items(one) if isinstance(one, ArrayObject) else (argument,)
    return evaluator.memory.new_array(items)


def _array_slice(evaluator: PartialEvaluator, array: ArrayObject, arguments: Arguments) -> JsValue:
    low = evaluator.to_known_integer(first_argument(arguments), 0)
    high = evaluator.to_known_integer(first_argument(arguments[1:]), _TO_THE_END)
    return evaluator.memory.new_array(evaluator.array_items(array)[low:high])


def _array_fill(evaluator: PartialEvaluator, array: ArrayObject, arguments: Arguments) -> JsValue:
    content = evaluator.memory.resolve(array.content)
    if len(arguments) != 1 or not isinstance(content, tuple):
        raise Unsupported("fill of a part")
    evaluator.memory.write(array, (arguments[0],) * len(content))
    return array


def _array_reverse(evaluator: PartialEvaluator, array: ArrayObject, _arguments: Arguments) -> JsValue:
    evaluator.memory.write(array, evaluator.array_items(array)[::-1])
    return array


ARRAY_METHODS: Mapping[str, Callable[[PartialEvaluator, ArrayObject, Arguments], JsValue]] = {
    "push": _array_push,
    "pop": _array_pop,
    "shift": _array_shift,
    "unshift": _array_unshift,
    "map": _array_map,
    "forEach": _array_for_each,
    "filter": _array_filter,
    "some": _array_some,
    "every": _array_every,
    "find": _array_find,
    "findIndex": _array_find_index,
    "reduce": _array_reduce,
    "sort": _array_sort,
    "includes": _array_includes,
    "indexOf": _array_index_of,
    "concat": _array_concat,
    "slice": _array_slice,
    "fill": _array_fill,
    "reverse": _array_reverse,
}
"""Name → (evaluator, array, arguments) → what the call returns."""
