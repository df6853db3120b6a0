"""Parser: JavaScript text → SyntaxTree, by tree-sitter."""

from __future__ import annotations

import re

import tree_sitter_javascript
from tree_sitter import Language, Node, Parser

from arpent.evalscript.compile import SyntaxTree, Unsupported

_IGNORED = ("comment", "html_comment", "hash_bang_line")
_LINE_END = re.compile("[\n\r\u2028\u2029]")


class ScriptParser:
    """Parses a script when called. Not thread-safe."""

    def __init__(self) -> None:
        self._parser = Parser(Language(tree_sitter_javascript.language()))

    def __call__(self, text: str) -> SyntaxTree:
        """The tree of the whole `program`. Raises Unsupported for text that the grammar does not cover."""
        root = self._parser.parse(text.encode()).root_node
        if root.has_error:
            raise Unsupported("what the parser does not understand")
        if "<!--" in text:
            raise Unsupported("<!--, which begins a comment")
        return _tree(root)


def _tree(node: Node) -> SyntaxTree:
    _refuse_misread(node)
    children: list[SyntaxTree] = []
    tokens: list[str] = []
    fields: dict[str, SyntaxTree] = {}
    for place, child in enumerate(node.children):
        if child.type in _IGNORED:
            continue
        tokens.append(child.type)
        name = node.field_name_for_child(place)
        if not child.is_named and name is None:
            continue
        tree = _tree(child)
        if child.is_named:
            children.append(tree)
        if name is not None and (name not in fields or not fields[name].children):
            fields.setdefault(name, tree)
    text = b"" if node.text is None else node.text
    return SyntaxTree(kind=node.type, text=text.decode(), children=tuple(children), fields=fields, tokens=tuple(tokens))


def _refuse_misread(node: Node) -> None:
    """Raises Unsupported where the grammar differs from JavaScript: a line end that ends a statement, a block taken for
    an object, and names with escapes."""
    kind = node.type
    if kind in ("return_statement", "update_expression"):
        parts = [child for child in node.children if child.type not in _IGNORED]
        # A prefix operator may be on the line before its operand.
        apart = len(parts) > 1 and (kind == "return_statement" or parts[0].is_named)
        if apart and _LINE_END.search(_between(node, parts[0], parts[1])):
            raise Unsupported(f"{kind} over a line's end, at which the statement may end")
    elif kind in ("expression_statement", "arrow_function"):
        body = node if kind == "expression_statement" else node.child_by_field_name("body")
        if body is not None and body.type != "statement_block" and (body.text or b"").startswith(b"{"):
            raise Unsupported("a block that looks like an object")
    elif kind.endswith(("identifier", "identifier_pattern")) and b"\\" in (node.text or b""):
        raise Unsupported("a name with escapes")


def _between(node: Node, first: Node, second: Node) -> str:
    """The text between two children, comments included."""
    return (node.text or b"")[first.end_byte - node.start_byte : second.start_byte - node.start_byte].decode()
