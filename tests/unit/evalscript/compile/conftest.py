"""An interpreter and a compiler to hold against each other, and the compiler's neighbours: a parser and LLVM."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from arpent.adapters.scripts.jit.kernel_cache import Workshop
from arpent.adapters.scripts.jit.llvm_kernel import LlvmCompiler
from arpent.adapters.scripts.jit.parser import ScriptParser
from arpent.adapters.scripts.v8.runtime import V8Runtime
from arpent.evalscript.compile import SyntaxTree
from tests.support.referee import Verdict, judge

Judge = Callable[..., Verdict]
Parse = Callable[[str], SyntaxTree]
RunAssembly = Callable[[str, Sequence[NDArray[np.generic]], int], NDArray[np.float64]]


@pytest.fixture(scope="session")
def judged() -> Iterator[Judge]:
    """(body of evaluatePixel, bands, mosaicking, more) → verdict, over odd doubles."""
    workshop = Workshop(0)
    with V8Runtime(20, 256, require_mask=False) as runtime:

        def run(
            body: str,
            *,
            bands: str = '["a", "b", "c"]',
            mosaicking: str = "SIMPLE",
            more: str = "",
            width: int = 1,
            scenes: int = 3,
            parameters: str = "s",
        ) -> Verdict:
            setup = f'return {{ input: {bands}, output: {{ bands: {width} }}, mosaicking: "{mosaicking}" }}'
            pixel = f"function evaluatePixel({parameters}) {{ {body} }}"
            source = f"//VERSION=3\n{more}\nfunction setup() {{ {setup} }}\n{pixel}"
            return judge(runtime, workshop, source, odd=True, scenes=scenes)

        yield run


@pytest.fixture(scope="session")
def parse() -> Parse:
    return ScriptParser()


@pytest.fixture(scope="session")
def triple() -> str:
    """The machine that the tests run on."""
    return LlvmCompiler().triple


@pytest.fixture(scope="session")
def run_assembly() -> RunAssembly:
    """(assembly, columns (rows, N), number of result rows) → results (rows, N)."""
    compiler = LlvmCompiler()

    def run(text: str, columns: Sequence[NDArray[np.generic]], rows: int) -> NDArray[np.float64]:
        results = np.empty((rows, columns[0].shape[1]))
        compiler.compile(text).run(columns, list(results))
        return results

    return run
