"""House rules that a file must keep: short, and its first line says what it holds."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "arpent"
FILES = sorted(SOURCE.rglob("*.py"))
LONGEST = 400
VAGUE = ("base", "common", "context", "data", "handler", "helpers", "info", "manager", "misc", "utils")
"""Names that say nothing (ARCHITECTURE.md)."""


def named(path: Path) -> str:
    return str(path.relative_to(SOURCE))


def test_there_is_something_to_look_at() -> None:
    assert len(FILES) > 20


@pytest.mark.parametrize("path", FILES, ids=named)
def test_a_file_is_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST


@pytest.mark.parametrize("path", [path for path in FILES if path.read_text().strip()], ids=named)
def test_its_first_line_says_what_it_holds(path: Path) -> None:
    text = path.read_text()
    assert text.startswith(('"""', 'r"""')), "the first line must be a docstring"
    first = (ast.get_docstring(ast.parse(text)) or "").splitlines()[0]
    assert len(first.split()) >= (1 if path.name == "__init__.py" else 3), f"'{first}' says too little"


@pytest.mark.parametrize("path", FILES, ids=named)
def test_its_name_says_something(path: Path) -> None:
    words = set(path.stem.split("_")) | set(path.parent.name.split("_"))
    assert words.isdisjoint(VAGUE)
