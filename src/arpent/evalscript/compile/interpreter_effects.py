"""Interpreter effects: what setup(), and the functions that choose scenes and count bands, may change. They run in V8,
so the compiler does not see them.

Also refuses scripts that could change what names mean, because then the text could not be trusted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from arpent.evalscript.compile.syntax_tree import FUNCTION_KINDS, SyntaxTree, Unsupported
from arpent.evalscript.service_functions import BEFORE_PIXELS

_IDENTIFIERS = ("identifier", "property_identifier", "shorthand_property_identifier")
_REFLECTION = frozenset({
    "eval", "Function", "globalThis", "Proxy", "Reflect", "prototype", "__proto__", "defineProperty", "setPrototypeOf",
    "defineProperties", "constructor", "Symbol", "arguments", "caller", "callee", "__defineGetter__", "assign",
})  # fmt: skip
"""Names with which a script could change what other names mean."""
_GLOBALS = frozenset({"Math", "Number", "Array", "Object", "Boolean", "isNaN", "isFinite", "NaN", "Infinity"})


@dataclass(frozen=True, slots=True, kw_only=True)
class InterpreterEffects:
    """Top-level names mentioned in functions that the interpreter runs."""

    read: frozenset[str]
    """Names mentioned anywhere in those functions: an object of that name may have been changed."""
    written: frozenset[str]
    """Names assigned in those functions: the name may stand for something else."""


def find_interpreter_effects(script: SyntaxTree) -> InterpreterEffects:
    """Names that those functions, and the functions they call, mention. Raises Unsupported for reflection."""
    for tree in script.walk():
        _refuse_reflection(tree)
    functions = dict(_top_level_functions(script))
    waiting, read = [name for name in BEFORE_PIXELS if name in functions], set(BEFORE_PIXELS)
    written: set[str] = set()
    while waiting:
        for tree in functions[waiting.pop()].walk():
            written |= _assigned_names(tree)
            if tree.kind in ("identifier", "shorthand_property_identifier") and tree.text not in read:
                read.add(tree.text)
                if tree.text in functions:
                    waiting.append(tree.text)
    return InterpreterEffects(read=frozenset(read), written=frozenset(written))


def _refuse_reflection(tree: SyntaxTree) -> None:
    if tree.kind in _IDENTIFIERS and tree.text in _REFLECTION and not _declares_constructor(tree):
        raise Unsupported(f"the name {tree.text}")
    if tree.kind in ("with_statement", "import", "ERROR") or (tree.kind == "string" and "use strict" in tree.text):
        raise Unsupported(tree.kind)
    if _assigned_names(tree) & _GLOBALS:
        raise Unsupported("a change to JavaScript's own objects")


def _declares_constructor(tree: SyntaxTree) -> bool:
    """Whether `constructor` declares a class's constructor here; elsewhere it reads the class of an object."""
    return tree.text == "constructor" and tree.kind == "property_identifier"


def _top_level_functions(script: SyntaxTree) -> Iterator[tuple[str, SyntaxTree]]:
    for tree in script.children:
        if tree.kind == "function_declaration":
            yield tree["name"].text, tree
        elif tree.kind in ("lexical_declaration", "variable_declaration"):
            for declarator in tree.children:
                value = declarator.fields.get("value")
                if value is not None and value.kind in FUNCTION_KINDS:
                    yield declarator["name"].text, value


def _assigned_names(tree: SyntaxTree) -> set[str]:
    """Names that a tree assigns to, also through properties: `a` of `a.b[0] = 1`."""
    if tree.kind in ("assignment_expression", "augmented_assignment_expression"):
        target = tree["left"]
    elif tree.kind == "update_expression":
        target = tree["argument"]
    else:
        return set()
    while target.kind in ("member_expression", "subscript_expression"):
        target = target["object"]
    return {one.text for one in target.walk() if "identifier" in one.kind}
