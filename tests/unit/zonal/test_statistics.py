"""Statistics of one band: every rule of sentinelhub.md 3.3 on numbers that can be checked by hand."""

from __future__ import annotations

import math
import re
import statistics as python
from dataclasses import fields

import numpy as np
import pytest
from numba import njit

from arpent.domain.calculation import MORE, Calculation, Histogram
from arpent.domain.evalscript import SampleType
from arpent.domain.result import BandStatistics
from arpent.zonal.reductions import OutsideSample
from arpent.zonal.sample_type import compact, converted
from arpent.zonal.statistics import Reduction, ranks, summarise, values_suffice

MEDIAN = Calculation(percentiles=(50,))


def of(
    *segments: list[float],
    valid: list[list[bool]] | None = None,
    calculation: Calculation = MEDIAN,
    sample_type: SampleType = SampleType.FLOAT32,
    sample_count: int | None = None,
    outside: OutsideSample | None = None,
) -> BandStatistics:
    values = np.array([x for segment in segments for x in segment], np.float64)
    mask = np.ones(len(values), bool) if valid is None else np.array([x for row in valid for x in row], bool)
    lengths = [len(segment) for segment in segments]
    return summarise(
        values,
        mask,
        np.cumsum([0, *lengths]),
        sample_count=np.array([sample_count or length for length in lengths]),
        calculation=calculation,
        sample_type=sample_type,
        outside=outside,
    )


def test_the_plain_case():
    got = of([1, 2, 3, 4], sample_count=6)
    assert (got.minimum[0], got.maximum[0], got.mean[0]) == (1, 4, 2.5)
    assert got.standard_deviation[0] == pytest.approx(python.pstdev([1, 2, 3, 4]), rel=1e-15)
    assert (got.sample_count[0], got.no_data_count[0]) == (6, 2)
    assert got.percentiles is not None
    assert got.percentiles.tolist() == [[3.0]]


def test_masked_samples_do_not_count():
    got = of([1, 99, 3], valid=[[True, False, True]])
    assert (got.mean[0], got.maximum[0], got.no_data_count[0]) == (2, 3, 1)


def test_nothing_valid_is_nan():
    got = of([1.0], [5.0], [], valid=[[False], [True], []])
    assert np.isnan(got.mean).tolist() == [True, False, True]
    for numbers in (got.minimum, got.maximum, got.standard_deviation, got.percentiles):
        assert numbers is not None
        assert np.isnan(numbers[0]).all()
        assert np.isnan(numbers[2]).all()
    assert got.no_data_count.tolist() == [1, 0, 0]


def test_one_sample_deviates_by_zero():
    assert of([0.1]).standard_deviation[0] == 0.0


def test_floats_are_float32_widened():
    got = of([0.0797])
    assert got.minimum[0] == 0.07970000058412552


LIMITS = {
    SampleType.INT8: (-128, 127), SampleType.UINT8: (0, 255), SampleType.INT16: (-32768, 32767),
    SampleType.UINT16: (0, 65535),
}  # fmt: skip
HUGE = [math.inf, 1e300, 1.7976931348623157e308, 1e19, 2.0**63, 2.0**64, 9.3e18, 1e18, 2.0**32, 2.0**31, 65536.0]


@pytest.mark.parametrize("count", [1, 7, 64], ids=["alone", "a few", "whole vectors"])
@pytest.mark.parametrize("sample_type", list(LIMITS))
def test_what_an_integer_type_cannot_hold_becomes_its_limit(sample_type: SampleType, count: int):
    low, high = LIMITS[sample_type]
    for huge in HUGE:
        up = of([huge] * count, sample_type=sample_type)
        down = of([-huge] * count, sample_type=sample_type)
        assert (up.minimum[0], up.maximum[0], up.mean[0]) == (high, high, high), huge
        assert (down.minimum[0], down.maximum[0], down.mean[0]) == (low, low, low), huge
        assert converted(np.array([huge, -huge, math.nan]), sample_type).tolist()[:2] == [high, low]


def test_the_sample_outside_is_clamped_too():
    outside = OutsideSample(value=np.array([math.inf]), valid=np.array([True]))
    got = of([1.0], sample_type=SampleType.UINT8, sample_count=3, outside=outside)
    assert (got.maximum[0], got.mean[0]) == (255, pytest.approx(511 / 3))


