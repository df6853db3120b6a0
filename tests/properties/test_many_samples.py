"""Percentiles and bins of few and of a million samples are those of numpy, to the last bit, in any order and cut
anyhow."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from arpent.domain.calculation import Calculation, Histogram
from arpent.domain.evalscript import SampleType
from arpent.domain.result import BandStatistics
from arpent.zonal.candidates import candidates
from arpent.zonal.reductions import LARGE
from arpent.zonal.statistics import Reduction, ranks, summarise

Floats = NDArray[np.float64]
Generator = np.random.Generator
SIZES = (1, 2, 47, LARGE - 1, LARGE, 3 * LARGE + 5)
KINDS: dict[str, Callable[[Generator, int], Floats]] = {
    "index": lambda random, n: np.round(random.normal(0.5, 0.2, n), 4).clip(-1, 1),
    "classes": lambda random, n: random.integers(3, 7, n).astype(np.float64),
    "all equal": lambda _, n: np.full(n, 0.1),
    "ascending": lambda _, n: np.linspace(-3.0, 7.0, n),
    "descending": lambda _, n: np.linspace(7.0, -3.0, n),
    "organ pipe": lambda _, n: np.abs(np.arange(n) - n // 2).astype(np.float64),
    "one outlier": lambda random, n: np.append(random.normal(0, 1e-3, n - 1), 3e38),
    "all magnitudes": lambda random, n: random.choice([-1.0, 1.0], n) * 10.0 ** random.uniform(-44, 38, n),
    "infinities": lambda random, n: random.choice([-math.inf, -1.0, 0.0, 2.5, math.inf], n),
    "infinite": lambda _, n: np.full(n, -math.inf),
    "zeros": lambda random, n: random.choice([0.0, -0.0, 1e-45], n),
    "holes": lambda random, n: np.where(random.random(n) < 0.5, np.nan, random.normal(0, 1, n)),
    "away from what is tried": lambda random, n: np.where(np.arange(n) % 2 == 0, 5.0, random.normal(9, 1, n)),
}
K = (0.0, 0.1, 5.0, 25.0, 33.3, 50.0, 95.0, 99.9, 100.0)
BINS = {
    "even": Histogram(bin_count=20, low_edge=-1.0, high_edge=1.0),
    "tenths": Histogram(bin_count=10, low_edge=0.0, high_edge=1.0),
    "of a width": Histogram(bin_width=0.3, low_edge=-2.0, high_edge=3.05),
    "many": Histogram(bin_count=9_973, low_edge=-3.0, high_edge=7.0),
    "uneven": Histogram(bins=(-1.0, -0.5, 0.1, 0.10000000149011612, 2.5, 5.0, 1e30)),
    "uneven and many": Histogram(bins=tuple((np.arange(200) / 100 - 1) ** 3)),
    "narrow": Histogram(bin_count=5, low_edge=1.0, high_edge=1.0 + 1e-15),
    "of denormal widths": Histogram(bin_count=4, low_edge=0.0, high_edge=1e-310),
    "of a denormal width": Histogram(bins=(0.0, 1e-320, 2e-320, 3e-320)),
    "own": Histogram(bin_count=7),
    "own, of a width": Histogram(bin_width=0.7),
}


def parts(values: Floats, calculation: Calculation, sample_type: SampleType, cuts: list[int]) -> BandStatistics:
    """Of one feature whose samples come in parts."""
    reduction = Reduction(1, calculation, sample_type)
    for part in np.split(values, cuts):
        reduction.add(reduction.part(part, None, np.array([0, len(part)])), np.zeros(1, np.int64))
    return reduction.finish(np.array([len(values)]))


def counted(samples: Floats, edges: Floats) -> tuple[list[int], int, int]:
    """Counts of each bin, below, above: a sample belongs to the last edge that it reaches; the last bin is closed."""
    inside = samples[(samples >= edges[0]) & (samples <= edges[-1])]
    bins = np.minimum(np.searchsorted(edges, inside, side="right"), len(edges) - 1) - 1
    counts = np.bincount(bins, minlength=len(edges) - 1).tolist()
    return counts, int((samples < edges[0]).sum()), int((samples > edges[-1]).sum())


@pytest.mark.parametrize("bins", BINS.values(), ids=BINS)
@pytest.mark.parametrize("kind", KINDS)
def test_numbers_are_those_of_numpy(kind: str, bins: Histogram):
    random = np.random.default_rng(len(kind))
    for size in SIZES:
        values = KINDS[kind](random, size)
        calculation = Calculation(percentiles=K, histogram=bins, more=("median",))
        found = parts(values, calculation, SampleType.FLOAT32, sorted(random.integers(0, size + 1, 3).tolist()))
        with np.errstate(over="ignore"):
            samples = values.astype(np.float32).astype(np.float64) + 0.0
        ordered = np.sort(samples[~np.isnan(samples)])
        assert found.percentiles is not None
        assert found.histogram is not None
        if not len(ordered):
            assert np.isnan(found.percentiles).all()
            continue
        expected = ordered[ranks(np.array([len(ordered)]), K)[0]]
        assert found.percentiles[0].tobytes() == expected.tobytes()
        middle = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
        median = middle[0] if middle[0] == middle[1] else (middle[0] + middle[1]) / 2
        np.testing.assert_array_equal(found.more["median"], [median])
        histogram = found.histogram
        if not len(histogram.edges):
            assert not np.isfinite(ordered).any()
            continue
        counts, below, above = counted(ordered, histogram.edges)
        assert histogram.counts.reshape(-1).tolist() == counts
        assert (histogram.underflow[0], histogram.overflow[0]) == (below, above)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(sorted(KINDS)), st.integers(1, 40_000))
def test_candidates_hold_what_a_sort_puts_there(seed: int, kind: str, size: int):
    random = np.random.default_rng(seed)
    with np.errstate(over="ignore"):
        samples = KINDS[kind](random, size).astype(np.float32) + np.float32(0)
    samples = samples[~np.isnan(samples)]
    if not len(samples):
        return
    wanted = np.sort(random.integers(0, len(samples), int(random.integers(1, 12))))
    before, expected, places = samples.copy(), np.sort(samples)[wanted], wanted.copy()
    few = candidates(samples, places)
    assert np.sort(few)[places].tobytes() == expected.tobytes()
    assert samples.tobytes() == before.tobytes()


@pytest.mark.parametrize("sample_type", [SampleType.FLOAT32, SampleType.UINT16])
def test_a_million_samples_beside_small_features(sample_type: SampleType):
    random = np.random.default_rng(7)
    lengths = np.array([3, 1_000_000, 0, 20_000, 16])
    values = random.normal(1000, 300, lengths.sum())
    offsets = np.append(0, np.cumsum(lengths))
    whole = [BINS["own"], Histogram(bin_count=9, low_edge=0, high_edge=2000)][sample_type.integer]
    found = summarise(
        values, np.ones(len(values)), offsets, sample_count=lengths,
        calculation=Calculation(percentiles=K, histogram=whole), sample_type=sample_type,
    )  # fmt: skip
    assert found.percentiles is not None
    for k in (0, 1, 3, 4):
        mine = values[offsets[k] : offsets[k + 1]]
        samples = np.floor(mine + 0.5).clip(0, 65535) if sample_type.integer else mine.astype(np.float32)
        expected = np.sort(samples.astype(np.float64))[ranks(lengths[k : k + 1], K)[0]]
        assert found.percentiles[k].tolist() == expected.tolist()
    assert np.isnan(found.percentiles[2]).all()
    apart = parts(values[3:1_000_003], Calculation(percentiles=K, histogram=whole), sample_type, [10, 500_000])
    assert apart.percentiles is not None
    assert apart.percentiles[0].tolist() == found.percentiles[1].tolist()
