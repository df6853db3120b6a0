"""Samples given in JSON."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from arpent.cli.script.samples import days_of, understand
from arpent.domain.errors import InvalidRequest
from arpent.domain.evalscript import Evalscript
from arpent.evalscript.setup import read_setup


def script(mosaicking: str = "SIMPLE", fusion: bool = False) -> Evalscript:
    one = {"bands": ["B04", "dataMask"]}
    inputs = [{**one, "datasource": "a"}, {**one, "datasource": "b"}] if fusion else [one]
    declared = {"input": inputs, "mosaicking": mosaicking, "output": {"bands": 1}}
    return read_setup("", declared, frozenset({"evaluatePixel"}), require_mask=False)


def test_simple_samples_are_one_call() -> None:
    (given,) = understand([{"B04": 0.1, "dataMask": 0}, {"B04": None}, {"B04": True}], script())
    (entry,) = given.inputs
    assert given.count == 3
    np.testing.assert_array_equal(entry.values[0], [0.1, np.nan, 1])
    np.testing.assert_array_equal(entry.values[1], [0, 1, 1])
    assert entry.scales == ((1.0, 0.0), (1.0, 0.0))


def test_scenes_have_days_of_their_own_and_keep_what_is_given() -> None:
    (given,) = understand([{"B04": 0.1, "date": "2021-05-04T10:00:00Z"}, {"B04": 0.2}], script("ORBIT"))
    (entry,) = given.inputs
    assert entry.values[0].tolist() == [[0.1], [0.2]]
    assert [scene.fields["dateFrom"] for scene in entry.scenes] == ["2021-05-04T00:00:00Z", "2020-06-01T00:00:00Z"]
    start, end = days_of([entry.scenes])
    assert (start, end) == (datetime(2020, 6, 1, tzinfo=UTC), datetime(2021, 5, 5, tzinfo=UTC))


def test_lists_of_scenes_are_samples() -> None:
    shapes = [
        one.inputs[0].values[0].shape for one in understand([[{"B04": 1}], [{"B04": 1}, {"B04": 2}]], script("TILE"))
    ]
    assert shapes == [(1, 1), (2, 1)]


def test_several_inputs_by_datasource() -> None:
    (given,) = understand({"a": {"B04": 1}, "b": [{"B04": 2}]}, script(fusion=True))
    assert [entry.values[0].tolist() for entry in given.inputs] == [[1], [2]]


@pytest.mark.parametrize(
    ("given", "evalscript", "message"),
    [
        (3, script(), "a JSON object"),
        ([], script(), "no sample"),
        ([3], script(), "sample 0 must be an object"),
        ({"B4": 1}, script(), "sample 0 has no value for B04"),
        ({"B04": 1, "dataMsk": 1}, script(), "did you mean 'dataMask'?"),
        ({"B04": "much"}, script(), "'much' of B04 is not a number"),
        ([[{"B04": 1}, {"B04": 2}]], script(), "2 scenes"),
        ({"a": {"B04": 1}}, script(fusion=True), "inputs: a, b"),
    ],
)
def test_what_does_not_fit_is_named(given: object, evalscript: Evalscript, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message.replace("?", r"\?")):
        understand(given, evalscript)


def test_a_day_that_is_none() -> None:
    (given,) = understand([{"B04": 1, "date": "yesterday"}], script("TILE"))
    with pytest.raises(InvalidRequest, match="like 2020-06-01"):
        days_of([given.inputs[0].scenes])
