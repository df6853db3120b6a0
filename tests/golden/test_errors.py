"""Published error bodies of the real service (sentinelhub.md 1.4, 1.5), each caused as a user causes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from arpent.domain.calculation import Histogram
from arpent.domain.errors import ArpentError
from arpent.domain.evalscript import SampleType
from arpent.domain.job import Status, UserAction
from arpent.jobs.policy import Policy
from arpent.jobs.state_machine import Event, advance
from arpent.wire.problems import problem
from arpent.wire.request.parse import parse_batch, parse_statistical
from arpent.zonal.histogram import check_histogram
from tests.support.jobs import START, make_job
from tests.support.published import Case, one_test_each
from tests.unit.wire.bodies import STATISTICAL, text


def too_wide(wish: Mapping[str, Any]) -> None:
    box = [0, 0, 10 * wish["width"], 100]
    parse_statistical(text(STATISTICAL, {"input.bounds.bbox": box, "aggregation.resx": 10, "aggregation.resy": 10}))


def both_forms_of_size(wish: Mapping[str, Any]) -> None:
    parse_statistical(text(STATISTICAL, {f"aggregation.{name}": number for name, number in wish.items()}))


def empty_body(wish: Mapping[str, Any]) -> None:
    parse_batch(wish["body"])


def histogram_type(wish: Mapping[str, Any]) -> None:
    check_histogram(Histogram(bins=tuple(wish["bins"]), integer=True), SampleType(wish["sampleType"]), lenient=False)


def stop_while_created(wish: Mapping[str, Any]) -> None:
    job = make_job(status=Status(wish["status"]), user_action=UserAction(wish["userAction"]))
    advance(job, Event(wish["action"]), START, Policy())


CAUSES: Mapping[str, Callable[[Mapping[str, Any]], None]] = {
    "error-too-wide": too_wide,
    "error-both-forms-of-size": both_forms_of_size,
    "error-empty-body": empty_body,
    "error-histogram-type": histogram_type,
    "error-stop-while-created": stop_while_created,
}


@one_test_each("error_body")
def test_the_body_of_an_error(case: Case):
    with pytest.raises(ArpentError) as caught:
        CAUSES[case["id"]](case["input"])
    found, expected = problem(caught.value), case["expected"]["error"]
    error = found.body["error"]
    assert isinstance(error, dict)
    assert found.status == expected["status"]
    assert {name: error[name] for name in expected} == expected
