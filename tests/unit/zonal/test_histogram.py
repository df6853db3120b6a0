"""Histograms: edges, membership, tails, integer math and refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest

from arpent.domain.calculation import Calculation, Histogram
from arpent.domain.errors import InvalidRequest
from arpent.domain.evalscript import SampleType
from arpent.domain.result import HistogramCounts
from arpent.zonal.histogram import check_histogram
from arpent.zonal.reductions import OutsideSample
from arpent.zonal.statistics import summarise


def count(
    wish: Histogram,
    *segments: list[float],
    sample_type: SampleType = SampleType.FLOAT32,
    outside: OutsideSample | None = None,
) -> HistogramCounts:
    values = np.array([x for segment in segments for x in segment], np.float64)
    lengths = np.array([len(segment) for segment in segments])
    found = summarise(
        values,
        np.ones(len(values), bool),
        np.concatenate(([0], np.cumsum(lengths))),
        sample_count=lengths if outside is None else lengths + 5,
        calculation=Calculation(histogram=wish),
        sample_type=sample_type,
        outside=outside,
    ).histogram
    assert found is not None
    return found


def test_last_bin_is_closed_and_tails_are_counted():
    got = count(Histogram(bins=(0.0, 1.0, 2.0)), [-0.1, 0.0, 0.5, 1.0, 2.0, 2.1, math.inf, -math.inf])
    assert got.counts.tolist() == [[2, 2]]
    assert (got.underflow.tolist(), got.overflow.tolist()) == ([2], [2])


def test_unequal_bins():
    got = count(Histogram(bins=(0.0, 1.0, 100.0, 101.0)), [0.5, 1.0, 99.0, 100.0, 50.0])
    assert got.counts.tolist() == [[1, 3, 1]]


def test_float32_is_compared_with_double_edges():
    got = count(Histogram(bin_count=2, low_edge=0.0, high_edge=0.24), [0.12])
    assert got.counts.tolist() == [[1, 0]]


def test_edges_from_the_samples_are_each_features_own():
    got = count(Histogram(bin_count=2), [1.0, 2.0, 3.0], [], [5.0])
    assert got.edge_offsets is not None
    assert got.count_offsets is not None
    assert got.edge_offsets.tolist() == [0, 3, 3, 6]
    assert got.count_offsets.tolist() == [0, 2, 2, 4]
    assert got.edges.tolist() == [1, 2, 3, 5, 5, 5]
    assert got.counts.tolist() == [1, 2, 0, 1]


def test_width_with_low_edge_only_goes_on_to_the_maximum():
    got = count(Histogram(bin_width=0.05, low_edge=0.0), [0.5338308215141296, -0.1])
    assert got.edges.tolist() == [0.0, 0.05, 0.1, 0.15000000000000002, 0.2, 0.25, 0.30000000000000004,
                                  0.35000000000000003, 0.4, 0.45, 0.5, 0.55]  # fmt: skip
    assert got.underflow.tolist() == [1]


def test_samples_below_the_low_edge_only():
    got = count(Histogram(bin_count=2, low_edge=10.0), [1.0])
    assert (got.edges.tolist(), got.counts.tolist(), got.underflow.tolist()) == ([10, 10, 10], [0, 0], [1])


def test_infinity_has_no_bin():
    got = count(Histogram(bin_count=2), [math.inf, 1.0, 3.0], [math.inf])
    assert (got.edges.tolist(), got.counts.tolist(), got.overflow.tolist()) == ([1, 2, 3], [1, 1], [1, 0])


def test_integer_math():
    got = count(
        Histogram(bin_count=3, low_edge=0, high_edge=10, integer=True), [0, 2.6, 10], sample_type=SampleType.UINT8
    )
    assert got.integer
    assert (got.edges.tolist(), got.counts.tolist()) == ([0, 3, 6, 10], [[1, 1, 1]])
    got = count(Histogram(bin_count=9), [1, 3], sample_type=SampleType.UINT8)
    assert (got.edges.tolist(), got.counts.tolist()) == ([1, 2, 3], [1, 1])


def test_outside_samples_count_with_their_weight():
    got = count(
        Histogram(bins=(0.0, 1.0, 2.0)),
        [1.5],
        [1.5],
        outside=OutsideSample(value=np.array([0.0, -1.0]), valid=np.array([True, True])),
    )
    assert (got.counts.tolist(), got.underflow.tolist()) == ([[5, 1], [0, 1]], [0, 5])


def test_bins_are_bounded():
    got = count(Histogram(bin_width=1e-9), [0.0, 1.0])
    assert len(got.edges) == 10_001
    assert got.overflow.tolist() == [1]


@pytest.mark.parametrize(
    ("sample_type", "integer", "refused"),
    [
        (SampleType.AUTO, True, "sampleType AUTO mis-matched with corresponding histogram of type integer"),
        (SampleType.FLOAT32, True, "sampleType FLOAT32 mis-matched with corresponding histogram of type integer"),
        (SampleType.UINT8, False, "sampleType UINT8 mis-matched with corresponding histogram of type float"),
        (SampleType.UINT8, True, None),
        (SampleType.FLOAT32, False, None),
        (SampleType.FLOAT32, None, None),
        (SampleType.UINT8, None, None),
    ],
)
def test_literals_must_match_the_sample_type(sample_type: SampleType, integer: bool | None, refused: str | None):
    wish = Histogram(bins=(0, 1), integer=integer)
    if refused is None:
        check_histogram(wish, sample_type, lenient=False)
    else:
        with pytest.raises(InvalidRequest) as caught:
            check_histogram(wish, sample_type, lenient=False)
        assert str(caught.value) == refused
    check_histogram(wish, sample_type, lenient=True)


@pytest.mark.parametrize(
    "wish",
    [
        Histogram(bin_count=20_000),
        Histogram(bins=tuple(range(10_002))),
        Histogram(bin_width=1e-6, low_edge=0.0, high_edge=1.0),
        Histogram(bin_width=5e-324, low_edge=-1e308, high_edge=1e308),
    ],
)
def test_too_many_bins_are_refused(wish: Histogram):
    with pytest.raises(InvalidRequest, match="10000"):
        check_histogram(wish, SampleType.FLOAT32, lenient=False)


def test_lenient_integers_for_a_float_output_are_floats():
    got = count(Histogram(bins=(0, 1, 2), integer=True), [0.5])
    assert not got.integer
    assert got.counts.tolist() == [[1, 0]]


def test_edges_as_far_apart_as_doubles_go_make_bins():
    got = count(Histogram(bins=(-1.7e308, 0.0, 1.7e308)), [-1.0, 1.0, 3.0, -math.inf])
    assert got.counts.tolist() == [[1, 2]]
    assert got.underflow.tolist() == [1]
