"""A folder of public scripts, not ours to keep: each runs without an internal error and as it does in plain V8.

ARPENT_TEST_CORPUS names the folder (*.js); `python -m tests.corpus.test_scripts FOLDER` tells what differs.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from arpent.adapters.scripts.v8.runtime import V8Runtime
from tests.support.plain_v8 import Verdict, compare

FOLDER = os.environ.get("ARPENT_TEST_CORPUS")
SCRIPTS = sorted(Path(FOLDER).glob("*.js")) if FOLDER else []


@pytest.fixture(scope="module")
def runtime() -> Iterator[V8Runtime]:
    with V8Runtime(20, 256, require_mask=False) as runtime:
        yield runtime


@pytest.mark.skipif(FOLDER is None, reason="needs evalscripts of others: set ARPENT_TEST_CORPUS to a folder of *.js")
@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_public_script(runtime: V8Runtime, path: Path) -> None:
    verdict, told = compare(runtime, path.read_text())
    assert verdict not in (Verdict.DIFFERENT, Verdict.INTERNAL), told


def main(folder: str) -> None:
    counts: Counter[Verdict] = Counter()
    with V8Runtime(20, 256, require_mask=False) as runtime:
        for path in sorted(Path(folder).glob("*.js")):
            verdict, told = compare(runtime, path.read_text())
            counts[verdict] += 1
            if verdict is not Verdict.EQUAL:
                print(f"{path.stem}  {verdict.name:9}  {told[:200]}")
    print("\n".join(f"{number:5}  {verdict}" for verdict, number in counts.items()))
    print(f"{counts.total():5}  scripts")


if __name__ == "__main__":
    main(sys.argv[1])
