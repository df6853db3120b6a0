"""Expressions: evaluates each kind of expression."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from arpent.evalscript.compile.javascript.evaluator import PartialEvaluator
from arpent.evalscript.compile.javascript.functions import construct_object
from arpent.evalscript.compile.javascript.operators import (
    LONGEST_TEXT,
    SHORT_CIRCUIT,
    apply_binary,
    apply_short_circuit,
    apply_unary,
)
from arpent.evalscript.compile.javascript.patterns import assign_pattern, has_elision, reference_of
from arpent.evalscript.compile.javascript.properties import read_element, read_method, read_property
from arpent.evalscript.compile.javascript.scopes import declare_class, declare_variable, make_closure, read_variable
from arpent.evalscript.compile.javascript.values import JsValue, Phi, PlainObject, Scope, SpecialValue, is_nullish
from arpent.evalscript.compile.syntax_tree import SyntaxTree, Unsupported

_LONGEST_NEW_ARRAY = 4096
_PATTERNS = frozenset({"array_pattern", "object_pattern", "array", "object"})
_NUMERAL = re.compile(r"(0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+)|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")


def _evaluate_identifier(evaluator: PartialEvaluator, tree: SyntaxTree, scope: Scope) -> JsValue:
    if tree.text == "undefined":
        return SpecialValue.UNDEFINED
    return read_variable(evaluator, tree.text, scope)


def _evaluate_numeral(evaluator: PartialEvaluator, tree: SyntaxTree, _scope: Scope) -> JsValue:
    text = tree.text.replace("_", "")
    found = _NUMERAL.fullmatch(text)
    if found is None or re.fullmatch(r"0\d+", text):
        raise Unsupported(f"the number {tree.text}")
    return evaluator.constant(float(int(text, 0)) if found[1] else float(text))


def _evaluate_string(_evaluator: PartialEvaluator, tree: SyntaxTree, _scope: Scope) -> JsValue:
    if any(child.kind != "string_fragment" for child in tree.children):
        raise Unsupported("a text with escapes")
    return "".join(child.text for child in tree.children)


def _evaluate_template(evaluator: PartialEvaluator, tree: SyntaxTree, scope: Scope) -> JsValue:
    text = ""
    for child in tree.children:
        if child.kind == "template_substitution":
            text += evaluator.to_property_key(evaluator.evaluate(child.children[0], scope))
        elif child.kind == "string_fragment":
            text += child.text
        else:
            raise Unsupported("a text with escapes")
    if len(text) > LONGEST_TEXT:
        raise Unsupported("a very long text")
    return text


def _evaluate_parenthesized(evaluator: PartialEvaluator, tree: SyntaxTree, scope: Scope) -> JsValue:
    return evaluator.evaluate(tree.children[0], scope)


def _evaluate_comma(evaluator: PartialEvaluator, tree: SyntaxTree, scope: Scope) -> JsValue:
    return [evaluator.evaluate(child, scope) for child in tree.children][-1]


# ---- operators


def _evaluate_binary(evaluator: PartialEvaluator, tree: SyntaxTree, scope: Scope) -> JsValue:
    sign, one = tree["operator"].text, evaluator.evaluate(tree["left"], scope)
    if sign in SHORT_CIRCUIT:
        return apply_short_circuit(evaluator, sign, one, lambda: evaluator.evaluate(tree["right"], scope))
    return apply_binary(evaluator, sign, one, evaluator.evaluate(tree["right"], scope))


def _evaluate_unary(evaluator: PartialEvaluator, tree: SyntaxTree, scope: Scope) -> JsValue:
    return apply_unary(evaluator, tree["operator"].text, evaluator.evaluate(tree["argument"], scope))


def _evaluate_ternary(evaluator: PartialEvaluator, tree: SyntaxTree, scope: Scope) -> JsValue:
    condition = evaluator.to_boolean(evaluator.evaluate(tree["condition"], scope))
    return evaluator.evaluate_either(
        condition,
        lambda: evaluator.evaluate(tree["consequence"], scope),
        lambda: evaluator.evaluate(tree["alternative"], scope),
    )


# ---- assignment


def _evaluate_assignment(evaluator: PartialEvaluator, tree: SyntaxTree, scope: Scope) -> JsValue:
    if tree["left"].kind in _PATTERNS:
        value = evaluator.evaluate(tree["right"], scope)
        assign_pattern(evaluator, tree["left"], value, scope)
        return value
    reference = reference_of(evaluator, tree["left"], scope)
    value = evaluator.evaluate(tree["right"], scope)
    reference.write(value)
    return value


def _evaluate_augmented(evaluator: PartialEvaluator, tree: SyntaxTree, scope: Scope) -> JsValue:
    """`+=` and similar; `&&=`, `||=` and `??=` write only where the right side is evaluated."""
    sign, reference = tree["operator"].text[:-1], reference_of(evaluator, tree["left"], scope)
    old = reference.read()

    def write() -> JsValue:
        new = evaluator.evaluate(tree["right"], scope)
        value = new if sign in SHORT_CIRCUIT else apply_binary(evaluator, sign, old, new)
        reference.write(value)
        return value

    return apply_short_circuit(evaluator, sign, old, write) if sign in SHORT_CIRCUIT else write()


def _evaluate_update(evaluator: PartialEvaluator, tree: SyntaxTree, scope: Scope) -> JsValue:
    """`++` and `--`, as prefix or postfix."""
    reference, sign = reference_of(evaluator, tree["argument"], scope), tree["operator"].text
    old = evaluator.to_number(reference.read())
    new = evaluator.graph.make("add" if sign == "++" else "subtract", old, evaluator.constant(1))
    reference.write(new)
    return new if tree.tokens[0] == sign else old


# ---- arrays, objects, functions


def _evaluate_list(evaluator: PartialEvaluator, trees: Sequence[SyntaxTree], scope: Scope) -> tuple[JsValue, ...]:
    """Items of an array literal, or arguments of a call, with `...` expanded."""
    values: list[JsValue] = []
    for tree in trees:
        if tree.kind == "spread_element":
            values += evaluator.array_items(evaluator.evaluate(tree.children[0], scope))
        else:
            values.append(evaluator.evaluate(tree, scope))
    return tuple(values)


def _evaluate_array(evaluator: PartialEvaluator, tree: SyntaxTree, scope: Scope) -> JsValue:
    if has_elision(tree):
        raise Unsupported("an array with holes")
    return evaluator.memory.new_array(_evaluate_list(evaluator, tree.children, scope))


def _evaluate_object(evaluator: PartialEvaluator, tree: SyntaxTree, scope: Scope) -> JsValue:
    properties: dict[str, JsValue] = {}
    for child in tree.children:
        if child.kind == "pair":
            properties[_property_key(evaluator, child["key"], scope)] = evaluator.evaluate(child["value"], scope)
        elif child.kind == "shorthand_property_identifier":
            properties[child.text] = _evaluate_identifier(evaluator, child, scope)
        elif child.kind == "spread_element":
            properties |= evaluator.object_properties(evaluator.evaluate(child.children[0], scope))
        elif child.kind == "method_definition":
            properties[_property_key(evaluator, child["name"], scope)] = make_closure(child, scope)
        else:
            raise Unsupported(child.kind)
    if "__proto__" in properties:
        raise Unsupported("__proto__")
    return evaluator.memory.new_object(properties)


def _property_key(evaluator: PartialEvaluator, tree: SyntaxTree, scope: Scope) -> str:
    if tree.kind == "property_identifier":
        return tree.text
    inner = tree.children[0] if tree.kind == "computed_property_name" else tree
    return evaluator.to_property_key(evaluator.evaluate(inner, scope))


def _evaluate_function(evaluator: PartialEvaluator, tree: SyntaxTree, scope: Scope) -> JsValue:
    if tree.kind != "function_expression" or "name" not in tree.fields:
        return make_closure(tree, scope)
    inner = Scope(outer=scope)
    made = make_closure(tree, inner)
    declare_variable(evaluator, tree["name"].text, made, inner, constant=True)
    return made


def _evaluate_class(evaluator: PartialEvaluator, tree: SyntaxTree, scope: Scope) -> JsValue:
    return declare_class(evaluator, tree, Scope(outer=scope))


# ---- properties and calls


def _refuse_private(tree: SyntaxTree) -> None:
    if tree["property"].kind != "property_identifier":
        raise Unsupported(tree["property"].kind)


def _unless_nullish(tree: SyntaxTree, owner: object, action: Callable[[], JsValue]) -> JsValue:
    """`owner?.`: undefined if the owner is null or undefined. The rest of the chain is still evaluated, which may raise
    Unsupported."""
    return SpecialValue.UNDEFINED if "optional_chain" in tree.fields and is_nullish(owner) else action()


def _evaluate_member(evaluator: PartialEvaluator, tree: SyntaxTree, scope: Scope) -> JsValue:
    owner = evaluator.evaluate(tree["object"], scope)
    _refuse_private(tree)
    name = tree["property"].text
    return evaluator.map_phi(owner, lambda one: _unless_nullish(tree, one, lambda: read_property(evaluator, one, name)))


def _evaluate_subscript(evaluator: PartialEvaluator, tree: SyntaxTree, scope: Scope) -> JsValue:
    owner, key = evaluator.evaluate(tree["object"], scope), evaluator.evaluate(tree["index"], scope)
    return evaluator.map_phi(owner, lambda one: _unless_nullish(tree, one, lambda: read_element(evaluator, one, key)))


def _evaluate_call(evaluator: PartialEvaluator, tree: SyntaxTree, scope: Scope) -> JsValue:
    callee = tree["function"]
    if "optional_chain" in tree.fields or tree["arguments"].kind != "arguments":
        raise Unsupported("a call by ?. or with a template")
    if callee.kind == "member_expression":
        return _evaluate_call_method(evaluator, tree, scope)
    if callee.kind in ("subscript_expression", "super"):
        raise Unsupported("a call of an item")
    function = evaluator.evaluate(callee, scope)
    return evaluator.call(function, None, _evaluate_list(evaluator, tree["arguments"].children, scope))


def _evaluate_call_method(evaluator: PartialEvaluator, tree: SyntaxTree, scope: Scope) -> JsValue:
    """`owner.name(…)`: a call with the owner as `this`."""
    callee = tree["function"]
    owner = evaluator.evaluate(callee["object"], scope)
    _refuse_private(callee)
    before = _contents(owner)
    arguments = _evaluate_list(evaluator, tree["arguments"].children, scope)
    if any(one is not other for one, other in zip(before, _contents(owner), strict=True)):
        raise Unsupported("an object that changes while its method's arguments are evaluated")
    name = callee["property"].text

    def apply(one: object) -> JsValue:
        return _unless_nullish(callee, one, lambda: evaluator.call(read_method(evaluator, one, name), one, arguments))

    return evaluator.map_phi(owner, apply)


def _contents(owner: object) -> list[object]:
    """Contents of the objects that a method's owner may be, to detect changes by the arguments: JavaScript looks the
    method up before it evaluates them."""
    if isinstance(owner, Phi):
        return [*_contents(owner.yes), *_contents(owner.no)]
    return [owner.content] if isinstance(owner, PlainObject) else []


def _evaluate_new(evaluator: PartialEvaluator, tree: SyntaxTree, scope: Scope) -> JsValue:
    arguments = _evaluate_list(evaluator, tree["arguments"].children, scope) if "arguments" in tree.fields else ()
    if tree["constructor"].text == "Array":
        count = evaluator.to_known_integer(arguments[0]) if len(arguments) == 1 else -1
        if not 0 <= count <= _LONGEST_NEW_ARRAY:
            raise Unsupported("new Array")
        return evaluator.memory.new_array((SpecialValue.HOLE,) * count)
    callee = evaluator.memory.resolve(evaluator.evaluate(tree["constructor"], scope))
    return construct_object(evaluator, callee, arguments)


EXPRESSIONS: Mapping[str, Callable[[PartialEvaluator, SyntaxTree, Scope], JsValue]] = {
    "identifier": _evaluate_identifier,
    "undefined": lambda _evaluator, _tree, _scope: SpecialValue.UNDEFINED,
    "null": lambda _evaluator, _tree, _scope: SpecialValue.NULL,
    "true": lambda evaluator, _tree, _scope: evaluator.graph.truth(True),
    "false": lambda evaluator, _tree, _scope: evaluator.graph.truth(False),
    "this": lambda evaluator, _tree, scope: read_variable(evaluator, "this", scope),
    "number": _evaluate_numeral,
    "string": _evaluate_string,
    "template_string": _evaluate_template,
    "parenthesized_expression": _evaluate_parenthesized,
    "sequence_expression": _evaluate_comma,
    "binary_expression": _evaluate_binary,
    "unary_expression": _evaluate_unary,
    "ternary_expression": _evaluate_ternary,
    "assignment_expression": _evaluate_assignment,
    "augmented_assignment_expression": _evaluate_augmented,
    "update_expression": _evaluate_update,
    "array": _evaluate_array,
    "object": _evaluate_object,
    "function_expression": _evaluate_function,
    "arrow_function": _evaluate_function,
    "class": _evaluate_class,
    "member_expression": _evaluate_member,
    "subscript_expression": _evaluate_subscript,
    "call_expression": _evaluate_call,
    "new_expression": _evaluate_new,
}
"""Kind of tree → (evaluator, tree, scope) → its value."""
