"""A feature's numbers have the same bits however its samples come, and are those of exact arithmetic."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from arpent.domain.calculation import Calculation, Histogram
from arpent.domain.evalscript import SampleType
from arpent.domain.result import BandStatistics
from arpent.zonal.reductions import OutsideSample
from arpent.zonal.statistics import Reduction

SEEDS = st.integers(0, 2**32 - 1)
KINDS = st.sampled_from(["reflectance", "far from zero", "of all sizes", "equal"])
OPEN = Calculation(percentiles=(0, 33.3, 50, 100), histogram=Histogram(bin_count=7))
FIXED = Calculation(histogram=Histogram(low_edge=-1.0, high_edge=3.0, bin_count=9))


def samples_of(generator: np.random.Generator, manner: str, count: int) -> NDArray[np.float64]:
    """Numbers of a kind that sums find hard or easy."""
    makers = {
        "reflectance": lambda: generator.integers(0, 10_000, count) * 0.0001,
        "far from zero": lambda: 1e6 + generator.normal(0, 0.25, count),
        "of all sizes": lambda: generator.normal(0, 1, count) * 10.0 ** generator.integers(-3, 4, count),
        "equal": lambda: np.full(count, generator.normal()),
    }
    return makers[manner]()


def reduced(
    parts: list[tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.int64]]],
    calculation: Calculation,
    counts: NDArray[np.int64],
    outside: OutsideSample,
) -> BandStatistics:
    reduction = Reduction(len(counts), calculation, SampleType.FLOAT32)
    for part in parts:
        reduction.add(reduction.part(*part), np.arange(len(counts)))
    return reduction.finish(counts, outside)


def numbers(one: BandStatistics) -> list[NDArray[np.generic]]:
    found = [one.minimum, one.maximum, one.mean, one.standard_deviation, one.no_data_count]
    if one.percentiles is not None:
        found.append(one.percentiles)
    if one.histogram is not None:
        found += [one.histogram.edges, one.histogram.counts, one.histogram.underflow, one.histogram.overflow]
    return found


@settings(max_examples=150, deadline=None)
@given(
    SEEDS, st.sampled_from(["reflectance", "far from zero", "of all sizes", "equal"]), st.sampled_from([OPEN, FIXED])
)
def test_no_cut_changes_a_bit(seed: int, manner: str, calculation: Calculation) -> None:
    generator = np.random.default_rng(seed)
    lengths = generator.integers(0, 60, 5)
    values, valid = samples_of(generator, manner, int(lengths.sum())), generator.random(int(lengths.sum())) < 0.9
    offsets = np.append(0, np.cumsum(lengths))
    counts = lengths + generator.integers(0, 50, 5)
    outside = OutsideSample(value=samples_of(generator, manner, 5), valid=generator.random(5) < 0.5)
    whole = reduced([(values, valid, offsets)], calculation, counts, outside)
    number = generator.integers(0, 3, len(values))  # which of three parts each sample comes with
    feature = np.repeat(np.arange(5), lengths)
    parts = []
    for part in generator.permutation(3):
        rows = np.flatnonzero(number == part)
        rows = rows[np.lexsort((generator.random(len(rows)), feature[rows]))]
        parts.append((values[rows], valid[rows], np.searchsorted(feature[rows], np.arange(6)).astype(np.int64)))
    cut = reduced(parts, calculation, counts, outside)
    for mine, theirs in zip(numbers(cut), numbers(whole), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@settings(max_examples=150, deadline=None)
@given(SEEDS, st.sampled_from(["reflectance", "far from zero", "of all sizes"]))
def test_moments_are_those_of_fractions(seed: int, manner: str) -> None:
    """The last bits hang on the one rounding at the end; the deviation of numbers far from zero loses none either."""
    generator = np.random.default_rng(seed)
    count, beyond = int(generator.integers(2, 80)), int(generator.integers(0, 1000))
    values = samples_of(generator, manner, count)
    outside = OutsideSample(value=samples_of(generator, manner, 1), valid=np.array([True]))
    whole = (values, np.ones(count, bool), np.array([0, count]))
    found = reduced([whole], Calculation(), np.array([count + beyond]), outside)
    exact = [Fraction(float(np.float32(x))) for x in values]
    exact += [Fraction(float(np.float32(outside.value[0])))] * beyond
    mean = sum(exact) / len(exact)
    variance = sum((x - mean) ** 2 for x in exact) / len(exact)
    assert math.isclose(found.mean[0], float(mean), rel_tol=1e-15, abs_tol=1e-22)
    assert math.isclose(found.standard_deviation[0], math.sqrt(variance), rel_tol=1e-14)
