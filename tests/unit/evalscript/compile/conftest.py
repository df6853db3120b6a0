"""An interpreter and a compiler to hold against each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from arpent.adapters.scripts.jit.kernel_cache import KernelCache
from arpent.adapters.scripts.v8.runtime import V8Runtime
from tests.support.referee import Verdict, judge

Judge = Callable[..., Verdict]


@pytest.fixture(scope="session")
def judged() -> Iterator[Judge]:
    """(body of evaluatePixel, bands, mosaicking, more) → verdict, over odd doubles."""
    kernels = KernelCache(0)
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
            return judge(runtime, kernels, source, odd=True, scenes=scenes)

        yield run
