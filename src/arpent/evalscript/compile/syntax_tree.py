"""Syntax tree: a parsed script, as far as the compiler needs it; the parser itself is an adapter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field


class Unsupported(Exception):
    """The script does something that only the interpreter can do; the message says what."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SyntaxTree:
    """One node with everything below it. Kinds and fields are those of the tree-sitter grammar of JavaScript."""

    kind: str
    """Kind in the grammar, such as `if_statement`."""
    text: str
    """Source text that it spans."""
    children: tuple[SyntaxTree, ...]
    """Named children without comments."""
    fields: dict[str, SyntaxTree] = field(repr=False)
    """The first child of each field; a field may be an operator or a keyword."""
    tokens: tuple[str, ...]
    """Kinds of all children, keywords and punctuation included, without comments."""

    def __getitem__(self, name: str) -> SyntaxTree:
        """The child of a field. Raises Unsupported if it is missing."""
        found = self.fields.get(name)
        if found is None:
            raise Unsupported(f"{self.kind} without {name}")
        return found

    def walk(self) -> Iterator[SyntaxTree]:
        """This node and everything below it, in the order of the text."""
        waiting = [self]
        while waiting:
            tree = waiting.pop()
            yield tree
            waiting.extend(reversed(tree.children))


FUNCTION_KINDS = frozenset({"function_declaration", "function_expression", "arrow_function", "method_definition"})
"""Kinds of trees that begin a scope for `var`."""


def var_names(body: SyntaxTree) -> list[str]:
    """Names that `var` declares in a function's body, without those in inner functions."""
    found: list[str] = []
    waiting = [body]
    while waiting:
        tree = waiting.pop()
        if tree.kind == "variable_declaration" or (tree.kind == "for_in_statement" and _is_var(tree)):
            declared = tree.children if tree.kind == "variable_declaration" else tree.children[:1]
            found += [name for child in declared for name in pattern_names(child)]
        waiting.extend(child for child in tree.children if child.kind not in FUNCTION_KINDS)
    return found


def _is_var(tree: SyntaxTree) -> bool:
    kind = tree.fields.get("kind")
    return kind is not None and kind.text == "var"


def pattern_names(pattern: SyntaxTree) -> list[str]:
    """Names that a declarator or a destructuring pattern binds."""
    if pattern.kind == "variable_declarator":
        return pattern_names(pattern["name"])
    if pattern.kind in ("identifier", "shorthand_property_identifier_pattern"):
        return [pattern.text]
    if pattern.kind in ("assignment_pattern", "object_assignment_pattern"):
        return pattern_names(pattern["left"])
    if pattern.kind == "pair_pattern":
        return pattern_names(pattern["value"])
    return [name for child in pattern.children for name in pattern_names(child)] if "pattern" in pattern.kind else []


def declared_names(statement: SyntaxTree) -> list[str]:
    """Names that a declaration of a function, a class or variables declares."""
    if statement.kind in ("function_declaration", "class_declaration"):
        return [statement["name"].text]
    return [name for child in statement.children for name in pattern_names(child)]
