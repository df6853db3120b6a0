"""The compiled runtime behaves as every ScriptRuntime does, with everything compiled that can be."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from arpent.adapters.scripts.jit.runtime import CompiledRuntime
from arpent.adapters.scripts.v8.runtime import V8Runtime
from tests.contracts.test_script_runtime import (  # noqa: F401
    TestMessages,
    TestSamples,
    TestScenes,
    TestSegments,
    TestWhatComesBack,
)


@pytest.fixture(scope="module")
def runtime() -> Iterator[CompiledRuntime]:
    with V8Runtime(20, 256) as interpreters:
        yield CompiledRuntime(interpreters, least=0)
