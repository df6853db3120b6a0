"""A folder of public scripts, not ours to keep: each gives the same bits compiled as interpreted.

ARPENT_TEST_CORPUS names the folder (*.js); `python -m tests.corpus.test_compiled FOLDER` tells what is compiled.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from arpent.adapters.scripts.jit.kernel_cache import KernelCache
from arpent.adapters.scripts.v8.runtime import V8Runtime
from arpent.domain.errors import ScriptError
from tests.corpus.test_scripts import FOLDER, SCRIPTS
from tests.support.referee import judge


@pytest.fixture(scope="module")
def both() -> Iterator[tuple[V8Runtime, KernelCache]]:
    with V8Runtime(20, 256, require_mask=False) as runtime:
        yield runtime, KernelCache(0)


def reason(both: tuple[V8Runtime, KernelCache], path: Path) -> str | None:
    """Why a script is not compiled; None: it is, and agrees, for plausible samples and for odd ones."""
    try:
        for odd in (False, True):
            verdict = judge(*both, path.read_text(), odd=odd)
            assert verdict.agreed, path.stem
            if verdict.reason is not None:
                return verdict.reason
    except ScriptError as error:
        return f"not run at all: {type(error).__name__}"
    return None


@pytest.mark.skipif(FOLDER is None, reason="needs evalscripts of others: set ARPENT_TEST_CORPUS to a folder of *.js")
@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_same_bits(both: tuple[V8Runtime, KernelCache], path: Path) -> None:
    reason(both, path)


def main(folder: str) -> None:
    with V8Runtime(20, 256, require_mask=False) as runtime:
        both = runtime, KernelCache(0)
        reasons = Counter(reason(both, path) for path in sorted(Path(folder).glob("*.js")))
    for why, number in reasons.most_common():
        print(f"{number:5}  {why or 'compiled'}")


if __name__ == "__main__":
    main(sys.argv[1])
