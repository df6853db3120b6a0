"""Parser: JavaScript text → SyntaxTree, by tree-sitter."""

from __future__ import annotations

import tree_sitter_javascript
from tree_sitter import Language, Node, Parser

from arpent.evalscript.compile import SyntaxTree, Unsupported

_IGNORED = ("comment", "html_comment", "hash_bang_line")


class ScriptParser:
    """Parses a script when called. Not thread-safe."""

    def __init__(self) -> None:
        self._parser = Parser(Language(tree_sitter_javascript.language()))

    def __call__(self, text: str) -> SyntaxTree:
        """The tree of the whole `program`. Raises Unsupported for what the grammar does not know."""
        root = self._parser.parse(text.encode()).root_node
        if root.has_error:
            raise Unsupported("what the parser does not understand")
        return _tree(root)


def _tree(node: Node) -> SyntaxTree:
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
