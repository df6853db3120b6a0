"""Reading result files back: what we render, and what the real service and its fixtures write."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from arpent.domain.calculation import Calculation, Histogram
from arpent.domain.result import ErrorType, Failure
from arpent.wire.result.reading import rows_of
from arpent.wire.result.render import render_results
from tests.support import results

WISH = Calculation(histogram=Histogram(bins=(0.0, 0.25, 1.0)), percentiles=(50.0, 99.9))
STATS = {"min": 1.0, "max": 3.0, "mean": 2.0, "stDev": 0.5, "sampleCount": 9, "noDataCount": 4}


def file(**fields: Any) -> bytes:
    return json.dumps({"id": 7, "identifier": None, **fields}).encode()


def response(*entries: dict[str, Any], status: str = "OK") -> dict[str, Any]:
    return {"data": list(entries), "status": status}


def entry(**fields: Any) -> dict[str, Any]:
    return {"interval": {"from": "2020-06-01T00:00:00Z", "to": "2020-07-01T00:00:00Z"}, **fields}


def test_what_we_render_comes_back() -> None:
    one = results.interval(6, {"ndvi": {"B0": results.band(4, WISH)}}, present=[True] * 4)
    files = dict(render_results(results.partition(4, one)))
    (row,) = rows_of(files[3])
    band = results.band(4, WISH)
    assert (row["id"], row["identifier"], row["output"], row["band"], row["status"]) == (
        4,
        'SI-"3"',
        "ndvi",
        "B0",
        "OK",
    )
    assert (row["from"], row["to"]) == (datetime(2020, 6, 1, tzinfo=UTC), datetime(2020, 7, 1, tzinfo=UTC))
    assert (row["min"], row["max"], row["mean"]) == (band.minimum[3], band.maximum[3], band.mean[3])
    assert (row["sample_count"], row["no_data_count"], row["geometry_pixel_count"]) == (4, 1, 3)
    assert row["valid_share"] == 1.0
    assert (row["p50.0"], row["p99.9"]) == tuple(np.float32([0.2, 0.3]).astype(float))
    assert row["histogram_edges"] == [0.0, 0.25, 1.0]
    assert (row["histogram_counts"], row["underflow"], row["overflow"]) == ([2, 1], 0, 0)
    (empty,) = rows_of(files[0])
    assert [empty[name] for name in ("min", "max", "mean", "stDev")] == [None] * 4
    assert (empty["sample_count"], empty["no_data_count"]) == (1, 1)
    assert "p50.0" not in empty


def test_the_real_service_counts_no_pixels_and_knows_infinity() -> None:
    stats = STATS | {"max": "Infinity", "min": "-Infinity"}
    outputs = {"default": {"bands": {"B0": {"stats": stats}}}}
    (row,) = rows_of(file(response=response(entry(outputs=outputs))))
    assert row["geometry_pixel_count"] is None
    assert "valid_share" not in row
    assert (row["min"], row["max"]) == (-math.inf, math.inf)


def test_an_old_name_of_the_tails() -> None:
    histogram = {"bins": [{"lowEdge": 0, "highEdge": 1, "count": 5}], "overflow": 2, "underflow": 3}
    outputs = {"default": {"bands": {"B0": {"stats": STATS, "histogram": histogram}}}}
    (row,) = rows_of(file(response=response(entry(outputs=outputs))))
    assert (row["underflow"], row["overflow"], row["histogram_edges"]) == (3, 2, [0.0, 1.0])


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"error": {"type": "EXECUTION_ERROR"}}, "EXECUTION_ERROR"),
        ({"error": {"type": "BAD_REQUEST", "message": "It is empty."}}, "BAD_REQUEST: It is empty."),
        ({"response": {"data": None, "status": "FAILED"}}, "FAILED"),
    ],
)
def test_a_failed_feature_is_one_row(fields: dict[str, Any], reason: str) -> None:
    (row,) = rows_of(file(**fields))
    assert (row["status"], row["reason"]) == ("FAILED", reason)
    assert "from" not in row


@pytest.mark.parametrize("error", ["TIMEOUT", {"type": "TIMEOUT"}])
def test_a_failed_interval_is_one_row(error: Any) -> None:
    (row,) = rows_of(file(response=response(entry(error=error))))
    assert (row["status"], row["reason"], row["from"].month) == ("FAILED", "TIMEOUT", 6)
    assert "output" not in row


def test_our_own_failures_come_back() -> None:
    broken = Failure(type=ErrorType.BAD_REQUEST, message="no polygon")
    files = dict(render_results(results.partition(2, failures={1: broken})))
    assert rows_of(files[0]) == []
    assert rows_of(files[1])[0]["reason"] == "BAD_REQUEST: no polygon"


def test_what_is_no_result_has_no_rows() -> None:
    assert rows_of(b'{"findings": []}') == []
    assert rows_of(b"[1]") == []
    with pytest.raises(ValueError, match=r"JSON|unexpected"):
        rows_of(b"{")
