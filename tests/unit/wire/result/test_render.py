"""Result files and synchronous answers: their shape, their numbers, and what the official client makes of them."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sentinelhub.data_utils import get_failed_statistical_requests, statistical_to_dataframe

from arpent.domain.calculation import Calculation, Histogram
from arpent.domain.evalscript import SampleType
from arpent.domain.result import ErrorType, Failure, PartitionResult
from arpent.wire.result import render
from arpent.wire.result.render import render_response, render_results
from arpent.wire.result.text import TextColumns, numbers, percentile_key
from tests.support.results import band, interval, partition

BROKEN = Failure(type=ErrorType.EXECUTION_ERROR, message='x is not "defined" (line 3)')
SHARED = Calculation(percentiles=(50, 99.9), histogram=Histogram(bin_count=2, low_edge=0.0, high_edge=0.25))


def parsed(result: PartitionResult) -> list[dict[str, Any]]:
    files = list(render_results(result))
    assert [row for row, _ in files] == list(range(len(result.features)))
    return [json.loads(payload) for _, payload in files]


def entry(calculation: Calculation, sample_type: SampleType = SampleType.FLOAT32, row: int = 3) -> dict[str, Any]:
    numbers = {"default": {"B0": band(4, calculation, sample_type)}}
    response = parsed(partition(4, interval(6, numbers, present=[True] * 4)))[row]["response"]
    found: dict[str, Any] = response["data"][0]["outputs"]["default"]["bands"]["B0"]
    return found


def test_a_file_to_the_byte():
    result = partition(2, interval(6, {"default": {"B0": band(2, Calculation())}}, present=[True, True]))
    (_, first), (_, second) = render_results(result)
    slot = (
        b'{"interval":{"from":"2020-06-01T00:00:00Z","to":"2020-07-01T00:00:00Z"},"outputs":{"default":{"bands":{"B0":'
    )
    assert first == (
        b'{"id":1,"identifier":"SI-\\"0\\"","response":{"data":[' + slot + b'{"stats":{"min":"NaN","max":"NaN",'
        b'"mean":"NaN","stDev":"NaN","sampleCount":1,"noDataCount":1}}}}}}],"status":"OK","geometryPixelCount":0}}'
    )
    assert second == (
        b'{"id":2,"identifier":null,"response":{"data":[' + slot + b'{"stats":{"min":0.10000000149011612,'
        b'"max":0.10000000149011612,"mean":0.10000000149011612,"stDev":0.0,"sampleCount":2,"noDataCount":1}}}}}}],'
        b'"status":"OK","geometryPixelCount":1}}'
    )


def test_percentiles_and_shared_histogram():
    found = entry(SHARED)
    low, mid, high = (float(np.float32(x)) for x in (0.1, 0.2, 0.3))
    assert found["stats"]["percentiles"] == {"50.0": mid, "99.9": high}
    assert found["histogram"] == {
        "bins": [
            {"lowEdge": 0.0, "highEdge": 0.125, "count": 1},
            {"lowEdge": 0.125, "highEdge": 0.25, "count": 1},
        ],
        "overflowCount": 1,
        "underflowCount": 0,
    }
    assert found["stats"]["min"] == low


def test_without_a_valid_sample_percentiles_are_absent_and_given_edges_stay():
    found = entry(SHARED, row=0)
    assert "percentiles" not in found["stats"]
    assert [one["count"] for one in found["histogram"]["bins"]] == [0, 0]


def test_edges_of_each_features_own():
    calculation = Calculation(histogram=Histogram(bin_count=2))
    assert "histogram" not in entry(calculation, row=0)
    bins = entry(calculation)["histogram"]["bins"]
    # The middle lies at 0.20000000670…, float32(0.2) at 0.20000000298…: below it.
    assert [one["count"] for one in bins] == [2, 1]
    assert bins[0]["highEdge"] == bins[1]["lowEdge"]
    assert bins[1]["highEdge"] == float(np.float32(0.3))


def test_edges_of_own_with_varying_numbers_of_bins():
    wish = Calculation(histogram=Histogram(bin_width=0.1, low_edge=0.0))
    assert [len(entry(wish, row=row)["histogram"]["bins"]) for row in (1, 2, 3)] == [2, 3, 4]


def test_a_given_edge_that_leaves_no_room_leaves_no_bins():
    wish = Calculation(histogram=Histogram(bin_count=4, high_edge=0.0))
    assert entry(wish, row=2)["histogram"] == {"bins": [], "overflowCount": 2, "underflowCount": 0}


def test_integer_edges_beyond_64_bits_are_written_out():
    wish = Calculation(histogram=Histogram(bins=(0, 1, 1e19), integer=True))
    result = partition(2, interval(6, {"o": {"B0": band(2, wish, SampleType.UINT8)}}, present=[False, True]))
    assert b'{"lowEdge":1,"highEdge":10000000000000000000,"count":0}' in dict(render_results(result))[1]


def test_integer_edges_are_json_integers_and_extremes_are_not():
    result = partition(
        2, interval(6, {"o": {"B0": band(2, Calculation(histogram=Histogram(bins=(0, 1, 2), integer=True)),
                                         SampleType.UINT8)}}, present=[False, True])
    )  # fmt: skip
    text = dict(render_results(result))[1]
    assert b'{"lowEdge":0,"highEdge":1,"count":1}' in text
    assert b'"min":0.0' in text


def test_intervals_without_imagery_are_left_out():
    numbers = {"default": {"B0": band(3, SHARED)}}
    result = partition(
        3, interval(6, numbers, present=[True, False, True]), interval(7, numbers, present=[False, False, True])
    )
    assert [len(one["response"]["data"]) for one in parsed(result)] == [1, 0, 2]
    assert parsed(result)[1]["response"]["status"] == "OK"


def test_many_outputs_and_bands_keep_their_order():
    bands = {f"B{k:02}": band(3, SHARED) for k in range(12)}
    outputs = parsed(partition(3, interval(6, {"x": bands, 'y"': bands}, present=[True] * 3)))[2]["response"]["data"][0]
    assert list(outputs["outputs"]) == ["x", 'y"']
    assert list(outputs["outputs"]["x"]["bands"]) == list(bands)


def test_failures_have_a_type_and_a_message():
    numbers = {"default": {"B0": band(4, SHARED)}}
    result = partition(
        4,
        interval(6, numbers, present=[True] * 4, failures={1: BROKEN, 2: BROKEN}),
        interval(7, numbers, present=[True, False, True, True], failures={}),
        failures={3: BROKEN},
    )
    files = parsed(result)
    error = {"type": "EXECUTION_ERROR", "message": BROKEN.message}
    assert files[3] == {"id": 4, "identifier": 'SI-"3"', "error": error}
    assert [one["response"]["status"] for one in files[:3]] == ["OK", "FAILED", "OK"]
    assert files[2]["response"]["data"][0]["error"] == error
    assert "outputs" not in files[2]["response"]["data"][0]
    assert [json.loads(render_response(result, row))["status"] for row in range(4)] == [
        "OK",
        "FAILED",
        "PARTIAL",
        "FAILED",
    ]


def test_the_synchronous_answer_has_no_id():
    result = partition(2, interval(6, {"default": {"B0": band(2, SHARED)}}, present=[True] * 2))
    assert list(json.loads(render_response(result, 1))) == ["data", "status", "geometryPixelCount"]


def test_chunks_do_not_show(monkeypatch: pytest.MonkeyPatch):
    calculation = Calculation(percentiles=(33,), histogram=Histogram(bin_count=3))
    result = partition(
        20,
        interval(6, {"default": {"B0": band(20, calculation)}}, present=[k % 3 > 0 for k in range(20)],
                 failures={4: BROKEN, 15: BROKEN}),
    )  # fmt: skip
    whole = list(render_results(result))
    monkeypatch.setattr("arpent.wire.result.render.CHUNK", 3)
    assert list(render_results(result)) == whole


@pytest.mark.parametrize("tiny", [None, np.arange(8) % 2 == 0])
def test_features_that_are_alike_are_written_as_others(monkeypatch: pytest.MonkeyPatch, tiny: NDArray[np.bool_] | None):
    outputs = {"a": {"B0": band(8, Calculation(percentiles=(33,))), "B1": band(8, SHARED)}, "b": {"x": band(8, SHARED)}}
    result = replace(
        partition(
            8,
            interval(6, outputs, present=[True] * 8),
            interval(7, outputs, present=[True] * 4 + [False] * 4),
            interval(8, outputs, present=[True] * 8, failures={7: BROKEN}),
        ),
        tiny=tiny,
    )
    expected = list(render_results(result, range(4))) + list(render_results(result, range(4, 7)))
    assert [len(json.loads(text)["response"]["data"]) for _, text in expected] == [3] * 4 + [2] * 3
    monkeypatch.setattr(render, "_alike", lambda *_: None)
    assert list(render_results(result))[:7] == expected


def test_of_features_with_very_many_numbers_few_are_in_memory(monkeypatch: pytest.MonkeyPatch):
    calculation = Calculation(percentiles=(33,), histogram=Histogram(bin_count=3))
    result = partition(20, interval(6, {"default": {"B0": band(20, calculation)}}, present=[True] * 20))
    whole = list(render_results(result))
    taken: list[range] = []
    counts = render._counts

    def watched(result: PartitionResult, rows: range) -> TextColumns:
        taken.append(rows)
        return counts(result, rows)

    monkeypatch.setattr(render, "_counts", watched)
    assert list(render_results(result)) == whole
    assert [len(rows) for rows in taken] == [20]
    taken.clear()
    monkeypatch.setattr(render, "NUMBERS", 50)
    assert list(render_results(result)) == whole
    assert {len(rows) for rows in taken} <= {1, 2, 3, 4}
    monkeypatch.setattr(render, "NUMBERS", 0)
    assert list(render_results(result)) == whole


def test_the_official_client_reads_them():
    numbers = {"default": {"B0": band(4, SHARED)}}
    files = parsed(
        partition(
            4,
            interval(6, numbers, present=[True] * 4, failures={2: BROKEN}),
            interval(7, numbers, present=[True] * 4),
            failures={3: BROKEN},
        )
    )
    frame = statistical_to_dataframe(files[1:])
    assert frame["identifier"].tolist()[-1:] == ['SI-"2"']
    assert frame["default_B0_percentiles_50.0"].tolist() == pytest.approx([0.1, 0.1, 0.2])
    assert get_failed_statistical_requests(files) == [
        {"identifier": 'SI-"2"', "failed_intervals": [("2020-06-01T00:00:00Z", "2020-07-01T00:00:00Z")]},
        {"identifier": 'SI-"3"', "failed_intervals": "full time range"},
    ]


def test_numbers_read_back_as_the_same_double():
    values = np.array([0.1, 1e-7, 1e22, -8.0, 5e-324, 1.7976931348623157e308, 0.0])
    assert [float(text) for text in numbers(values)] == values.tolist()
    assert numbers(np.array([8.0, math.nan, math.inf, -math.inf])) == [b"8.0", b'"NaN"', b'"Infinity"', b'"-Infinity"']


@pytest.mark.parametrize(
    ("k", "text"),
    [(33, "33.0"), (99.9, "99.9"), (0, "0.0"), (0.001, "0.001"), (0.0005, "5.0E-4"), (1.25e-5, "1.25E-5")],
)
def test_percentile_keys_are_java_doubles(k: float, text: str):
    assert percentile_key(k) == text
