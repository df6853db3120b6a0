"""Unknown keys of calculations are refused when the request is made."""

from __future__ import annotations

from typing import Any

import pytest

from arpent.domain.errors import InvalidRequest
from arpent.wire.request.parse import parse_batch, parse_statistical
from tests.unit.wire.bodies import BATCH, STATISTICAL, text

K = {"k": [50]}
MEDIAN = {"default": {"percentiles": K}}


@pytest.mark.parametrize(
    ("calculations", "at", "violation"),
    [
        ({"red": {"statistic": MEDIAN}}, "calculations->red->statistic", "did you mean 'statistics'?"),
        ({"red": {"histogram": {}}}, "calculations->red->histogram", "did you mean 'histograms'?"),
        ({"red": {"percentiles": K}}, "calculations->red->percentiles", "Valid: histograms, statistics"),
        (
            {"red": {"statistics": {"default": {"percentile": K}}}},
            "calculations->red->statistics->default->percentile",
            "did you mean 'percentiles'?",
        ),
        (
            {"red": {"statistics": {"default": {"percentiles": {"k": [50], "K": [9]}}}}},
            "calculations->red->statistics->default->percentiles->K",
            "Valid: k",
        ),
        (
            {"red": {"histograms": {"B0": {"nBins": 3, "lowedge": 0.5}}}},
            "calculations->red->histograms->B0->lowedge",
            "did you mean 'lowEdge'?",
        ),
        (
            {"default": {"histograms": {"default": {"nBins": 3, "binWith": 0.5}}}},
            "calculations->default->histograms->default->binWith",
            "did you mean 'binWidth'?",
        ),
    ],
)
@pytest.mark.parametrize(("parse", "body"), [(parse_batch, BATCH), (parse_statistical, STATISTICAL)])
def test_are_refused(parse: Any, body: dict[str, Any], calculations: object, at: str, violation: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse(text(body, {"calculations": calculations}))
    ((parameter, said),) = caught.value.violations
    assert parameter == at
    assert violation in said


@pytest.mark.parametrize("name", ["calculation", "Calculations", "caclulations"])
def test_the_name_itself_is_looked_at(name: str) -> None:
    with pytest.raises(InvalidRequest, match="did you mean 'calculations'"):
        parse_batch(text(BATCH, {name: {"red": {"statistics": MEDIAN}}}))


@pytest.mark.parametrize(
    "calculations",
    [
        {"red": {"statistics": {"default": {"percentiles": {"k": [50], "interpolation": "higher"}}}}},
        {"red": {"histograms": {"default": {"nBins": 3, "lowEdge": 0.0, "highEdge": 1.0}}, "statistics": MEDIAN}},
        {"red": {}},
        {},
        None,
    ],
)
def test_others_pass(calculations: object) -> None:
    parse_batch(text(BATCH, {"calculations": calculations}))


@pytest.mark.parametrize("calculations", [[], 3, {"red": []}, {"red": {"statistics": [3]}}, {"red": {"histograms": 3}}])
def test_what_is_no_object_is_told_once(calculations: object) -> None:
    with pytest.raises(InvalidRequest, match="must be an object"):
        parse_batch(text(BATCH, {"calculations": calculations}))
