"""Sums of segments: exact, whatever the samples' magnitudes, and however many there are."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from arpent.domain.evalscript import SampleType
from arpent.zonal.moments import COUNT, HIGH, LOW, SQUARES, SQUARES_REST, SUM, SUM_REST, add_samples, no_sums
from arpent.zonal.sample_type import converted, type_limits

FULL = float(np.nextafter(np.float32(2), np.float32(0)))
"""The largest float32 below 2: all bits of it are set."""


def summed(values: NDArray[np.float64], sample_type: SampleType = SampleType.FLOAT32) -> NDArray[np.float64]:
    sums, kept = no_sums(1), np.full(len(values), np.nan, np.float32)
    held = add_samples(values, np.ones(len(values)), np.array([0, len(values)]), type_limits(sample_type), sums, kept)
    counted = converted(values, sample_type)
    np.testing.assert_array_equal(kept[:held], counted[~np.isnan(counted)])
    return sums[:, 0]


def exact(values: NDArray[np.float64]) -> tuple[Fraction, Fraction]:
    numbers = [Fraction(float(np.float32(x))) for x in values if not math.isnan(x)]
    return sum(numbers, Fraction(0)), sum((x * x for x in numbers), Fraction(0))


def check(values: NDArray[np.float64]) -> None:
    found = summed(values)
    total, squares = exact(values)
    assert Fraction(found[SUM]) + Fraction(found[SUM_REST]) == total
    assert Fraction(found[SQUARES]) + Fraction(found[SQUARES_REST]) == squares
    assert (found[SUM], found[SQUARES]) == (float(total), float(squares))  # the form does not hang on the way
    assert found[COUNT] == np.count_nonzero(~np.isnan(values))
    assert (found[LOW], found[HIGH]) == (np.nanmin(values), np.nanmax(values))


@pytest.mark.parametrize("count", [1, 15, 16, 17, 127, 128, 129, 4095, 4096, 4097, 9000])
@pytest.mark.parametrize("apart", [0, 1, 15, 16, 17, 18, 19, 21])
@pytest.mark.parametrize("scale", [-60, 0, 50])
def test_sums_are_exact_at_the_edges_of_the_range(count: int, apart: int, scale: int):
    """Samples with all bits set carry as far as any do; a small one needs the bits at the other end."""
    values = np.full(count, FULL * 2.0**scale)
    values[count // 2] = FULL * 2.0 ** (scale - apart)
    check(values)
    values[1::2] *= -1
    check(values)


@pytest.mark.parametrize("seed", range(8))
def test_sums_of_any_bits_are_exact(seed: int):
    random = np.random.default_rng(seed)
    count = int(random.integers(1, 6000))
    values = random.uniform(-1, 1, count) * 2.0 ** random.integers(-12, 1, count)
    values[random.random(count) < 0.1] = np.nan
    values[random.random(count) < 0.1] = 0.0
    values[0] = 0.75
    check(values.astype(np.float32).astype(np.float64))


def test_samples_of_a_later_block_may_be_of_another_size():
    values = np.concatenate([np.full(4096, 1.5), np.full(4096, 3.0 * 2.0**-20), np.full(100, -7.0)])
    check(values)


@pytest.mark.parametrize("nothing", [math.nan, 0.0, -0.0])
def test_segments_without_numbers_or_of_zeros_sum_to_zero(nothing: float):
    found = summed(np.full(300, nothing))
    assert found[COUNT] == (0 if math.isnan(nothing) else 300)
    assert [found[row] for row in (SUM, SUM_REST, SQUARES, SQUARES_REST)] == [0.0] * 4
    assert math.copysign(1.0, found[SUM]) == 1.0


def test_infinity_is_a_value():
    found = summed(np.array([math.inf, *[0.5] * 200]))
    assert (found[COUNT], found[LOW], found[HIGH]) == (201, 0.5, math.inf)


def test_integers_are_rounded_and_clamped_first():
    found = summed(np.array([*[299.6] * 500, 1.5, -7.0]), SampleType.UINT8)
    assert (found[COUNT], found[LOW], found[HIGH]) == (502, 0.0, 255.0)
    assert found[SUM] == 500 * 255 + 2
