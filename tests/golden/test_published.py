"""The file of published cases: every case is named, has a source and a test of its own."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.support.published import every_case

NEEDED = ("kind", "id", "source", "confidence", "input", "expected")
CONFIDENCE = ("observed", "documented")
KINDS = sorted({case["kind"] for case in every_case()})


def test_every_case_says_where_it_comes_from():
    assert [case.get("id") for case in every_case() if not all(case.get(name) is not None for name in NEEDED)] == []
    assert [case["id"] for case in every_case() if not case["confidence"].startswith(CONFIDENCE)] == []


def test_every_name_is_there_once():
    assert [name for name, number in Counter(case["id"] for case in every_case()).items() if number > 1] == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_has_one_test_for_each_case(kind: str):
    """The file may grow: a kind that nobody reads here must not pass unnoticed."""
    files = [path for path in Path(__file__).parent.glob("test_*.py") if path.name != Path(__file__).name]
    calls = [line for path in files for line in path.read_text("utf-8").splitlines() if "@one_test_each(" in line]
    assert [line for line in calls if f'"{kind}"' in line] != []
