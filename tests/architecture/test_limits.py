"""A limit has one home: what creating a request allows, its analysis allows, and the page says so."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

from arpent.domain.calculation import MAXIMUM_BINS
from arpent.domain.interval import YEARS
from arpent.wire.iso import MAXIMUM_INTERVALS

SOURCE = Path(__file__).resolve().parents[2] / "src" / "arpent"
LIMIT = re.compile(r"(MAXIMUM|MOST|LEAST|LONGEST|SHORTEST|LARGEST)_\w+")


def test_no_limit_is_said_twice() -> None:
    homes = defaultdict(list)
    for path in sorted(SOURCE.rglob("*.py")):
        for statement in ast.parse(path.read_text()).body:
            targets = statement.targets if isinstance(statement, ast.Assign) else []
            for target in targets:
                if isinstance(target, ast.Name) and LIMIT.fullmatch(target.id):
                    homes[target.id].append(path.name)
    assert len(homes) > 10
    assert {name: files for name, files in homes.items() if len(files) > 1} == {}


def test_the_page_names_the_limits(repository: Path) -> None:
    page = (repository / "docs" / "api.md").read_text()
    said = (
        f"{MAXIMUM_BINS:,} bins a histogram, {MAXIMUM_INTERVALS:,} intervals a request, years {YEARS[0]} to {YEARS[-1]}"
    )
    assert said in page
