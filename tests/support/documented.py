"""The real service's published examples, read from a copy of its documentation; nothing of them lies in this tree."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BLOCK = re.compile(r"^``` (?P<kind>python|default)\n(?P<text>.*?)^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Example:
    """One request, and the answer printed below it."""

    title: str
    request: dict[str, Any]
    answer: dict[str, Any]


def examples_of(page: Path) -> list[Example]:
    """Every example of a page that shows both."""
    found = []
    for section in page.read_text("utf-8").split("\n### ")[1:]:
        blocks = {match["kind"]: match["text"] for match in reversed(list(BLOCK.finditer(section)))}
        request = _request(ast.parse(blocks["python"])) if "python" in blocks else None
        if request is not None and "default" in blocks:
            answer = ast.literal_eval(blocks["default"].strip())
            found.append(Example(title=section.splitlines()[0], request=request, answer=answer))
    return found


def _request(program: ast.Module) -> dict[str, Any] | None:
    """The dict that is assigned to something called `…request`, strings assigned to names put in."""
    texts: dict[str, ast.expr] = {}
    for statement in program.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            name = statement.targets[0].id
            texts[name] = statement.value
            if name.endswith("request") and isinstance(statement.value, ast.Dict):
                return dict(ast.literal_eval(ast.unparse(_Filled(texts).visit(statement.value))))
    return None


class _Filled(ast.NodeTransformer):
    def __init__(self, texts: dict[str, ast.expr]) -> None:
        self._texts = texts

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._texts[node.id]
