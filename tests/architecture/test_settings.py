"""docs/settings.md has one row for every setting, with its default, and no row for anything else."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from arpent.jobs.policy import Policy
from arpent.settings import Settings

ROW = re.compile(r"^\| `(ARPENT_\w+)` \| (.*?) \| (.+) \|$", re.MULTILINE)


def shown(default: object) -> str:
    """A default as the page writes it."""
    if default is None or default == {}:
        return "–"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


def expected() -> dict[str, str]:
    """Variable → default as written."""
    names = {f"ARPENT_{name.upper()}": field for name, field in Settings.model_fields.items() if name != "policy"}
    rows = {
        name: shown(field.default_factory() if field.default_factory else field.default)  # type: ignore[call-arg]
        for name, field in names.items()
    }
    rows |= {f"ARPENT_POLICY__{field.name.upper()}": shown(field.default) for field in dataclasses.fields(Policy)}
    return rows


@pytest.fixture(scope="module")
def rows(repository: Path) -> dict[str, tuple[str, str]]:
    """Variable → (default, meaning)."""
    page = (repository / "docs" / "settings.md").read_text()
    return {name: (default, meaning) for name, default, meaning in ROW.findall(page)}


def test_every_setting_is_documented(rows: dict[str, tuple[str, str]]) -> None:
    assert sorted(set(expected()) - set(rows)) == []


def test_nothing_else_is_documented(rows: dict[str, tuple[str, str]]) -> None:
    assert sorted(set(rows) - set(expected()) - {"ARPENT_CONFIG"}) == []


@pytest.mark.parametrize(("name", "default"), expected().items(), ids=list(expected()))
def test_its_default_is_the_real_one(rows: dict[str, tuple[str, str]], name: str, default: str) -> None:
    assert rows[name][0] == default
    assert len(rows[name][1]) > 10
