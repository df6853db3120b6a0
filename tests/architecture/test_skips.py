"""A skipped test says what it needs, and what to set: nobody should have to read its code to run it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
FILES = sorted(path for path in TESTS.rglob("*.py") if path != Path(__file__).resolve())
CALLS = ("skip", "skipif", "importorskip", "xfail")
VARIABLE = re.compile(r"\bARPENT_TEST_[A-Z0-9_]+\b")
INTERNAL = {"ARPENT_TEST_MARK"}
"""Set by the tests themselves: the mark by which a test finds the processes that it started."""


def skips(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, reason) of every pytest.skip, pytest.importorskip and mark of skipping; no reason: an empty text."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.func.attr not in CALLS:
            continue
        given = [keyword.value for keyword in node.keywords if keyword.arg in ("reason", "msg")]
        if node.func.attr == "skip":
            given += node.args
        yield node.lineno, "".join(text(one) for one in given[:1])


def text(node: ast.expr) -> str:
    """What is written of a text; `…` stands for what is put in."""
    if isinstance(node, ast.JoinedStr):
        return "".join(text(part) for part in node.values)
    return str(node.value) if isinstance(node, ast.Constant) else "…"


def wrong_with(source: str) -> list[str]:
    found = []
    for line, reason in skips(ast.parse(source)):
        told = reason.startswith("needs ") and all(f"set {name}" in reason for name in VARIABLE.findall(reason))
        if not told:
            found.append(f"line {line}: {reason!r} does not say 'needs …', or a variable without 'set'")
    return found


def test_a_reason_says_what_is_needed() -> None:
    assert [f"{path.name}, {wrong}" for path in FILES for wrong in wrong_with(path.read_text())] == []


def test_bad_reasons_are_noticed() -> None:
    assert wrong_with('pytest.skip("needs X: set ARPENT_TEST_X to its URL")') == []
    assert wrong_with("pytest.skip('ARPENT_TEST_X is not set')") != []
    assert wrong_with("pytest.skip('needs ARPENT_TEST_X')") != []
    assert wrong_with("pytest.importorskip('distributed')") != []
    assert wrong_with("@pytest.mark.skipif(True, reason='not here')\ndef test(): pass") != []


def test_every_variable_is_explained() -> None:
    """tests/README.md has them all, and none that nobody reads."""
    read = {name for path in FILES for name in VARIABLE.findall(path.read_text())} - INTERNAL
    assert set(VARIABLE.findall((TESTS / "README.md").read_text())) == read
