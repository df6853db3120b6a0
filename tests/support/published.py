"""Published cases of the real service, from `tests/golden/published.json`."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

Case = dict[str, Any]

FILE = Path(__file__).resolve().parents[1] / "golden" / "published.json"


@cache
def every_case() -> tuple[Case, ...]:
    """All of them, in the order of the file."""
    return tuple(json.loads(FILE.read_text("utf-8")))


def cases(*kinds: str) -> list[Case]:
    """All cases of these kinds; there must be some of each."""
    for kind in kinds:
        assert any(case["kind"] == kind for case in every_case()), f"{FILE.name} has no case of kind {kind}"
    return [case for case in every_case() if case["kind"] in kinds]


def one_test_each(*kinds: str) -> pytest.MarkDecorator:
    """The test runs once for each case of these kinds, given as `case`, and bears the case's id as its name."""
    found = cases(*kinds)
    return pytest.mark.parametrize("case", found, ids=[case["id"] for case in found])
