"""Machine code of scripts gets arrays it was made for, and the checked build of it stays inside them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from arpent.adapters.scripts.jit.llvm_kernel import LlvmCompiler, LlvmKernel
from arpent.domain.evalscript import Mosaicking, SampleType
from arpent.evalscript.layout import Column
from arpent.zonal.computed import ComputedBand, computed_sums
from arpent.zonal.moments import add_samples, no_sums
from arpent.zonal.sample_type import type_limits
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


CUTS = [0, 0, 5, 5, 4_096, 4_097, 9_000, 12_500, 12_500]
"""Limits of segments: of none and of one sample, cut by calls of the code and ending with one."""


@pytest.mark.parametrize("checked", [False, True])
@pytest.mark.parametrize("order", [1, -1], ids=["rows", "rows in reverse"])
def test_bound_code_sums_what_the_rows_of_an_answer_hold(checked: bool, order: int):
    random = np.random.default_rng(14)
    stored = random.integers(0, 3, (3, CUTS[-1])).astype(np.uint16)[::order]
    code, answer = kernel(checked=checked, answers=2), np.empty((2, CUTS[-1]))
    code.run([stored], [*answer])
    offsets = np.array(CUTS)
    bands = [
        ComputedBand(row=0, mask=None, sample_type=SampleType.FLOAT32),
        ComputedBand(row=1, mask=0, sample_type=SampleType.UINT8, kept=True),
        ComputedBand(row=0, mask=1, sample_type=SampleType.INT16, kept=True),
    ]
    found = computed_sums(code.bound([stored], 2), offsets, bands)
    for band, (sums, samples) in zip(bands, found, strict=True):
        mask = np.ones(CUTS[-1]) if band.mask is None else answer[band.mask]
        expected, kept = no_sums(len(offsets) - 1), np.empty(CUTS[-1] if band.kept else 0, np.float32)
        held = add_samples(answer[band.row], mask, offsets, type_limits(band.sample_type), expected, kept)
        np.testing.assert_array_equal(sums, expected)
        if samples is None:
            assert not band.kept
        else:
            np.testing.assert_array_equal(samples, kept[:held])


def test_bound_code_stops_a_planted_fault_in_any_call():
    """The code is told of memory that ends before its last samples."""
    code = kernel(checked=True).bound([np.zeros((3, 5_000), np.uint16)], 1)
    arguments = code.arguments.copy()
    arguments[-1] -= 100  # the end of the column
    with pytest.raises(IndexError, match="out of bounds in column 1"):
        computed_sums(
            replace(code, arguments=arguments),
            np.array([0, 5_000]),
            [ComputedBand(row=0, mask=None, sample_type=SampleType.FLOAT32)],
        )


@pytest.mark.parametrize(("offsets", "row"), [([0, 6], 0), ([1, 7], 0), ([0, 7], 1)])
def test_sums_of_other_samples_or_bands_than_the_code_computes_are_refused(offsets: list[int], row: int):
    code = kernel(checked=False).bound([np.zeros((3, 7), np.uint16)], 1)
    with pytest.raises(ValueError, match="segments must be"):
        computed_sums(code, np.array(offsets), [ComputedBand(row=row, mask=None, sample_type=SampleType.FLOAT32)])
