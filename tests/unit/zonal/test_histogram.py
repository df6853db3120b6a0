"""Histograms: edges, membership, tails, integer math and refusals."""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal

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


@pytest.mark.parametrize(
    ("wish", "edges", "counts", "tails"),
    [
        (Histogram(bin_width=0.015, low_edge=0.0, high_edge=0.02), [0, 0.015, 0.02], [1, 2], (1, 1)),
        (Histogram(bin_width=1.0, low_edge=-1.0, high_edge=-0.75), [-1, -0.75], [0], (0, 5)),
        (Histogram(bin_width=0.01, high_edge=-1.0), [-1], [], (0, 5)),
        (Histogram(bin_count=4, high_edge=-1.0), [-1], [], (0, 5)),
        (Histogram(bin_count=4, low_edge=0.9), [0.9], [], (5, 0)),
        (Histogram(bin_width=0.01, low_edge=0.9), [0.9, 0.91], [0], (5, 0)),
        (Histogram(bin_count=2, low_edge=-1.0, high_edge=0.0), [-1, -0.5, 0], [0, 1], (0, 4)),
        (Histogram(bins=(0.0, 0.01)), [0, 0.01], [1], (1, 3)),
    ],
)
def test_what_lies_beyond_a_given_edge_is_in_no_bin(
    wish: Histogram, edges: list[float], counts: list[int], tails: tuple[int, int]
):
    got = count(wish, [-0.5, 0.0078125, 0.015625, 0.0175, 0.025])
    assert got.edges.tolist() == edges
    assert got.counts.ravel().tolist() == counts
    assert (got.underflow.tolist(), got.overflow.tolist()) == ([tails[0]], [tails[1]])


def usual_wishes() -> Iterator[tuple[float, float, float, int]]:
    """lowEdge, highEdge, binWidth as people write them, and into how many bins they divide."""
    for low in range(-20, 20):
        for width in ("0.05", "0.1", "0.2", "0.25"):
            for bins in range(1, 11):
                first = Decimal(low) / 20
                yield float(first), float(first + bins * Decimal(width)), float(width), bins


def test_decimal_edges_are_divided_as_decimals():
    wishes = list(usual_wishes())
    assert len(wishes) == 1600
    for low, high, width, bins in wishes:
        got = count(Histogram(bin_width=width, low_edge=low, high_edge=high), [low, (low + high) / 2, high + 1e-3])
        assert got.counts.shape == (1, bins), (low, high, width)
        assert (got.edges[0], got.edges[-1]) == (low, high), (low, high, width)
        assert np.diff(got.edges) == pytest.approx(width, rel=1e-9)
        assert got.counts.sum() + got.underflow.sum() == 2  # float32(low) may lie below low
        assert got.overflow.tolist() == [1]


def test_a_width_divides_what_the_samples_leave_open_as_a_decimal_too():
    up, down = Histogram(bin_width=0.1, low_edge=0.3), Histogram(bin_width=0.1, high_edge=0.9)
    assert (count(up, [3.0]).edges[[0, -1]].tolist(), len(count(up, [3.0]).counts)) == ([0.3, 3.0], 27)
    assert (count(down, [0.0]).edges[[0, -1]].tolist(), len(count(down, [0.0]).counts)) == ([0.0, 0.9], 9)


@pytest.mark.parametrize("width", [0.1, 0.05, 0.3, 0.7, 1 / 3])
@pytest.mark.parametrize("low", [0.0, 0.1, -0.3, 0.7])
def test_every_sample_has_a_bin_if_no_high_edge_is_given(low: float, width: float):
    for step in range(1, 40):
        top = np.float32(low + step * width)
        got = count(Histogram(bin_width=width, low_edge=low), [float(top), low])
        assert got.overflow.tolist() == [0]
        assert got.edges[-2] <= top <= got.edges[-1]


def test_a_feature_without_room_for_bins_does_not_move_the_others():
    got = count(Histogram(bin_count=2, high_edge=2.0), [0.0, 1.5], [3.0, 4.0], [], [1.0])
    assert got.edge_offsets is not None
    assert got.count_offsets is not None
    assert got.edge_offsets.tolist() == [0, 3, 4, 4, 7]
    assert got.edges.tolist() == [0, 1, 2, 2, 1, 1.5, 2]
    assert got.counts.tolist() == [1, 1, 1, 0]
    assert got.overflow.tolist() == [0, 2, 0, 0]


def test_integer_widths_end_at_the_high_edge():
    wish = Histogram(bin_width=3, low_edge=0, high_edge=10, integer=True)
    got = count(wish, [0, 9, 10, 11], sample_type=SampleType.UINT8)
    assert (got.edges.tolist(), got.counts.tolist(), got.overflow.tolist()) == ([0, 3, 6, 9, 10], [[1, 0, 0, 2]], [1])


def test_nbins_as_far_apart_as_doubles_go():
    got = count(Histogram(bin_count=4, low_edge=-1e308, high_edge=1e308), [-1.0, 1.0])
    assert got.edges.tolist() == [-1e308, -5e307, 0.0, 5e307, 1e308]
    assert got.counts.tolist() == [[0, 1, 1, 0]]


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
