"""House rules that a file must keep: short, and its first line says what it holds."""

from __future__ import annotations

import ast
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "src" / "arpent"
FILES = sorted(SOURCE.rglob("*.py"))
LONGEST = 400
VAGUE = ("base", "common", "context", "data", "handler", "helpers", "info", "manager", "misc", "utils")
"""Names that say nothing (ARCHITECTURE.md)."""


def named(path: Path) -> str:
    return str(path.relative_to(SOURCE))


def test_there_is_something_to_look_at() -> None:
    assert len(FILES) > 20


def test_a_file_is_short() -> None:
    assert {named(path): lines for path in FILES if (lines := len(path.read_text().splitlines())) > LONGEST} == {}


def test_its_first_line_says_what_it_holds() -> None:
    faults = {named(path): fault for path in FILES if (fault := fault_of_first_line(path)) is not None}
    assert faults == {}


def fault_of_first_line(path: Path) -> str | None:
    text = path.read_text()
    if not text.strip():
        return None
    if not text.startswith(('"""', 'r"""')):
        return "the first line must be a docstring"
    first = (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]
    return f"{first!r} says too little" if len(first.split()) < (1 if path.name == "__init__.py" else 3) else None


def test_its_name_says_something() -> None:
    vague = [named(path) for path in FILES if {*path.stem.split("_"), *path.parent.name.split("_")} & set(VAGUE)]
    assert vague == []
