"""Machine code of scripts gets arrays it was made for, and the checked build of it stays inside them."""

from __future__ import annotations

import numpy as np
import pytest

from arpent.adapters.scripts.jit.llvm_kernel import LlvmCompiler, LlvmKernel
from arpent.domain.evalscript import Mosaicking
from arpent.evalscript.layout import Column
from tests.support.assembly import assembled, declared


def column(kind: str = "u2", rows: int = 3) -> Column:
    return Column(kind=kind, rows=rows, scale=(1.0, 0.0), simple=False)


def kernel(*, checked: bool, rows: int = 3, told: Column | None = None, answers: int = 1) -> LlvmKernel:
    """The sum of the first and the last row, `answers` times; `told`: what the kernel believes of the column."""
    total = "samples[0].a + samples[samples.length - 1].a"
    evalscript = declared(
        f"function evaluatePixel(samples) {{ const total = {total}; return [{', '.join(['total'] * answers)}] }}",
        bands=("a",),
        outputs={"default": answers},
        mosaicking=Mosaicking.ORBIT,
    )
    assembly = assembled(evalscript, column(rows=rows), checked=checked)
    return LlvmCompiler().compile(assembly, [told or column(rows=rows)])


@pytest.mark.parametrize("checked", [False, True])
@pytest.mark.parametrize("order", [1, -1], ids=["rows", "rows in reverse"])
def test_both_builds_give_the_same(checked: bool, order: int):
    stored = np.arange(1, 31, dtype=np.uint16).reshape(3, 10)[::order, :7]
    answer = np.empty((2, 7))
    kernel(checked=checked, answers=2).run([stored], [*answer])
    np.testing.assert_array_equal(answer, np.tile(stored[0].astype(float) + stored[2], (2, 1)))


def test_no_samples_are_no_fault():
    kernel(checked=True).run([np.empty((3, 0), np.uint16)], [np.empty(0)])


@pytest.mark.parametrize(
    "stored",
    [np.zeros((2, 7), np.uint16), np.zeros((3, 7), np.uint8), np.zeros((3, 7), ">u2"), np.zeros((0, 7), np.uint16)],
    ids=["too few rows", "another kind", "another byte order", "none"],
)
def test_arrays_it_was_not_made_for_are_refused(stored: np.ndarray):
    with pytest.raises(ValueError, match="kinds and rows"):
        kernel(checked=False).run([stored], [np.empty(7)])


@pytest.mark.parametrize("order", [1, -1], ids=["behind", "before"])
def test_the_checked_build_stops_a_planted_fault(order: int):
    """The kernel is told of fewer rows than its code loads."""
    planted = kernel(checked=True, rows=4, told=column(rows=3))
    with pytest.raises(IndexError, match="out of bounds in column 1"):
        planted.run([np.zeros((3, 7), np.uint16)[::order]], [np.empty(7)])
