"""Every promise of SECURITY.md names tests that hold it, and every test that a page names exists."""

from __future__ import annotations

import ast
import re
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
NAMED = re.compile(r"`([\w/]+\.py)::([\w:]+)`")
"""`folder/test_file.py::test_name` or `…::TestClass::test_name`, from `tests/` on."""
PROMISES = [
    line
    for line in (ROOT / "SECURITY.md").read_text().splitlines()
    if line.startswith("| ") and not line.startswith(("| against |", "| layer |"))
]


@lru_cache
def held_in(path: Path) -> frozenset[str]:
    """Names of a file's tests; none where there is no such file."""
    if not path.is_file():
        return frozenset()
    found: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{each.name}" for each in node.body if isinstance(each, ast.FunctionDef)}
    return frozenset(name for name in found if name.rpartition("::")[2].startswith("test_"))


def missing(text: str) -> list[str]:
    """Tests that the text names and that do not exist."""
    named = NAMED.findall(text.replace("`tests/", "`"))
    return [f"{file}::{name}" for file, name in named if name not in held_in(ROOT / "tests" / file)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_named_tests_exist(page: Path) -> None:
    assert missing(page.read_text()) == []


@pytest.mark.parametrize("promise", PROMISES, ids=lambda line: line.split("|")[1].strip()[:40])
def test_a_promise_names_its_tests(promise: str) -> None:
    assert NAMED.search(promise.rsplit("|", 2)[1]), "the last column must name a test"


def test_there_are_promises() -> None:
    assert len(PROMISES) > 10


def test_what_is_not_there_is_noticed() -> None:
    here = "architecture/test_security.py"
    assert missing(f"`{here}::test_there_are_promises`") == []
    for wrong in (f"{here}::test_nothing", f"{here}::missing", "architecture/test_none.py::test_x"):
        assert missing(f"`{wrong}`") == [wrong]
