"""Outside: what setup(), preProcessScenes and updateOutput may touch: they run in the interpreter, unseen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from arpent.evalscript.compile.tree import FUNCTIONS, Tree, Unsupported

_ROOTS = ("setup", "preProcessScenes", "updateOutput")
_NAMES = ("identifier", "property_identifier", "shorthand_property_identifier")
_DANGEROUS = frozenset({
    "eval", "Function", "globalThis", "Proxy", "Reflect", "prototype", "__proto__", "defineProperty", "setPrototypeOf",
    "defineProperties", "constructor", "Symbol", "arguments", "caller", "callee", "__defineGetter__", "assign",
})  # fmt: skip
"""Names by which a script could change what other names mean."""
_STANDARD = frozenset({"Math", "Number", "Array", "Object", "Boolean", "isNaN", "isFinite", "NaN", "Infinity"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """Names of the top level."""

    read: frozenset[str]
    """Mentioned there."""
    written: frozenset[str]
    """Assigned there."""


def outside_of(script: Tree) -> Outside:
    """What those functions, and what they call, mention. Raises Unsupported for tricks."""
    written: set[str] = set()
    for tree in script.walk():
        _harmless(tree)
    functions = dict(_functions(script))
    waiting, read = [name for name in _ROOTS if name in functions], set(_ROOTS)
    while waiting:
        for tree in functions[waiting.pop()].walk():
            written |= _targets(tree)
            if tree.kind in ("identifier", "shorthand_property_identifier") and tree.text not in read:
                read.add(tree.text)
                if tree.text in functions:
                    waiting.append(tree.text)
    return Outside(read=frozenset(read), written=frozenset(written))


def _harmless(tree: Tree) -> None:
    if tree.kind in _NAMES and tree.text in _DANGEROUS and not _is_constructor(tree):
        raise Unsupported(f"the name {tree.text}")
    if tree.kind in ("with_statement", "import", "ERROR") or (tree.kind == "string" and "use strict" in tree.text):
        raise Unsupported(tree.kind)
    if _targets(tree) & _STANDARD:
        raise Unsupported("a change to JavaScript's own objects")


def _is_constructor(tree: Tree) -> bool:
    """In a class it declares; elsewhere it reaches for the class of something."""
    return tree.text == "constructor" and tree.kind == "property_identifier"


def _functions(script: Tree) -> Iterator[tuple[str, Tree]]:
    for tree in script.children:
        if tree.kind == "function_declaration":
            yield tree["name"].text, tree
        elif tree.kind in ("lexical_declaration", "variable_declaration"):
            for declarator in tree.children:
                value = declarator.fields.get("value")
                if value is not None and value.kind in FUNCTIONS:
                    yield declarator["name"].text, value


def _targets(tree: Tree) -> set[str]:
    """Names at the root of what a tree assigns to."""
    if tree.kind in ("assignment_expression", "augmented_assignment_expression"):
        target = tree["left"]
    elif tree.kind == "update_expression":
        target = tree["argument"]
    else:
        return set()
    while target.kind in ("member_expression", "subscript_expression"):
        target = target["object"]
    return {one.text for one in target.walk() if "identifier" in one.kind}
