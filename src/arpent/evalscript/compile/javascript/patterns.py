"""Patterns: destructures values, and stores what is declared or assigned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from arpent.evalscript.compile.javascript.evaluator import PartialEvaluator
from arpent.evalscript.compile.javascript.properties import read_element, read_property, write_element, write_property
from arpent.evalscript.compile.javascript.scopes import declare_variable, find_variable
from arpent.evalscript.compile.javascript.symbolic_memory import GlobalWrite
from arpent.evalscript.compile.javascript.values import JsValue, Scope, SpecialValue, is_nullish
from arpent.evalscript.compile.syntax_tree import SyntaxTree, Unsupported

_Store = Callable[[SyntaxTree, JsValue], None]
"""Stores a value, given (target, value); the target is not a pattern."""
_TARGETS = frozenset({
    "identifier", "shorthand_property_identifier_pattern", "shorthand_property_identifier", "undefined",
    "member_expression", "subscript_expression",
})  # fmt: skip
"""Kinds of targets that are not patterns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Something that can be read and written: a variable, a property or an item."""

    read: Callable[[], JsValue]
    """Returns its current value."""
    write: Callable[[JsValue], object]
    """Stores a new value. Raises GlobalWrite for an undeclared name."""


def bind_pattern(
    evaluator: PartialEvaluator, pattern: SyntaxTree, value: JsValue, scope: Scope, *, constant: bool = False
) -> None:
    """Declare the names of a pattern in a scope, with the matching parts of the value."""

    def store(name: SyntaxTree, content: JsValue) -> None:
        declare_variable(evaluator, name.text, content, scope, constant=constant)

    _destructure(evaluator, pattern, value, scope, store)


def assign_pattern(evaluator: PartialEvaluator, target: SyntaxTree, value: JsValue, scope: Scope) -> None:
    """Write to a variable, property or item, or to each part of a pattern. Raises GlobalWrite for an undeclared
    name."""

    def store(one: SyntaxTree, content: JsValue) -> None:
        reference_of(evaluator, one, scope).write(content)

    _destructure(evaluator, target, value, scope, store)


def reference_of(evaluator: PartialEvaluator, target: SyntaxTree, scope: Scope) -> Reference:
    """A reference to a variable, property or item. Its owner and key are evaluated now and only once: JavaScript does
    so before it evaluates the assigned value, which may change them."""
    if target.kind == "parenthesized_expression":
        return reference_of(evaluator, target.children[0], scope)
    if target.kind == "member_expression":
        name, owner = target["property"].text, evaluator.evaluate(target["object"], scope)
        return Reference(
            read=lambda: evaluator.map_phi(owner, lambda one: read_property(evaluator, one, name)),
            write=lambda value: evaluator.map_phi(owner, lambda one: write_property(evaluator, one, name, value)),
        )
    if target.kind == "subscript_expression":
        owner, key = evaluator.evaluate(target["object"], scope), evaluator.evaluate(target["index"], scope)
        return Reference(
            read=lambda: evaluator.map_phi(owner, lambda one: read_element(evaluator, one, key)),
            write=lambda value: evaluator.map_phi(owner, lambda one: write_element(evaluator, one, key, value)),
        )
    return Reference(
        read=lambda: evaluator.evaluate(target, scope),
        write=lambda value: _write_variable(evaluator, target.text, value, scope),
    )


def _write_variable(evaluator: PartialEvaluator, name: str, value: JsValue, scope: Scope) -> None:
    variable = find_variable(evaluator, name, scope)
    if name == "undefined":
        raise Unsupported("writing to undefined")
    if variable is None:
        raise GlobalWrite(name)
    if variable.constant:
        raise Unsupported("writing to a constant")
    evaluator.memory.write(variable, value)


def _destructure(evaluator: PartialEvaluator, pattern: SyntaxTree, value: JsValue, scope: Scope, store: _Store) -> None:
    kind = pattern.kind
    if kind in ("array_pattern", "array"):
        _destructure_array(evaluator, pattern, value, scope, store)
    elif kind in ("object_pattern", "object"):
        _destructure_object(evaluator, pattern, value, scope, store)
    elif kind in ("assignment_pattern", "object_assignment_pattern", "assignment_expression"):
        chosen = _or_default(evaluator, value, pattern["right"], scope)
        _destructure(evaluator, pattern["left"], chosen, scope, store)
    elif kind in _TARGETS:
        store(pattern, value)
    elif kind == "parenthesized_expression":
        _destructure(evaluator, pattern.children[0], value, scope, store)
    else:
        raise Unsupported(kind)


def _or_default(evaluator: PartialEvaluator, value: JsValue, default: SyntaxTree, scope: Scope) -> JsValue:
    """The value, or the default after `=` if it is undefined."""
    missing = evaluator.map_phi(value, lambda one: evaluator.graph.truth(one is SpecialValue.UNDEFINED))
    return evaluator.evaluate_either(
        evaluator.to_boolean(missing), lambda: evaluator.evaluate(default, scope), lambda: value
    )


def _destructure_array(
    evaluator: PartialEvaluator, pattern: SyntaxTree, value: JsValue, scope: Scope, store: _Store
) -> None:
    items = evaluator.array_items(value)
    if has_elision(pattern):
        raise Unsupported("an array pattern that leaves out items")
    for place, target in enumerate(pattern.children):
        if target.kind in ("rest_pattern", "spread_element"):
            _destructure(evaluator, target.children[0], evaluator.memory.new_array(items[place:]), scope, store)
        else:
            item = items[place] if place < len(items) else SpecialValue.UNDEFINED
            _destructure(evaluator, target, item, scope, store)


def has_elision(array: SyntaxTree) -> bool:
    """Whether an array literal or pattern leaves out an item: two commas in a row, or one at the start."""
    return any(one in ("[", ",") and other == "," for one, other in pairwise(array.tokens))


def _destructure_object(
    evaluator: PartialEvaluator, pattern: SyntaxTree, value: JsValue, scope: Scope, store: _Store
) -> None:
    if is_nullish(evaluator.memory.resolve(value)):
        raise Unsupported("taking nothing apart")
    for target in pattern.children:
        if target.kind in ("pair_pattern", "pair"):
            key = target["key"]
            if key.kind != "property_identifier":
                raise Unsupported("an object pattern with a key that is not a name")
            _destructure(evaluator, target["value"], read_property(evaluator, value, key.text), scope, store)
        elif target.kind in ("rest_pattern", "spread_element"):
            raise Unsupported("the rest of an object")
        else:
            name = target["left"].text if target.kind == "object_assignment_pattern" else target.text
            _destructure(evaluator, target, read_property(evaluator, value, name), scope, store)
