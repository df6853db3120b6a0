"""Variables that tests and benchmarks read: which there are, and a word for one that is misspelt.

arpent itself leaves `ARPENT_TEST_…` and `ARPENT_BENCH_…` alone; so a typing error in them is found here, or nowhere."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from arpent.settings import HELPERS

ROOT = Path(__file__).resolve().parents[2]
NAME = re.compile(rf"\b(?:{'|'.join(HELPERS)})[A-Z0-9_]*[A-Z0-9]\b")


def known() -> set[str]:
    """Every such name that a test or a benchmark mentions."""
    sources = [path for folder in ("tests", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
    return {name for path in sources for name in NAME.findall(path.read_text())}


def misspelt(environment: Iterable[str]) -> str | None:
    """What is wrong with the helper variables of an environment; None: nothing."""
    ours = [name for name in environment if name.startswith(HELPERS)]
    there = known() if ours else set()
    for name in ours:
        if name not in there:
            near = get_close_matches(name, there, 1) or sorted(there)
            return f"no test reads {name}; did you mean {' or '.join(near)}?"
    return None
