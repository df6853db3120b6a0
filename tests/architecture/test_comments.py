"""What comments and docstrings claim, as far as a program can see it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "arpent"
PAGE = re.compile(r"\bdocs/[\w/-]+(?:\.md)?")


@pytest.fixture(scope="module")
def trees() -> dict[Path, ast.Module]:
    """All sources: parsed where these tests run, not in every process that collects them."""
    return {path: ast.parse(path.read_text()) for path in sorted(SOURCE.rglob("*.py"))}


def fields(trees: dict[Path, ast.Module]) -> Iterator[tuple[Path, int, str, str]]:
    """(file, line, type, docstring) of every annotated name that has a docstring below it."""
    for path, tree in trees.items():
        for holder in ast.walk(tree):
            body = getattr(holder, "body", None)
            for above, below in pairwise(body) if isinstance(body, list) else ():
                if (
                    isinstance(above, ast.AnnAssign)
                    and isinstance(below, ast.Expr)
                    and isinstance(below.value, ast.Constant)
                    and isinstance(below.value.value, str)
                ):
                    yield path, below.lineno, ast.unparse(above.annotation), below.value.value


def test_what_is_said_to_be_none_may_be_none(trees: dict[Path, ast.Module]) -> None:
    """An empty tuple is not None: who tests for it by `is None` never finds it."""
    told = [one for one in fields(trees) if re.search(r"\bNone\b", one[3]) and "object" not in one[2]]
    assert len(told) > 20
    assert [(path.name, line, text) for path, line, kind, text in told if "None" not in kind] == []


def test_only_the_server_and_dask_are_asynchronous(trees: dict[Path, ast.Module]) -> None:
    """As adapters/executors/dask/executor.py says."""
    found = {
        path.relative_to(SOURCE).as_posix()
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.AsyncFunctionDef) or (isinstance(node, ast.Import) and node.names[0].name == "asyncio")
    }
    assert found
    assert [name for name in found if not name.startswith("server/") and "dask" not in name] == []


def test_pages_that_are_named_are_there() -> None:
    named = {
        (path.name, page)
        for folder in ("src", "tests", "benchmarks")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".toml", ".js") and path != Path(__file__) and "built" not in path.parts
        for page in PAGE.findall(path.read_text())
    }
    assert len(named) > 10
    assert {(name, page) for name, page in named if not (ROOT / page).exists()} == set()


def test_digits_are_told_by_whole_number(trees: dict[Path, ast.Module]) -> None:
    """`isdigit` passes what `int` refuses: superscripts, and thousands of digits."""
    told = {"isdigit", "isdecimal", "isnumeric"}
    found = [
        (path.name, node.lineno)
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in told
    ]
    assert found == []
