"""Limits on the packages: their number, the imports between them, cycles, files per folder, and names used twice."""

from __future__ import annotations

import ast
from collections import defaultdict
from functools import cache
from pathlib import Path

import grimp
import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "arpent"
MOST_PACKAGES, MOST_EDGES = 20, 70
"""The limit of 70 is reached: a new import between packages needs one to be removed elsewhere."""
MOST_FILES = 15
"""Maximum number of Python files in a folder, including __init__.py."""
FOLDERS = sorted({path.parent for path in SOURCE.rglob("*.py")})


@cache
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("arpent", cache_dir=None)


def package(module: str) -> str:
    return ".".join(module.split(".")[:2])


def edges() -> set[tuple[str, str]]:
    """Pairs (importing package, imported package)."""
    pairs = (
        (package(module), package(other))
        for module in graph().modules
        for other in graph().find_modules_directly_imported_by(module)
    )
    return {(one, other) for one, other in pairs if other not in (one, "arpent")}


def test_packages_are_few(capsys: pytest.CaptureFixture[str]) -> None:
    packages = {package(module) for module in graph().modules if module != "arpent"}
    with capsys.disabled():
        print(f"\npackages: {len(packages)}, imports between packages: {len(edges())}, cycles: {len(cycles())}")
    assert len(packages) <= MOST_PACKAGES
    assert len(edges()) <= MOST_EDGES


def cycles() -> list[list[str]]:
    """Groups of files that form an import cycle (Tarjan's strongly connected components)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        stack.append(module)
        for other in sorted(graph().find_modules_directly_imported_by(module)):
            if other not in index:
                visit(other)
                low[module] = min(low[module], low[other])
            elif other in stack:
                low[module] = min(low[module], index[other])
        if low[module] == index[module]:
            group = stack[stack.index(module) :]
            del stack[stack.index(module) :]
            if len(group) > 1:
                found.append(sorted(group))

    for module in sorted(graph().modules):
        if module not in index:
            visit(module)
    return found


def test_no_files_form_an_import_cycle() -> None:
    assert cycles() == []


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: str(path.relative_to(SOURCE.parent)))
def test_a_folder_is_not_crowded(folder: Path) -> None:
    assert len(list(folder.glob("*.py"))) <= MOST_FILES


def test_a_name_means_one_thing() -> None:
    """No public class or function has the name of another one in another file."""
    homes: dict[str, list[str]] = defaultdict(list)
    for path in SOURCE.rglob("*.py"):
        if {"migrations", "cli", "api"} & set(path.parts):
            continue  # Alembic names the first; commands and the Python API are named by what users ask for
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
                homes[node.name].append(str(path.relative_to(SOURCE)))
    assert {name: files for name, files in homes.items() if len(files) > 1} == {}
