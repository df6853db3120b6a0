"""No word of a library reaches the caller: every type of error that pydantic can raise has a sentence of ours."""

from __future__ import annotations

import json
import re

import pytest
from pydantic import BaseModel, Field, ValidationError
from pydantic_core import InitErrorDetails
from pydantic_core._pydantic_core import list_all_errors

from arpent.domain.errors import InvalidRequest
from arpent.wire.request.parse import parse_batch
from arpent.wire.request.violations import OURS, translate
from tests.unit.wire.bodies import BATCH, text

THEIRS = re.compile(r"Input should|Field required|Value error|\bvalid \w+|\bitems? after validation|dictionary|\{\w+\}")


@pytest.mark.parametrize("entry", list_all_errors(), ids=lambda entry: entry["type"])
def test_every_type_has_a_sentence_of_ours(entry: dict[str, object]) -> None:
    context = entry.get("example_context") or {}
    if entry["type"] in ("value_error", "assertion_error"):  # type: ignore[operator]
        context = {**context, "error": ValueError("hush-hush")}  # type: ignore[dict-item]
    error = ValidationError.from_exception_data(
        "x",
        [InitErrorDetails(type=entry["type"], loc=("a", 1), input="hush-hush", ctx=context)],  # type: ignore[typeddict-item]
    )
    ((where, sentence),) = translate(error)
    assert where == "a->1"
    assert sentence != error.errors()[0]["msg"]
    assert not THEIRS.search(sentence), sentence
    assert "hush" not in sentence


WRONG = {
    "calculations.default.statistics.default.percentiles.k": [
        [101], [-1], "median", [None], [[5]], {"a": 1}, True, [5] * 1001
    ],
    "calculations.default.histograms.default.bins": [[1.0], [], "x", [1, "2"], {}],
    "calculations.default.histograms.default.nBins": [0, 1.5, "x", 10**30, []],
    "calculations.default.histograms.default.binWidth": [0, -1, "0.1", [], {}],
    "calculations": [3, [], "x", {"default": 3}, {"default": {"histograms": 3}}],
    "input": [None, 3, [], "x"],
    "input.data": [None, 3, [], {}, [None], [3]],
    "input.data.0.type": [None, 3, "", "a b", {}],
    "input.data.0.id": [3, {}, []],
    "input.data.0.dataFilter": [3, [], "x"],
    "input.data.0.dataFilter.mosaickingOrder": ["", "best", 3, [], {}],
    "input.data.0.dataFilter.maxCloudCoverage": [-1, 101, "20", True, []],
    "input.data.0.processing.upsampling": ["", "CUBIC", 3, {}],
    "input.data.0.processing.harmonizeValues": ["maybe", 3, [], {}],
    "aggregation.aggregationInterval": [None, "P1D", []],
    "aggregation.aggregationInterval.of": [None, 1, "", "P", []],
    "aggregation.aggregationInterval.lastIntervalBehavior": ["", "KEEP", 1],
    "aggregation.timeRange": [None, [], "2020"],
    "aggregation.resx": [0, -1, "10", True, [], 10**400],
    "output.s3.url": [None, 3, "", []],
    "output": [None, {}, {"az": {}}, {"s3": {}, "gs": {}}],
}  # fmt: skip
"""Field → values that are refused."""


@pytest.mark.parametrize(("place", "value"), [(place, value) for place, values in WRONG.items() for value in values])
def test_a_wrong_value_is_refused_in_our_words(place: str, value: object) -> None:
    if isinstance(value, int) and value == 10**400:
        body = text(BATCH, {place: 1}).replace('"resx": 1,', f'"resx": {value},')
    else:
        body = text(BATCH, {place: value})
    with pytest.raises(InvalidRequest) as caught:
        parse_batch(body)
    assert caught.value.violations
    assert not THEIRS.search(str(caught.value)), str(caught.value)


NOTHING = {
    "calculations": [None, {}, {"default": None}, {"default": {}}],
    "calculations.default": [{"histograms": None, "statistics": None}, {"histograms": {}, "statistics": {}}],
    "calculations.default.statistics.default": [
        None, {}, {"percentiles": None}, {"percentiles": {}}, {"percentiles": {"k": None}}, {"percentiles": {"k": []}},
        {"percentiles": {"k": [], "interpolation": "higher"}},
    ],
    "calculations.default.histograms.default": [None],
    "input.data.0.dataFilter": [None, {}],
    "input.data.0.processing": [None, {}],
    "input.data.0.id": [None, ""],
    "aggregation.evalscriptReference": [None],
    "aggregation.width": [None],
    "output.s3.region": [None, ""],
}  # fmt: skip
"""Field → values by which a client asks for nothing (sentinelhub.md 11)."""


@pytest.mark.parametrize(("place", "value"), [(place, value) for place, values in NOTHING.items() for value in values])
def test_an_empty_value_asks_for_nothing(place: str, value: object) -> None:
    request = parse_batch(text(BATCH, {place: value}))
    wish = request.calculations.of("default", "B0")
    assert (wish.percentiles, wish.histogram) == ((), None)
    assert request.sources[0].id == "0"


def test_no_percentiles_of_one_band_beside_those_of_the_others() -> None:
    wishes = {"default": {"percentiles": {"k": [5, 50.5]}}, "B1": {"percentiles": {"k": []}}, "B2": {}}
    request = parse_batch(text(BATCH, {"calculations.default.statistics": wishes}))
    assert request.calculations.of("x", "B0").percentiles == (5, 50.5)
    assert request.calculations.of("x", "B1").percentiles == ()
    assert request.calculations.of("x", "B2").percentiles == ()


def test_a_lone_percentile_is_a_list_of_one() -> None:
    request = parse_batch(text(BATCH, {"calculations.default.statistics.default.percentiles.k": 50}))
    assert request.calculations.of("x", "B0").percentiles == (50,)


def test_a_sentence_of_the_schema_stands_as_it_is() -> None:
    class BodyModel(BaseModel):
        k: int = Field(ge=3)

    with pytest.raises(ValidationError) as caught:
        BodyModel.model_validate({"k": 2})
    assert translate(caught.value) == (("k", "must be at least 3"),)
    assert OURS == "number"
    with pytest.raises(InvalidRequest, match="must be a number, without quotes"):
        parse_batch(text(BATCH, {"aggregation.resx": "10"}))


@pytest.mark.parametrize("entry", [{"speckleFilter": {"type": "LEE"}}, {"egm": True}, {"minQa": 50}])
def test_what_is_not_served_is_refused(entry: dict[str, object]) -> None:
    """What a collection is may be said, too: see test_offers.py; which of its acquisitions: test_filters.py."""
    body = json.loads(text(BATCH))
    body["input"]["data"] = [{"type": "dem", "processing": entry}]
    with pytest.raises(InvalidRequest, match="is not supported yet; leave it out"):
        parse_batch(json.dumps(body))