def test_no_number_becomes_an_integer_on_the_way():
    """What a processor makes of a number that does not fit an integer differs between processors: none may be asked."""
    kernel = njit(compact.py_func, error_model="numpy")
    numbers, bytes_, whole = np.zeros(1), np.ones(1, np.uint8), np.arange(2)
    kernel(numbers, bytes_, whole, (0.0, 255.0, True), np.zeros(1, np.float32), np.zeros(1, np.int64))
    code = "\n".join(kernel.inspect_llvm().values())
    assert "define" in code
    assert not re.search(r"fpto[su]i|cvttsd2si", code)


@pytest.mark.parametrize("sample_type", list(SampleType))
def test_nan_under_mask_one_is_no_data(sample_type: SampleType):
    got = of([math.nan, 2.0], sample_type=sample_type)
    assert (got.mean[0], got.no_data_count[0]) == (2.0, 1)


def test_infinity_is_a_value():
    got = of([1.0, math.inf, 2.0, 1e300])
    assert got.maximum[0] == math.inf
    assert got.mean[0] == math.inf
    assert math.isnan(got.standard_deviation[0])
    assert got.no_data_count[0] == 0


@pytest.mark.parametrize("weighted", [False, True])
def test_a_sum_with_infinite_samples_is_infinite(*, weighted: bool) -> None:
    wish = Calculation(more=("sum", "count", "weightedMean"), weighted=weighted)
    values = np.array([1.0, math.inf, 2.0, -math.inf, 3.0, math.inf, -math.inf, 2.0, 3.0, math.inf])
    shares = np.array([1.0, 0.5, 0.5, 1.0, 1.0, 0.5, 0.5, 1.0, 1.0, 0.0])
    offsets = np.array([0, 3, 5, 7, 9, 9, 10])
    reduction = Reduction(6, wish, SampleType.FLOAT32)
    reduction.add(reduction.part(values, None, offsets, shares), np.arange(6))
    more = reduction.finish(np.diff(offsets)).more
    last = 0.0 if weighted else math.inf
    np.testing.assert_array_equal(more["sum"], [math.inf, -math.inf, math.nan, 5.0, 0.0, last])
    np.testing.assert_array_equal(more["weightedMean"], [math.inf, -math.inf, math.nan, 2.5, math.nan, math.nan])


@pytest.mark.parametrize(
    ("sample_type", "value", "becomes"),
    [
        (SampleType.UINT8, 2.5, 3),
        (SampleType.UINT8, 2.4999, 2),
        (SampleType.INT8, -2.5, -2),
        (SampleType.UINT8, -1, 0),
        (SampleType.UINT8, 255.5, 255),
        (SampleType.INT8, -300, -128),
        (SampleType.INT16, 40000, 32767),
        (SampleType.UINT16, 70000, 65535),
        (SampleType.INT16, -math.inf, -32768),
        (SampleType.INT16, math.inf, 32767),
        (SampleType.UINT8, 1e19, 255),
        (SampleType.UINT16, 1e300, 65535),
        (SampleType.INT8, -1e19, -128),
        (SampleType.AUTO, 0.5, 0.5),
    ],
)
def test_sample_types(sample_type: SampleType, value: float, becomes: float):
    got = of([value], sample_type=sample_type)
    assert (got.minimum[0], got.no_data_count[0]) == (becomes, 0)


def test_outside_samples_usually_only_add_to_no_data():
    outside = OutsideSample(value=np.array([0.0]), valid=np.array([False]))
    got = of([2.0, 4.0], sample_count=10, outside=outside)
    assert (got.mean[0], got.no_data_count[0]) == (3.0, 8)


@pytest.mark.parametrize("value", [-1.0, 0.0, 2.0, 3.0, 9.0])
def test_valid_outside_samples_count_with_their_weight(value: float):
    outside = OutsideSample(value=np.array([value, math.nan]), valid=np.array([True, True]))
    k = tuple(float(k) for k in range(0, 101, 5))
    got = of([2.0, 4.0, 2.0], [1.0], sample_count=10, outside=outside, calculation=Calculation(percentiles=k))
    plain = of([2.0, 4.0, 2.0] + [value] * 7, calculation=Calculation(percentiles=k))
    for name in ("minimum", "maximum", "mean", "no_data_count"):
        assert getattr(got, name)[0] == getattr(plain, name)[0]
    assert got.standard_deviation[0] == pytest.approx(plain.standard_deviation[0], rel=1e-14)
    assert got.percentiles is not None
    assert plain.percentiles is not None
    assert got.percentiles[0].tolist() == plain.percentiles[0].tolist()
    assert got.no_data_count[1] == 9


