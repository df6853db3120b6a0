"""Tree: a parsed script, as far as the compiler needs to know one; the parser itself is outside."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field


class Unsupported(Exception):
    """The script does something that only an interpreter can do; the message says what."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tree:
    """One node. Kinds and fields are those of the tree-sitter grammar of JavaScript."""

    kind: str
    """Such as `if_statement`."""
    text: str
    """The source it spans."""
    children: tuple[Tree, ...]
    """Named children, comments excluded."""
    fields: dict[str, Tree] = field(repr=False)
    """The first child of each field, operators and keywords among them."""
    words: tuple[str, ...]
    """Kinds of all children, keywords and signs among them, comments excluded."""

    def __getitem__(self, name: str) -> Tree:
        """A child that must be there."""
        found = self.fields.get(name)
        if found is None:
            raise Unsupported(f"{self.kind} without {name}")
        return found

    def walk(self) -> Iterator[Tree]:
        """It and everything below it."""
        waiting = [self]
        while waiting:
            tree = waiting.pop()
            yield tree
            waiting.extend(reversed(tree.children))


Parser = Callable[[str], Tree]
"""Text → its `program`. Raises Unsupported for what the grammar does not know."""
FUNCTIONS = frozenset({"function_declaration", "function_expression", "arrow_function", "method_definition"})
"""Kinds that begin a scope for `var`."""


def declared_by_var(body: Tree) -> list[str]:
    """Names that `var` declares in a function's body, its inner functions excluded."""
    found: list[str] = []
    waiting = [body]
    while waiting:
        tree = waiting.pop()
        if tree.kind == "variable_declaration" or (tree.kind == "for_in_statement" and _is_var(tree)):
            found += [
                name for child in tree.children[: None if tree.kind[0] == "v" else 1] for name in bound_names(child)
            ]
        waiting.extend(child for child in tree.children if child.kind not in FUNCTIONS)
    return found


def _is_var(tree: Tree) -> bool:
    kind = tree.fields.get("kind")
    return kind is not None and kind.text == "var"


def bound_names(pattern: Tree) -> list[str]:
    """Names that a declarator or a pattern binds."""
    if pattern.kind == "variable_declarator":
        return bound_names(pattern["name"])
    if pattern.kind in ("identifier", "shorthand_property_identifier_pattern"):
        return [pattern.text]
    if pattern.kind in ("assignment_pattern", "object_assignment_pattern"):
        return bound_names(pattern["left"])
    if pattern.kind == "pair_pattern":
        return bound_names(pattern["value"])
    return [name for child in pattern.children for name in bound_names(child)] if "pattern" in pattern.kind else []
