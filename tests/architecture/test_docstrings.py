"""Docstrings say something by themselves, and those of the ports name the errors that an adapter raises."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from arpent.domain import errors

SOURCE = Path(__file__).resolve().parents[2] / "src" / "arpent"
MIGRATIONS = SOURCE / "adapters" / "database" / "migrations"
PORTS = {path: ast.parse(path.read_text()) for path in sorted((SOURCE / "domain" / "ports").glob("*.py"))}
LEAST_WORDS = 3
"""A docstring of fewer words repeats the name, or needs the lines around it to be understood."""
POINTS_ELSEWHERE = re.compile(
    r"the same (for|by|as|from|of|in|to|with)\b"
    r"|(likewise|ditto|idem|the same|see (there|above|below)|as (above|below|before|there|it says|said|the port)"
    r"|as in the port|the others?|of (the|those) \w+|the rest|theirs?|both|when|so far|too late)\s*([.:;,]|$)",
    re.IGNORECASE,
)
"""Beginnings that say nothing without the docstring before them."""
MANNERED = re.compile(
    r"\b(so (many|much) (more|of)|of late|be it|at hand|what is none|that is none|who(ever)? has none|ought|shall"
    r"|the newest so many|costs nobody|mends?|betters?|what came of it|nothing is left)\b",
    re.IGNORECASE,
)
"""Turns of phrase that readers of technical English have to read twice."""


@pytest.fixture(scope="module")
def trees() -> dict[Path, ast.Module]:
    """All sources but migrations: parsed where these tests run, not in every process that collects them."""
    paths = [path for path in sorted(SOURCE.rglob("*.py")) if MIGRATIONS not in path.parents]
    return {path: ast.parse(path.read_text()) for path in paths}


def docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, text) of every docstring: of modules, classes and functions, and below fields and constants."""
    for holder in ast.walk(tree):
        body = getattr(holder, "body", None)
        if not isinstance(body, list):
            continue
        documented = isinstance(holder, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        for above, here in pairwise([None, *body]):
            told = here.value.value if isinstance(here, ast.Expr) and isinstance(here.value, ast.Constant) else None
            below = isinstance(above, ast.Assign | ast.AnnAssign) or (above is None and documented)
            if isinstance(told, str) and below:
                yield here.lineno, " ".join(told.split())


def fault(text: str) -> str | None:
    """What is wrong with a docstring; None: nothing."""
    if len(re.findall(r"\w+", text)) < LEAST_WORDS:
        return "says nothing alone"
    if POINTS_ELSEWHERE.match(text):
        return "points to another docstring"
    if found := MANNERED.search(text):
        return f"is mannered: {found[0]!r}"
    return None


def protocols() -> Iterator[tuple[Path, ast.ClassDef]]:
    for path, tree in PORTS.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and any("Protocol" in ast.unparse(base) for base in node.bases):
                yield path, node


def methods(node: ast.ClassDef) -> dict[str, ast.FunctionDef]:
    return {one.name: one for one in node.body if isinstance(one, ast.FunctionDef) and not one.name.startswith("_")}


def implementations(trees: dict[Path, ast.Module], port: ast.ClassDef) -> Iterator[ast.ClassDef]:
    """Classes of adapters and engine that have every method of the port."""
    for path, tree in trees.items():
        if path not in PORTS:
            for node in ast.walk(tree):
                if isinstance(node, ast.ClassDef) and methods(port).keys() <= methods(node).keys():
                    yield node


def raised(node: ast.FunctionDef) -> Iterator[type[errors.ArpentError]]:
    """The errors of ours that a method raises itself."""
    for one in ast.walk(node):
        if isinstance(one, ast.Raise) and one.exc is not None:
            name = one.exc.func if isinstance(one.exc, ast.Call) else one.exc
            kind = getattr(errors, name.id, None) if isinstance(name, ast.Name) else None
            if isinstance(kind, type) and issubclass(kind, errors.ArpentError):
                yield kind


def unnamed(port: ast.ClassDef, implementation: ast.ClassDef) -> Iterator[str]:
    """Errors that a class raises and that its port, or a base of theirs, does not name."""
    about = ast.get_docstring(port) or ""
    for name, method in methods(port).items():
        named = f"{about} {ast.get_docstring(method)}"
        for kind in raised(methods(implementation)[name]):
            bases = [base.__name__ for base in kind.__mro__ if base.__module__ == errors.__name__][:-1]
            if not any(re.search(rf"\b{base}\b", named) for base in bases):
                yield f"{port.name}.{name} does not name {kind.__name__}, which {implementation.name} raises"


def test_every_docstring_says_something_by_itself(trees: dict[Path, ast.Module]) -> None:
    texts = [(path, line, text) for path, tree in trees.items() for line, text in docstrings(tree)]
    assert len(texts) > 2000
    faults = [
        f"{path.relative_to(SOURCE)}:{line} {fault(text)}: {text[:60]}" for path, line, text in texts if fault(text)
    ]
    assert faults == []


@pytest.mark.parametrize(("path", "port"), list(protocols()), ids=lambda one: getattr(one, "name", ""))
def test_every_method_of_a_port_says_what_it_raises(path: Path, port: ast.ClassDef) -> None:
    """By itself, or in the docstring of its class: for all methods, or by naming those that raise at all."""
    about = ast.get_docstring(port) or ""
    assert methods(port), f"{path.name}: {port.name} has no methods"
    silent = [
        name
        for name, one in methods(port).items()
        if not re.search(r"\b[Rr]aises?\b", f"{about} {ast.get_docstring(one) or ''}") or not ast.get_docstring(one)
    ]
    assert silent == []


@pytest.mark.parametrize(("path", "port"), list(protocols()), ids=lambda one: getattr(one, "name", ""))
def test_a_port_names_the_errors_of_its_adapters(trees: dict[Path, ast.Module], path: Path, port: ast.ClassDef) -> None:
    assert path in PORTS
    assert [fault for one in implementations(trees, port) for fault in unnamed(port, one)] == []


def test_what_a_port_does_not_name_is_noticed() -> None:
    found = ast.parse(
        'class Store:\n    """Raises StorageDenied."""\n    def read(self):\n        """One object."""\n'
        "class Folder:\n    def read(self):\n        raise StorageNotFound(1)\n"
        "class Cloud:\n    def read(self):\n        raise StorageDenied(1)\n"
    )
    port, folder, cloud = (node for node in found.body if isinstance(node, ast.ClassDef))
    assert list(unnamed(port, folder)) == ["Store.read does not name StorageNotFound, which Folder raises"]
    assert list(unnamed(port, cloud)) == []


@pytest.mark.parametrize(
    "text",
    [
        "Likewise.",
        "When.",
        "The same.",
        "The same, for a person.",
        "The same by band.",
        "See there.",
        "As above.",
        "Of the living.",
        "So many more.",
        "In words.",
        "The features of late, by rate.",
        "A feature that one way or another the caller can mend.",
    ],
)
def test_docstrings_that_say_nothing_are_noticed(text: str) -> None:
    assert fault(text) is not None


@pytest.mark.parametrize(
    "text",
    [
        "(n,): primary keys.",
        "The same interval, cut to whole days.",
        "When it was created; aware, UTC.",
        "As in Catalog.",
    ],
)
def test_docstrings_that_say_something_pass(text: str) -> None:
    assert fault(text) is None


def test_docstrings_of_every_kind_are_read() -> None:
    code = '"""Module."""\nX = 1\n"""Constant."""\nclass A:\n    """Class."""\n    y: int\n    """Field."""\n'
    code += (
        '    def f(self):\n        """Method."""\n        z = 2\n        """Local."""\n        print("no docstring")\n'
    )
    assert [text for _, text in docstrings(ast.parse(code))] == [
        "Module.", "Constant.", "Class.", "Field.", "Method.", "Local.",
    ]  # fmt: skip
