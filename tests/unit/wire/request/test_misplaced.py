"""Fields in the wrong place are ignored, as the real service ignores them, and a hint says where they belong."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from arpent.domain.job import Job
from arpent.wire.job import NO_INTERVAL, job_object, status_object
from arpent.wire.request.misplaced import MOST_HINTS, request_hints
from arpent.wire.request.parse import parse_batch
from tests.unit.wire.bodies import BATCH, text

MEANT = {
    "aggregation.lastIntervalBehavior": "aggregation->aggregationInterval->lastIntervalBehavior",
    "lastIntervalBehavior": "aggregation->aggregationInterval->lastIntervalBehavior",
    "aggregation.aggregationInterval.lastIntervalBehaviour": "aggregation->aggregationInterval->lastIntervalBehavior",
    "aggregation.timeRange.of": "aggregation->aggregationInterval->of",
    "aggregation.resX": "aggregation->resx",
    "resx": "aggregation->resx",
    "evalscript": "aggregation->evalscript",
    "aggregation.time_range": "aggregation->timeRange",
    "aggregation.calculations": "calculations",
    "input.calculations": "calculations",
    "input.evalscript": "aggregation->evalscript",
    "input.data.0.mosaickingOrder": "input->data->0->dataFilter->mosaickingOrder",
    "input.data.0.maxCloudCoverage": "input->data->0->dataFilter->maxCloudCoverage",
    "input.data.0.processing.maxCloudCoverage": "input->data->0->dataFilter->maxCloudCoverage",
    "input.data.0.dataFilter.maxCloudCover": "input->data->0->dataFilter->maxCloudCoverage",
    "input.data.0.dataFilter.harmonizeValues": "input->data->0->processing->harmonizeValues",
    "input.data.0.processing.orbitDirection": "input->data->0->dataFilter->orbitDirection",
    "input.data.0.upsampling": "input->data->0->processing->upsampling",
    "input.data.0.datafilter": "input->data->0->dataFilter",
    "output.s3.regin": "output->s3->region",
    "output.s3.iamRoleArn": "output->s3->iamRoleARN",
}
"""Where a field stands → where the hint says that it belongs."""


@pytest.mark.parametrize("place", MEANT)
def test_a_misplaced_field_is_accepted_and_hinted_at(place: str) -> None:
    body = text(BATCH, {place: "hush-hush"})
    parse_batch(body)
    job = Job(id="x", owner="me", body=body, created=datetime.now(UTC))
    shown = "->".join(place.split("."))
    for told in (status_object(job, 0)["hint"], job_object(job, 0)["hint"]):
        assert told == f"`{shown}` is not known there and was ignored; did you mean {MEANT[place]}?"


@pytest.mark.parametrize(
    "place", ["name", "description", "input.data.0.dataFilter.previewMode", "metadata", "input.bounds2", "xyz"]
)
def test_what_is_merely_unknown_is_passed_over(place: str) -> None:
    assert request_hints(json.loads(text(BATCH, {place: "x"}))) == ()


def test_nothing_is_hinted_at_where_all_is_well() -> None:
    assert request_hints(BATCH) == ()
    assert "hint" not in status_object(Job(id="x", owner="me", body=text(BATCH), created=datetime.now(UTC)), 0)


def test_the_entry_is_named() -> None:
    body = json.loads(text(BATCH, {"input.data": [{"type": "a"}, {"type": "b", "upsampling": "NEAREST"}]}))
    assert "`input->data->1->upsampling`" in request_hints(body)[0]
    assert request_hints(body)[0].endswith("did you mean input->data->1->processing->upsampling?")


def test_there_may_be_several_and_not_too_many() -> None:
    odd = {f"input.data.{number}": {"type": "a", "upsampling": 1} for number in range(1)}
    body = json.loads(text(BATCH, {**odd, "resx": 1, "input.data": [{"upsampling": 1}] * 50}))
    assert len(request_hints(body)) == MOST_HINTS
    job = Job(
        id="x", owner="me", created=datetime.now(UTC), estimate={"intervals": 0},
        body=text(BATCH, {"resx": 1, "resy": 2}),
    )  # fmt: skip
    told = str(status_object(job, 0)["hint"])
    assert told.startswith(NO_INTERVAL)
    assert told.count("did you mean") == 2


@pytest.mark.parametrize("body", ["", "[]", "nonsense", "{}", '{"input": 3, "aggregation": [1]}', "[" * 5000])
def test_a_stored_body_that_is_none_tells_nothing(body: str) -> None:
    assert "hint" not in status_object(Job(id="x", owner="me", body=body, created=datetime.now(UTC)), 0)
