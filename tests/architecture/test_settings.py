"""docs/settings.md has one row for every variable that is read, with its default; and every variable that a file of the
tree names is read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from arpent.settings import PREFIX, TABLES, Settings, variables

ROOT = Path(__file__).resolve().parents[2]
ROW = re.compile(r"^\| `(ARPENT_\w+)` \| (.*?) \| (.+) \|$", re.MULTILINE)
NAMED = re.compile(r"\bARPENT_[A-Z0-9_]*[A-Z0-9]\b(?!…|\*)")
PAGES = sorted(
    path
    for pattern in ("*.md", "Makefile", "docs/**/*.md", "containers/*", "src/**/*.py", "src/**/*.toml", ".ci/*")
    for path in ROOT.glob(pattern)
    if path.is_file() and path.name != "CHANGELOG.md"
)
TESTS_OWN = re.compile(r"ARPENT_(TEST|BENCH)_\w+")
KUBERNETES = {"ARPENT_SERVICE_HOST"}
"""What Kubernetes tells a pod; the code names it in order to leave it alone."""


def shown(default: object) -> str:
    """A default as the page writes it."""
    if default is None or default in ({}, ()):
        return "–"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


@pytest.fixture(scope="module")
def rows(repository: Path) -> dict[str, tuple[str, str]]:
    """Variable → (default, meaning)."""
    page = (repository / "docs" / "settings.md").read_text()
    return {name: (default, meaning) for name, default, meaning in ROW.findall(page)}


def test_exactly_what_is_read_is_documented(rows: dict[str, tuple[str, str]]) -> None:
    assert sorted(rows) == sorted(variables())


@pytest.mark.parametrize(("name", "default"), variables().items(), ids=list(variables()))
def test_its_default_is_the_real_one(rows: dict[str, tuple[str, str]], name: str, default: object) -> None:
    assert rows[name][0] == shown(default)
    assert len(rows[name][1]) > 10


def test_every_variable_that_is_named_is_read() -> None:
    tables = {f"{PREFIX}{name.upper()}" for name in TABLES}
    known = {*variables(), *tables, *KUBERNETES, *(f"{name}_FILE" for name in variables())}
    unknown = {
        (str(path.relative_to(ROOT)), name)
        for path in PAGES
        for name in NAMED.findall(path.read_text())
        if not (TESTS_OWN.fullmatch(name) or name in known or name.startswith("ARPENT_CATALOGS__"))
    }
    assert unknown == set()


def test_every_field_is_a_variable() -> None:
    assert {name for name in Settings.model_fields if f"{PREFIX}{name.upper()}" not in variables()} == {"policy"}
