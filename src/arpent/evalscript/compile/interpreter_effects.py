"""Interpreter effects: what setup() and other functions change in V8 before evaluatePixel, unseen by the compiler.

Scripts that could change the meaning of names are refused, because their text could not be trusted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from arpent.evalscript.compile.javascript.values import Cell, ClassObject, Closure, Phi, PlainObject, Scope
from arpent.evalscript.compile.syntax_tree import SyntaxTree, Unsupported, declared_names, pattern_names
from arpent.evalscript.service_functions import BEFORE_PIXELS

_IDENTIFIERS = ("identifier", "property_identifier", "shorthand_property_identifier")
_REFLECTION = frozenset({
    "eval", "Function", "globalThis", "Proxy", "Reflect", "prototype", "__proto__", "defineProperty", "setPrototypeOf",
    "defineProperties", "constructor", "Symbol", "arguments", "caller", "callee", "__defineGetter__", "assign",
})  # fmt: skip
"""Names with which a script could change what other names mean."""
_GLOBAL_OBJECTS = frozenset({"Math", "Number", "Array", "Object", "Boolean"})
_GLOBALS = _GLOBAL_OBJECTS | {"isNaN", "isFinite", "NaN", "Infinity"}
_USES = {
    "member_expression": ("object",), "subscript_expression": ("object",), "call_expression": ("function",),
    "new_expression": ("constructor",), "unary_expression": ("argument",), "binary_expression": ("left", "right"),
}  # fmt: skip
"""Kind of tree → fields in which a global object such as Math is only used, not passed on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InterpreterEffects:
    """Top-level names that occur in functions that the interpreter runs before evaluatePixel."""

    read: frozenset[str]
    """Names that occur anywhere in those functions: an object of that name may have been changed."""
    written: frozenset[str]
    """Names that those functions assign to: the name may refer to something else afterwards."""


def find_interpreter_effects(script: SyntaxTree) -> InterpreterEffects:
    """Names that occur in functions run before evaluatePixel, or in what these call. Raises Unsupported for
    reflection."""
    for tree in script.walk():
        _refuse_reflection(tree)
    makers = _makers(script)
    waiting, read = [name for name in BEFORE_PIXELS if name in makers], set(BEFORE_PIXELS)
    written: set[str] = set()
    while waiting:
        for tree in (one for maker in makers[waiting.pop()] for one in maker.walk()):
            written |= _assigned_names(tree)
            if tree.kind in ("identifier", "shorthand_property_identifier") and tree.text not in read:
                read.add(tree.text)
                if tree.text in makers:
                    waiting.append(tree.text)
    return InterpreterEffects(read=frozenset(read), written=frozenset(written))


def seeing_changes(top: Scope, touched: frozenset[str]) -> set[str]:
    """Names in the script's scope `top` that may show a change made through the names `touched`, because both hold the
    same array, for example, or functions that see the same variable."""
    holders: dict[_Node, list[_Node]] = {}
    named: dict[_Node, str] = {variable: name for name, variable in top.variables.items()}
    _note_holders(named, top, holders)
    held: dict[_Node, list[_Node]] = {}
    for one, those in holders.items():
        for holder in those:
            held.setdefault(holder, []).append(one)
    first = [variable for variable, name in named.items() if name in touched]
    changed = _reached(first, held).difference(first)
    return {named[one] for one in _reached(changed, holders) if one in named}


_Node = Cell | Scope


def _note_holders(named: Iterable[_Node], top: Scope, holders: dict[_Node, list[_Node]]) -> None:
    """Fill `holders`: each node that can be reached from `named` → the nodes that hold it directly."""
    waiting, known = [*named], set(named)
    while waiting:
        node = waiting.pop()
        for one in _held_by(node):
            if one is top:  # every function sees it, but what it holds is in `named` already
                continue
            holders.setdefault(one, []).append(node)
            if one not in known:
                known.add(one)
                waiting.append(one)


def _held_by(node: _Node) -> Iterator[_Node]:
    """What a variable, array, object or scope holds directly. A function counts as the scope it was created in."""
    waiting: list[object] = (
        [*node.variables.values(), node.outer]
        if isinstance(node, Scope)
        else [node.content, node.made_by if isinstance(node, PlainObject) else None]
    )
    while waiting:
        one = waiting.pop()
        if isinstance(one, (Cell, Scope)):
            yield one
        elif isinstance(one, Phi):
            waiting += [one.yes, one.no]
        elif isinstance(one, tuple):
            waiting += one
        elif isinstance(one, dict):
            waiting += one.values()
        elif isinstance(one, ClassObject):
            waiting += [*one.methods.values(), *one.statics.values()]
        elif isinstance(one, Closure):
            waiting.append(one.scope)


def _reached(first: Iterable[_Node], ways: Mapping[_Node, Sequence[_Node]]) -> set[_Node]:
    """The nodes `first`, and all nodes that can be reached from them along `ways`."""
    found = set(first)
    waiting = [*found]
    while waiting:
        new = set(ways.get(waiting.pop(), ())) - found
        found |= new
        waiting += new
    return found


def _refuse_reflection(tree: SyntaxTree) -> None:
    if tree.kind in _IDENTIFIERS and tree.text in _REFLECTION and not _declares_constructor(tree):
        raise Unsupported(f"the name {tree.text}")
    if tree.kind in ("with_statement", "import", "ERROR") or (tree.kind == "string" and "use strict" in tree.text):
        raise Unsupported(tree.kind)
    if _assigned_names(tree) & _GLOBALS:
        raise Unsupported("a change to JavaScript's own objects")
    _refuse_bare_globals(tree)


def _refuse_bare_globals(tree: SyntaxTree) -> None:
    """Raises Unsupported for Math and other global objects as values, which could be changed under another name."""
    used = {id(tree.fields.get(name)) for name in _USES.get(tree.kind, ())}
    for child in tree.children:
        if child.kind == "identifier" and child.text in _GLOBAL_OBJECTS and id(child) not in used:
            raise Unsupported(f"{child.text} as a value")


def _declares_constructor(tree: SyntaxTree) -> bool:
    """Whether `constructor` declares a class's constructor here; elsewhere it reads the class of an object."""
    return tree.text == "constructor" and tree.kind == "property_identifier"


def _makers(script: SyntaxTree) -> dict[str, list[SyntaxTree]]:
    """Top-level name → the functions and statements that give it its value."""
    found: dict[str, list[SyntaxTree]] = {}
    for tree in script.children:
        if tree.kind == "function_declaration":
            found.setdefault(tree["name"].text, []).append(tree)
            continue
        parts = tree.children if tree.kind in ("lexical_declaration", "variable_declaration") else (tree,)
        for part in parts:
            names = set(pattern_names(part)) if part is not tree else set(declared_names(tree))
            for name in names.union(*map(_assigned_names, part.walk())):
                found.setdefault(name, []).append(part)
    return found


def _assigned_names(tree: SyntaxTree) -> set[str]:
    """Names that a tree assigns to, including through properties: `a` in `a.b[0] = 1`."""
    if tree.kind in ("assignment_expression", "augmented_assignment_expression"):
        target = tree["left"]
    elif tree.kind == "update_expression":
        target = tree["argument"]
    else:
        return set()
    while target.kind in ("member_expression", "subscript_expression"):
        target = target["object"]
    return {one.text for one in target.walk() if "identifier" in one.kind}
