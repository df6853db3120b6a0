"""Wishes: what is a script, and what names one."""

from __future__ import annotations

from pathlib import Path

import pytest

from arpent.api.query import script_text
from arpent.domain.errors import InvalidRequest

SCRIPT = "function evaluatePixel(s) { return [1] }"


@pytest.mark.parametrize("script", [SCRIPT, "//VERSION=3\n", None])
def test_a_script_is_its_own_text(script: str | None) -> None:
    assert script_text(script) == script


@pytest.mark.parametrize("name", ["my-function.js", "functions/a.js"])
def test_a_path_is_a_path_whatever_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidRequest, match="cannot be read"):
        script_text(name)
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_text(SCRIPT)
    assert script_text(name) == script_text(Path(name)) == SCRIPT
