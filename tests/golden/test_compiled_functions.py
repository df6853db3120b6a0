"""The built-ins give the same bits compiled as interpreted, for the golden arguments and for odd ones."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from arpent.adapters.scripts.jit.kernel_cache import KernelCache
from arpent.adapters.scripts.v8.runtime import V8Runtime
from tests.golden.test_functions import WORKED_OUT, expression_of
from tests.support.published import cases
from tests.support.referee import judge

PUBLISHED = cases("evalscript_function", "evalscript_visualizer", "evalscript_expression")
EXPRESSIONS = [expression_of(case) for case in PUBLISHED] + [text for text, _ in WORKED_OUT]
LAST_NUMBER = re.compile(r"(?<=[(,\s])-?\d+(\.\d+)?(?=\)[^()]*$)|(?<=\()-?\d+(\.\d+)?(?=, )")
INTERPRETED = ("log", "pow")
"""Names in reasons: the last bit of these functions is each library's own."""


@pytest.fixture(scope="module")
def both() -> Iterator[tuple[V8Runtime, KernelCache]]:
    with V8Runtime(20, 128, require_mask=False) as runtime:
        yield runtime, KernelCache(0)


@pytest.mark.parametrize("unknown", [False, True], ids=["as it is", "of a sample"])
@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_same_bits(both: tuple[V8Runtime, KernelCache], expression: str, unknown: bool) -> None:
    text = LAST_NUMBER.sub("s.a", expression, count=1) if unknown else expression
    body = f"const r = {text}; return typeof r === 'object' && !Array.isArray(r) ? Object.values(r).slice(0, 3) : r"
    setup = "function setup() { return { input: ['a'], output: { bands: 3 } } }"
    verdict = judge(*both, f"//VERSION=3\n{setup}\nfunction evaluatePixel(s) {{ {body} }}", odd=True)
    assert verdict.agreed
    assert verdict.reason is None or any(name in verdict.reason for name in INTERPRETED)
