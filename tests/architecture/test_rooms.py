"""The rooms of the tree: how many, how many imports tie them, no circle, no crowded folder, no name for two things."""

from __future__ import annotations

import ast
from collections import defaultdict
from functools import cache
from pathlib import Path

import grimp
import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "arpent"
MOST_ROOMS, MOST_EDGES = 20, 70
"""70 are reached: a new import between rooms needs one fewer elsewhere."""
MOST_FILES = 15
"""Python files of one folder, its __init__.py among them."""
FOLDERS = sorted({path.parent for path in SOURCE.rglob("*.py")})


@cache
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("arpent", cache_dir=None)


def room(module: str) -> str:
    return ".".join(module.split(".")[:2])


def edges() -> set[tuple[str, str]]:
    """(importing room, imported room)."""
    pairs = (
        (room(module), room(other))
        for module in graph().modules
        for other in graph().find_modules_directly_imported_by(module)
    )
    return {(one, other) for one, other in pairs if other not in (one, "arpent")}


def test_rooms_are_few(capsys: pytest.CaptureFixture[str]) -> None:
    rooms = {room(module) for module in graph().modules if module != "arpent"}
    with capsys.disabled():
        print(f"\nrooms: {len(rooms)}, imports between rooms: {len(edges())}, circles: {len(circles())}")
    assert len(rooms) <= MOST_ROOMS
    assert len(edges()) <= MOST_EDGES


def circles() -> list[list[str]]:
    """Groups of files that import each other in a circle (Tarjan's strongly connected components)."""
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


def test_no_files_import_each_other_in_a_circle() -> None:
    assert circles() == []


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
