"""Expression: what expressions give."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from arpent.evalscript.compile.function import construct, declare_class, function_of, read
from arpent.evalscript.compile.graph import Node
from arpent.evalscript.compile.machine import Machine, shown
from arpent.evalscript.compile.memory import is_nothing
from arpent.evalscript.compile.pattern import assign
from arpent.evalscript.compile.property import item, member, method
from arpent.evalscript.compile.tree import Tree, Unsupported
from arpent.evalscript.compile.values import List, Record, Scope, Special, Value

_ARITHMETIC = {
    "-": "subtract", "*": "multiply", "/": "divide", "%": "remainder", "&": "bit_and", "|": "bit_or", "^": "bit_xor",
    "<<": "shift_left", ">>": "shift_right", ">>>": "shift_right_unsigned",
}  # fmt: skip
_LONGEST_TEXT = 1000
_EFFECTS = frozenset({
    "update_expression", "assignment_expression", "augmented_assignment_expression", "call_expression",
    "new_expression",
})  # fmt: skip
_NUMBER = re.compile(r"(0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+)|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")


def _identifier(machine: Machine, tree: Tree, scope: Scope) -> Value:
    if tree.text == "undefined":
        return Special.UNDEFINED
    return read(machine, tree.text, scope)


def _number(machine: Machine, tree: Tree, _scope: Scope) -> Value:
    text = tree.text.replace("_", "")
    found = _NUMBER.fullmatch(text)
    if found is None or re.fullmatch(r"0\d+", text):
        raise Unsupported(f"the number {tree.text}")
    return machine.constant(float(int(text, 0)) if found[1] else float(text))


def _string(_machine: Machine, tree: Tree, _scope: Scope) -> Value:
    if any(child.kind != "string_fragment" for child in tree.children):
        raise Unsupported("a text with escapes")
    return "".join(child.text for child in tree.children)


def _template(machine: Machine, tree: Tree, scope: Scope) -> Value:
    text = ""
    for child in tree.children:
        if child.kind == "template_substitution":
            text += machine.key(machine.evaluate(child.children[0], scope))
        elif child.kind == "string_fragment":
            text += child.text
        else:
            raise Unsupported("a text with escapes")
    if len(text) > _LONGEST_TEXT:
        raise Unsupported("a very long text")
    return text


def _parenthesized(machine: Machine, tree: Tree, scope: Scope) -> Value:
    return machine.evaluate(tree.children[0], scope)


def _sequence(machine: Machine, tree: Tree, scope: Scope) -> Value:
    return [machine.evaluate(child, scope) for child in tree.children][-1]


# ---- operators


def add(machine: Machine, one: object, other: object) -> Value:
    """`+`."""
    return machine.each(one, lambda left: machine.each(other, lambda right: _add(machine, left, right)))


def _add(machine: Machine, one: object, other: object) -> Value:
    if isinstance(one, str) or isinstance(other, str):
        text = machine.key(one) + machine.key(other)
        if len(text) > _LONGEST_TEXT:
            raise Unsupported("a very long text")
        return text
    return machine.graph.make("add", machine.number(one), machine.number(other))


def compare(machine: Machine, sign: str, one: object, other: object) -> Node:
    """`<`, `<=`, `>`, `>=`."""
    answer = machine.each(one, lambda left: machine.each(other, lambda right: _compare(machine, sign, left, right)))
    assert isinstance(answer, Node)
    return answer


def _compare(machine: Machine, sign: str, one: object, other: object) -> Node:
    left, right = machine.number(one), machine.number(other)
    if sign[0] == ">":
        left, right = right, left
    return machine.graph.make("less_equal" if sign.endswith("=") else "less", left, right)


def operate(machine: Machine, sign: str, one: Value, other: Value) -> Value:
    """An operator of two operands that evaluates both."""
    if sign == "+":
        return add(machine, one, other)
    if sign in _ARITHMETIC:
        return machine.graph.make(_ARITHMETIC[sign], machine.number(one), machine.number(other))
    if sign in ("<", "<=", ">", ">="):
        return compare(machine, sign, one, other)
    if sign in ("===", "!==", "==", "!="):
        same = machine.identical(one, other) if len(sign) == 3 else machine.alike(one, other)
        return machine.graph.make("not", same) if sign[0] == "!" else same
    raise Unsupported(f"the operator {sign}")


def short(machine: Machine, sign: str, one: Value, other: Callable[[], Value]) -> Value:
    """`&&`, `||`, `??`."""
    if sign == "??":
        there = machine.each(one, lambda value: machine.graph.truth(not is_nothing(value)))
        return machine.choice(machine.truthy(there), lambda: one, other)
    condition = machine.truthy(one)
    return machine.choice(condition, *((other, lambda: one) if sign == "&&" else (lambda: one, other)))


def _binary(machine: Machine, tree: Tree, scope: Scope) -> Value:
    sign, one = tree["operator"].text, machine.evaluate(tree["left"], scope)
    if sign in ("&&", "||", "??"):
        return short(machine, sign, one, lambda: machine.evaluate(tree["right"], scope))
    return operate(machine, sign, one, machine.evaluate(tree["right"], scope))


def _unary(machine: Machine, tree: Tree, scope: Scope) -> Value:
    sign, value = tree["operator"].text, machine.evaluate(tree["argument"], scope)
    if sign == "!":
        return machine.graph.make("not", machine.truthy(value))
    if sign == "-":
        return machine.graph.make("negate", machine.number(value))
    if sign == "+":
        return machine.number(value)
    if sign == "~":
        return machine.graph.make("bit_xor", machine.number(value), machine.constant(-1))
    if sign == "typeof":
        return machine.each(value, machine.kind)
    if sign == "void":
        return Special.UNDEFINED
    raise Unsupported(f"the operator {sign}")


def _ternary(machine: Machine, tree: Tree, scope: Scope) -> Value:
    condition = machine.truthy(machine.evaluate(tree["condition"], scope))
    return machine.choice(condition, *((lambda name=name: machine.evaluate(tree[name], scope))
                                       for name in ("consequence", "alternative")))  # fmt: skip


# ---- assignment


def _assignment(machine: Machine, tree: Tree, scope: Scope) -> Value:
    if tree["left"].kind == "subscript_expression":
        _twice(tree["left"])
    value = machine.evaluate(tree["right"], scope)
    assign(machine, tree["left"], value, scope)
    return value


def _twice(tree: Tree) -> None:
    """Evaluated twice, or at another time than JavaScript does: it must have no effect."""
    if any(one.kind in _EFFECTS for one in tree.walk()):
        raise Unsupported("an assignment to a place that has effects")


def _augmented(machine: Machine, tree: Tree, scope: Scope) -> Value:
    _twice(tree["left"])
    sign, target = tree["operator"].text[:-1], tree["left"]
    old = machine.evaluate(target, scope)

    def write() -> Value:
        new = machine.evaluate(tree["right"], scope)
        value = new if sign in ("&&", "||", "??") else operate(machine, sign, old, new)
        assign(machine, target, value, scope)
        return value

    return short(machine, sign, old, write) if sign in ("&&", "||", "??") else write()


def _update(machine: Machine, tree: Tree, scope: Scope) -> Value:
    target, sign = tree["argument"], tree["operator"].text
    _twice(target)
    old = machine.number(machine.evaluate(target, scope))
    new = machine.graph.make("add" if sign == "++" else "subtract", old, machine.constant(1))
    assign(machine, target, new, scope)
    return new if tree.words[0] == sign else old


# ---- arrays, objects, functions


def spread(machine: Machine, trees: Sequence[Tree], scope: Scope) -> tuple[Value, ...]:
    """Items or arguments, `...` among them."""
    values: list[Value] = []
    for tree in trees:
        if tree.kind == "spread_element":
            values += machine.items(machine.evaluate(tree.children[0], scope))
        else:
            values.append(machine.evaluate(tree, scope))
    return tuple(values)


def _array(machine: Machine, tree: Tree, scope: Scope) -> Value:
    if any(one in ("[", ",") and other == "," for one, other in pairwise(tree.words)):
        raise Unsupported("an array with holes")
    return machine.memory.list(spread(machine, tree.children, scope))


def _object(machine: Machine, tree: Tree, scope: Scope) -> Value:
    properties: dict[str, Value] = {}
    for child in tree.children:
        if child.kind == "pair":
            properties[_name(machine, child["key"], scope)] = machine.evaluate(child["value"], scope)
        elif child.kind == "shorthand_property_identifier":
            properties[child.text] = _identifier(machine, child, scope)
        elif child.kind == "spread_element":
            properties |= machine.properties(machine.evaluate(child.children[0], scope))
        elif child.kind == "method_definition":
            properties[_name(machine, child["name"], scope)] = function_of(child, scope)
        else:
            raise Unsupported(child.kind)
    if "__proto__" in properties:
        raise Unsupported("__proto__")
    return machine.memory.record(properties)


def _name(machine: Machine, tree: Tree, scope: Scope) -> str:
    if tree.kind == "property_identifier":
        return tree.text
    inner = tree.children[0] if tree.kind == "computed_property_name" else tree
    return machine.key(machine.evaluate(inner, scope))


def _function(_machine: Machine, tree: Tree, scope: Scope) -> Value:
    if tree.kind == "function_expression" and "name" in tree.fields:
        scope = Scope(outer=scope)
        made = function_of(tree, scope)
        scope.names[tree["name"].text] = _machine.memory.variable(tree["name"].text, made, True)
        return made
    return function_of(tree, scope)


def _member(machine: Machine, tree: Tree, scope: Scope) -> Value:
    owner = machine.evaluate(tree["object"], scope)
    _no_private(tree)
    return machine.each(owner, lambda one: _optional(tree, one, lambda: member(machine, one, tree["property"].text)))


def _no_private(tree: Tree) -> None:
    if tree["property"].kind != "property_identifier":
        raise Unsupported(tree["property"].kind)


def _optional(tree: Tree, owner: object, action: Callable[[], Value]) -> Value:
    """`?.` gives undefined for nothing; the rest of a chain is not skipped, so that it may be Unsupported."""
    return Special.UNDEFINED if "optional_chain" in tree.fields and is_nothing(owner) else action()


def _subscript(machine: Machine, tree: Tree, scope: Scope) -> Value:
    owner, key = machine.evaluate(tree["object"], scope), machine.evaluate(tree["index"], scope)
    return machine.each(owner, lambda one: _optional(tree, one, lambda: item(machine, one, key)))


def _call(machine: Machine, tree: Tree, scope: Scope) -> Value:
    callee = tree["function"]
    if "optional_chain" in tree.fields or tree["arguments"].kind != "arguments":
        raise Unsupported("a call by ?. or with a template")
    if callee.kind == "member_expression":
        owner = machine.evaluate(callee["object"], scope)
        _no_private(callee)
        arguments = spread(machine, tree["arguments"].children, scope)
        name = callee["property"].text

        def apply(one: object) -> Value:
            return _optional(callee, one, lambda: machine.call(method(machine, one, name), one, arguments))

        return machine.each(owner, apply)
    if callee.kind in ("subscript_expression", "super"):
        raise Unsupported("a call of an item")
    function = machine.evaluate(callee, scope)
    return machine.call(function, None, spread(machine, tree["arguments"].children, scope))


def _new(machine: Machine, tree: Tree, scope: Scope) -> Value:
    arguments = spread(machine, tree["arguments"].children, scope) if "arguments" in tree.fields else ()
    if tree["constructor"].text == "Array":
        count = machine.whole(arguments[0]) if len(arguments) == 1 else -1
        if not 0 <= count <= 4096:
            raise Unsupported("new Array")
        return machine.memory.list((Special.HOLE,) * count)
    callee = machine.memory.resolve(machine.evaluate(tree["constructor"], scope))
    if isinstance(callee, (List, Record)):
        raise Unsupported(f"new {shown(callee)}")
    return construct(machine, callee, arguments)


EXPRESSIONS: Mapping[str, Callable[[Machine, Tree, Scope], Value]] = {
    "identifier": _identifier,
    "undefined": lambda _machine, _tree, _scope: Special.UNDEFINED,
    "null": lambda _machine, _tree, _scope: Special.NULL,
    "true": lambda machine, _tree, _scope: machine.graph.truth(True),
    "false": lambda machine, _tree, _scope: machine.graph.truth(False),
    "this": lambda machine, _tree, scope: read(machine, "this", scope),
    "number": _number,
    "string": _string,
    "template_string": _template,
    "parenthesized_expression": _parenthesized,
    "sequence_expression": _sequence,
    "binary_expression": _binary,
    "unary_expression": _unary,
    "ternary_expression": _ternary,
    "assignment_expression": _assignment,
    "augmented_assignment_expression": _augmented,
    "update_expression": _update,
    "array": _array,
    "object": _object,
    "function_expression": _function,
    "arrow_function": _function,
    "class": lambda machine, tree, scope: declare_class(machine, tree, Scope(outer=scope)),
    "member_expression": _member,
    "subscript_expression": _subscript,
    "call_expression": _call,
    "new_expression": _new,
}
"""Kind → what it gives."""
