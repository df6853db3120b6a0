"""Operators: applies JavaScript's operators to values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from arpent.evalscript.compile.graph.operation import Operation
from arpent.evalscript.compile.javascript.evaluator import PartialEvaluator
from arpent.evalscript.compile.javascript.values import JsValue, SpecialValue, is_nullish
from arpent.evalscript.compile.syntax_tree import Unsupported

LONGEST_TEXT = 1000
"""Maximum length of a text that is concatenated at compile time, in characters."""
SHORT_CIRCUIT = ("&&", "||", "??")
"""Operators that may not evaluate their second operand."""
_ARITHMETIC = {
    "-": "subtract", "*": "multiply", "/": "divide", "%": "remainder", "&": "bit_and", "|": "bit_or", "^": "bit_xor",
    "<<": "shift_left", ">>": "shift_right", ">>>": "shift_right_unsigned",
}  # fmt: skip
_RELATIONAL = ("<", "<=", ">", ">=")
_EQUALITY = ("===", "!==", "==", "!=")


def apply_binary(evaluator: PartialEvaluator, sign: str, one: object, other: object) -> JsValue:
    """Apply an operator that evaluates both operands. Raises Unsupported for an unknown operator."""
    if sign in _ARITHMETIC:
        return evaluator.graph.make(_ARITHMETIC[sign], evaluator.to_number(one), evaluator.to_number(other))
    if sign in _EQUALITY:
        same = evaluator.strictly_equal(one, other) if len(sign) == 3 else evaluator.loosely_equal(one, other)
        return evaluator.graph.make("not", same) if sign[0] == "!" else same
    if sign == "+":
        return evaluator.map_phi_pair(one, other, partial(_added, evaluator))
    if sign in _RELATIONAL:
        return evaluator.map_phi_pair(one, other, partial(_relation, evaluator, sign))
    raise Unsupported(f"the operator {sign}")


def _added(evaluator: PartialEvaluator, one: object, other: object) -> JsValue:
    """`one + other`: concatenation if one of the two is text."""
    if isinstance(one, str) or isinstance(other, str):
        text = evaluator.to_property_key(one) + evaluator.to_property_key(other)
        if len(text) > LONGEST_TEXT:
            raise Unsupported("a very long text")
        return text
    return evaluator.graph.make("add", evaluator.to_number(one), evaluator.to_number(other))


def _relation(evaluator: PartialEvaluator, sign: str, one: object, other: object) -> Operation:
    left, right = evaluator.to_number(one), evaluator.to_number(other)
    if sign[0] == ">":
        left, right = right, left
    return evaluator.graph.make("less_equal" if sign.endswith("=") else "less", left, right)


def apply_short_circuit(evaluator: PartialEvaluator, sign: str, one: JsValue, other: Callable[[], JsValue]) -> JsValue:
    """`&&`, `||`, `??`: the second operand is evaluated only where it is needed."""
    if sign == "??":
        there = evaluator.map_phi(one, lambda value: evaluator.graph.truth(not is_nullish(value)))
        return evaluator.evaluate_either(evaluator.to_boolean(there), lambda: one, other)
    sides = (other, lambda: one) if sign == "&&" else (lambda: one, other)
    return evaluator.evaluate_either(evaluator.to_boolean(one), *sides)


_UNARY: Mapping[str, Callable[[PartialEvaluator, JsValue], JsValue]] = {
    "!": lambda evaluator, value: evaluator.graph.make("not", evaluator.to_boolean(value)),
    "-": lambda evaluator, value: evaluator.graph.make("negate", evaluator.to_number(value)),
    "+": lambda evaluator, value: evaluator.to_number(value),
    "~": lambda evaluator, value: evaluator.graph.make("bit_xor", evaluator.to_number(value), evaluator.constant(-1)),
    "typeof": lambda evaluator, value: evaluator.map_phi(value, evaluator.type_of),
    "void": lambda _evaluator, _value: SpecialValue.UNDEFINED,
}


def apply_unary(evaluator: PartialEvaluator, sign: str, value: JsValue) -> JsValue:
    """Apply an operator with one operand and no side effects. Raises Unsupported for an unknown operator."""
    action = _UNARY.get(sign)
    if action is None:
        raise Unsupported(f"the operator {sign}")
    return action(evaluator, value)