def test_percentiles_come_in_the_order_asked():
    got = of(list(range(100)), calculation=Calculation(percentiles=(90, 10, 50, 10, 100)))
    assert got.percentiles is not None
    assert got.percentiles.tolist() == [[90, 10, 50, 10, 99]]
    assert got.ranks == (90, 10, 50, 10, 100)


@pytest.mark.parametrize(
    ("count", "k", "rank"),
    [(48, 50, 24), (100, 33, 33), (1000, 99.9, 999), (1000, 33.3, 333), (1, 50, 0), (10, 100, 9), (10, 0, 0),
     (3, 33.333333333333336, 1), (7, 1e-9, 0)],
)  # fmt: skip
def test_ranks_are_exact(count: int, k: float, rank: int):
    assert ranks(np.array([count]), [k]).tolist() == [[rank]]


def test_large_segments_with_many_equals_and_sorted_ones():
    generator = np.random.default_rng(5)
    rows = [
        generator.integers(0, 3, 5000).astype(float),
        np.arange(5000.0),
        np.arange(5000.0)[::-1].copy(),
        np.full(5000, 7.0),
        generator.normal(size=5000).astype(np.float32).astype(float),
    ]
    k = (0.0, 1.0, 33.3, 50.0, 99.9, 100.0)
    got = of(*[row.tolist() for row in rows], calculation=Calculation(percentiles=k))
    assert got.percentiles is not None
    for row, found in zip(rows, got.percentiles, strict=True):
        ordered = np.sort(row)
        assert found.tolist() == [ordered[min(4999, int(5000 * round(x * 10)) // 1000)] for x in k]


def test_large_offsets_keep_their_precision():
    values = np.float32(1e7) + np.arange(64, dtype=np.float32)
    got = of(values.tolist())
    assert got.mean[0] == pytest.approx(python.fmean(values.tolist()), rel=1e-15)
    assert got.standard_deviation[0] == pytest.approx(np.std(np.arange(64)), rel=1e-13)


def test_the_cloudy_share_is_of_all_samples_inside() -> None:
    """In two parts. What has no imagery is not cloudy, nor is a sample that counts or a value that is NaN."""
    reduction = Reduction(4, Calculation(more=("cloudyShare",)), SampleType.FLOAT32)
    mask, seen = np.array([1.0, 0.0, math.nan, 0.0]), np.array([True, True, True, False])
    values = np.array([0.5, 0.5, 0.5, 0.5])
    reduction.add(reduction.part(values, mask, np.array([0, 3, 4]), None, seen), np.array([0, 1]))
    lone = np.array([math.nan]), np.ones(1), np.array([0, 1, 1]), None, np.ones(1, bool)
    reduction.add(reduction.part(*lone), np.array([0, 2]))
    cloudy = np.array([0.5]), np.zeros(1), np.array([0, 1]), None, np.ones(1, bool)
    reduction.add(reduction.part(*cloudy), np.array([3]))
    found = reduction.finish(np.full(4, 9))
    np.testing.assert_array_equal(found.more["cloudyShare"], [2 / 4, 0.0, math.nan, 1.0])
    assert np.isnan(found.mean[3]), "all of it is cloudy"


def test_an_output_without_a_mask_has_no_cloudy_share() -> None:
    reduction = Reduction(1, Calculation(more=("cloudyShare",)), SampleType.FLOAT32)
    reduction.add(reduction.part(np.ones(2), None, np.array([0, 2]), None, np.ones(2, bool)), np.array([0]))
    assert np.isnan(reduction.finish(np.full(1, 4)).more["cloudyShare"]).all()


WISHES = {
    "plain": Calculation(),
    "percentiles": Calculation(percentiles=(50.0,)),
    "bins": Calculation(histogram=Histogram(bins=(0.0, 1.0))),
    "own edges": Calculation(histogram=Histogram(bin_count=3)),
    "shares": Calculation(shares=(("water", 6),)),
    "weighted": Calculation(weighted=True),
    **{name: Calculation(more=(name,)) for name in MORE},
}


@pytest.mark.parametrize("wish", WISHES.values(), ids=WISHES)
def test_values_suffice_where_a_part_holds_nothing_of_shares_or_imagery(wish: Calculation) -> None:
    part = Reduction(1, wish, SampleType.UINT8).part(
        np.ones(3), np.ones(3), np.array([0, 3]), shares=np.ones(3), seen=np.ones(3, bool)
    )
    more = {field.name for field in fields(part)} - {"inside", "sums", "segments"}
    assert values_suffice(wish) == all(getattr(part, name) is None for name in more)
