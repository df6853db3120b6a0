"""The oracle and the made-up country know nothing of arpent, or they would prove nothing about it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SUPPORT = Path(__file__).resolve().parents[1] / "support"
INDEPENDENT = ("client", "compare", "imagery", "mask", "numbers", "oracle", "parcels", "scripts", "server", "world")


@pytest.mark.parametrize("name", INDEPENDENT)
def test_it_imports_nothing_from_arpent(name: str) -> None:
    imported = set()
    for node in ast.walk(ast.parse((SUPPORT / f"{name}.py").read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module or "")
    assert {module for module in imported if module.partition(".")[0] == "arpent"} == set()
