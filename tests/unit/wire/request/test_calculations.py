"""Calculations keep integers and floats apart, and take exactly one form of histogram (sentinelhub.md 2.4)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from arpent.domain.calculation import MAXIMUM_BINS, Histogram
from arpent.domain.errors import InvalidRequest
from arpent.domain.evalscript import SampleType
from arpent.wire.request.parse import parse_batch
from arpent.zonal.histogram import check_histogram
from tests.unit.wire.bodies import BATCH, text


def parsed(literal: str) -> Histogram:
    """The histogram written as this JSON text."""
    mark = "<<here>>"
    body = text(BATCH, {"calculations.default.histograms.default": mark}).replace(json.dumps(mark), literal)
    found = parse_batch(body).calculations.outputs["default"].histograms["default"]
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("literal", "integer"),
    [
        ('{"nBins": 5, "lowEdge": 0.0, "highEdge": 0.3}', False),
        ('{"nBins": 5, "lowEdge": 0, "highEdge": 10}', True),
        ('{"nBins": 5, "lowEdge": 0, "highEdge": 10.0}', False),
        ('{"nBins": 5}', None),
        ('{"binWidth": 1}', True),
        ('{"binWidth": 1.0}', False),
        ('{"binWidth": 0.05, "lowEdge": 0}', False),
        ('{"bins": [0,1,2]}', True),
        ('{"bins": [0,1.0,2]}', False),
        ('{"bins": [-1,1e0]}', False),
    ],
)
def test_the_literal_decides(literal: str, integer: bool | None) -> None:
    assert parsed(literal).integer is integer


def test_the_fields() -> None:
    assert parsed('{"nBins": 5, "lowEdge": 0.0, "highEdge": 0.3}') == Histogram(
        bin_count=5, low_edge=0.0, high_edge=0.3, integer=False
    )
    assert parsed('{"bins": [0, 2, 5]}') == Histogram(bins=(0.0, 2.0, 5.0), integer=True)


@pytest.mark.parametrize(
    ("histogram", "field"),
    [
        ({}, ""),
        ({"nBins": 5, "binWidth": 1}, ""),
        ({"nBins": 0}, "->nBins"),
        ({"nBins": 2.5}, "->nBins"),
        ({"nBins": True}, "->nBins"),
        ({"nBins": "4"}, "->nBins"),
        ({"nBins": 4, "lowEdge": 0.0, "highEdge": 1.7e308}, "->highEdge"),
        ({"nBins": 4, "lowEdge": 1.0, "highEdge": 1.0000000000000002}, "->highEdge"),
        ({"nBins": 3, "lowEdge": 1e-320, "highEdge": 1.0000000e-320 + 1e-323}, "->highEdge"),
        ({"bins": [0.0, 1e301]}, "->bins->1"),
        ({"binWidth": 5e-324}, "->binWidth"),
        ({"binWidth": 1e-13}, "->binWidth"),
        ({"nBins": 10**9}, "->nBins"),
        ({"binWidth": 0}, "->binWidth"),
        ({"binWidth": 1e-9, "lowEdge": 0.0, "highEdge": 1.0}, "->binWidth"),
        ({"bins": [1]}, "->bins"),
        ({"bins": [1, 1]}, "->bins"),
        ({"bins": [2, 1]}, "->bins"),
        ({"bins": [1, "2"]}, "->bins->1"),
        ({"bins": [1, True]}, "->bins->1"),
        ({"nBins": 5, "lowEdge": 1, "highEdge": 1}, "->highEdge"),
        ({"nBins": 5, "lowEdge": "0.0"}, "->lowEdge"),
    ],
)
def test_histograms_refused(histogram: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parsed(json.dumps(histogram))
    assert [name for name, _ in caught.value.violations] == [f"calculations->default->histograms->default{field}"]


@pytest.mark.parametrize("bins", [1, MAXIMUM_BINS - 1, MAXIMUM_BINS, MAXIMUM_BINS + 1, 65_536, 65_537])
@pytest.mark.parametrize(
    "form",
    [
        lambda bins: {"nBins": bins},
        lambda bins: {"nBins": bins, "lowEdge": 0.0, "highEdge": 1.0},
        lambda bins: {"bins": [float(edge) for edge in range(bins + 1)]},
        lambda bins: {"binWidth": 0.5, "lowEdge": 0.0, "highEdge": bins / 2},
        lambda bins: {"binWidth": 0.5, "lowEdge": 0.0, "highEdge": bins / 2 - 0.25},
    ],
    ids=["nBins", "nBins-between", "bins", "binWidth", "binWidth-cut"],
)
def test_what_is_created_is_what_the_analysis_takes(form: Any, bins: int) -> None:
    """One limit: nothing that was created is refused later for its bins, and the limit itself is allowed."""
    literal = json.dumps(form(bins))
    if bins <= MAXIMUM_BINS:
        wish = parsed(literal)
        assert wish.known_bins == bins
        check_histogram(wish, SampleType.FLOAT32, lenient=True)
    else:
        with pytest.raises(InvalidRequest, match=r"histograms->default->(nBins|bins|binWidth)"):
            parsed(literal)


def test_percentiles_by_output_and_band() -> None:
    calculations = {
        "a": {"statistics": {"B04": {"percentiles": {"k": [33, 99.9]}}, "B08": {}}},
        "default": {"statistics": {"default": {"percentiles": {"k": [50]}}}},
    }
    found = parse_batch(text(BATCH, {"calculations": calculations})).calculations
    assert found.of("a", "B04").percentiles == (33.0, 99.9)
    assert found.of("a", "B08").percentiles == ()
    assert found.of("b", "B0").percentiles == (50.0,)


def test_null_asks_for_no_histogram_and_no_percentiles() -> None:
    """Whatever `default` asks for; a band that is not named has it."""
    calculations = {
        "default": {
            "histograms": {"B0": None, "default": {"nBins": 5}},
            "statistics": {"B0": None, "default": {"percentiles": {"k": [50]}}},
        }
    }
    found = parse_batch(text(BATCH, {"calculations": calculations})).calculations
    assert (found.of("a", "B0").histogram, found.of("a", "B0").percentiles) == (None, ())
    assert found.of("a", "B1").histogram is not None
    assert found.of("a", "B1").percentiles == (50.0,)


@pytest.mark.parametrize("k", [[101], [-1], 101, "50", ["50"], [None], {}, list(range(1001))])
def test_percentiles_refused(k: object) -> None:
    calculations = {"default": {"statistics": {"default": {"percentiles": {"k": k}}}}}
    with pytest.raises(InvalidRequest) as caught:
        parse_batch(text(BATCH, {"calculations": calculations}))
    assert caught.value.violations[0][0].startswith("calculations->default->statistics->default->percentiles->k")
