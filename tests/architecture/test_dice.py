"""The dice of the module `random` are for those who seed them: the library has its own."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

OWN = {"SystemRandom"}


def used(source: str) -> set[str]:
    """What a module takes of `random`."""
    tree = ast.parse(source)
    imported = {
        name.asname or name.name
        for node in ast.walk(tree) if isinstance(node, ast.Import)
        for name in node.names if name.name == "random"
    }  # fmt: skip
    found = {
        name.name
        for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "random"
        for name in node.names
    }  # fmt: skip
    return found | {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in imported
    }


@pytest.mark.parametrize(
    ("source", "found"),
    [("import random\nrandom.uniform(0, 1)", {"uniform"}), ("from random import randrange", {"randrange"}),
     ("random = generator()\nrandom.uniform(0, 1)", set()), ("import random\nrandom.SystemRandom()", OWN)],
)  # fmt: skip
def test_what_is_used_is_seen(source: str, found: set[str]) -> None:
    assert used(source) == found


def test_no_module_uses_dice_that_others_seed(repository: Path) -> None:
    """Threads that paused between two tries changed the sequence of a notebook, and of a test that ran meanwhile."""
    wrong = {
        path.relative_to(repository).as_posix(): more
        for path in (repository / "src").rglob("*.py")
        if (more := used(path.read_text()) - OWN)
    }
    assert not wrong
