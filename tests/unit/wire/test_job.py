"""Task and status objects look as the real service's, and show no secret (sentinelhub.md 1.3)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from arpent.domain.errors import InvalidRequest
from arpent.domain.finding import Finding, Verdict
from arpent.domain.job import Job, Progress, RowCounts, Status, StopReason, UserAction
from arpent.domain.ports.jobs import SortKey
from arpent.wire.job import finding_object, job_object, status_object
from arpent.wire.page import Page, page, page_object, sort_key
from tests.unit.wire.bodies import BATCH, SECRET, text

CREATED = datetime(2022, 8, 26, 8, 40, 36, tzinfo=UTC)
JOB = Job(id="1b2c", owner="me", body=text(BATCH), created=CREATED)


def test_a_new_job() -> None:
    fields = job_object(JOB, 0.0)
    assert list(fields) == [
        "id", "status", "completionPercentage", "costPU", "created", "costPu", "request", "userAction",
    ]  # fmt: skip
    assert json.dumps(fields["completionPercentage"]) == "0"
    assert json.dumps(fields["costPU"]) == "0.0"
    assert fields["created"] == "2022-08-26T08:40:36.000000Z"


def test_hints_are_one_text() -> None:
    assert "hint" not in status_object(JOB, 0.0)
    assert status_object(replace(JOB, hints=("One.", "Two.")), 0.0)["hint"] == "One. Two."
    both = status_object(replace(JOB, hints=("One.",), estimate={"intervals": 0}), 0.0)["hint"]
    assert str(both).startswith("The time range holds no whole interval")
    assert str(both).endswith("EXTEND. One.")


def test_an_analysis_says_what_it_waits_for() -> None:
    job = replace(JOB, status=Status.ANALYSING, waiting_for="there is no bucket 'a'", waiting_since=CREATED)
    waiting = {"for": "there is no bucket 'a'", "since": "2022-08-26T08:40:36.000000Z"}
    assert status_object(job, 0.0)["waiting"] == waiting
    assert "waiting" not in status_object(replace(job, status=Status.FAILED), 0.0)


def test_the_order_of_the_status() -> None:
    job = replace(
        JOB,
        status=Status.PROCESSING,
        last_updated=datetime(2022, 8, 26, 8, 55, 8, 962021, tzinfo=UTC),
        user_action=UserAction.START,
        user_action_updated=CREATED,
        progress=Progress(
            features=10,
            done=4,
            failed=1,
            incomplete=2,
            partitions=2,
            open=1,
            rows=RowCounts(numbers=3, masked=2, absent=1, failed=4, reasons=(("it threw", 4),)),
            processing_units=0.5,
            rate=1.23456,
            end=CREATED,
        ),
        estimate={"features": 10.0, "minutes": 1.5},
        error="not yet shown",
        stop_reason=StopReason.UNHEALTHY,
    )
    fields = status_object(job, 50.004)
    assert list(fields)[:6] == ["id", "status", "completionPercentage", "lastUpdated", "costPU", "created"]
    assert fields["lastUpdated"] == "2022-08-26T08:55:08.962021Z"
    assert json.dumps(fields["completionPercentage"]) == "50"
    assert fields["progress"] == {
        "features": 10, "done": 4, "failed": 1, "incomplete": 2, "partitions": 2, "open": 1,
        "rows": {
            "withNumbers": 3, "allMasked": 2, "withoutImagery": 1, "failed": 4, "kept": 0,
            "reasons": [{"reason": "it threw", "count": 4}],
        },
        "featuresPerSecond": 1.235, "secondsLeft": 4.1, "estimatedEnd": "2022-08-26T08:40:36.000000Z",
    }  # fmt: skip
    assert json.dumps(fields["estimate"]) == '{"features": 10, "minutes": 1.5}'
    assert not {"error", "stoppedStatusReason", "request"} & set(fields)
    assert job_object(job, 50)["userActionUpdated"] == "2022-08-26T08:40:36.000000Z"


def test_rows_that_nobody_counted_are_left_out() -> None:
    told = status_object(replace(JOB, progress=Progress(features=10, partitions=2, open=2, rows=None)), 0)["progress"]
    assert isinstance(told, dict)
    assert "rows" not in told


def test_what_cannot_be_told_is_null() -> None:
    told = status_object(replace(JOB, progress=Progress(features=10, partitions=2, open=2)), 0)["progress"]
    assert isinstance(told, dict)
    assert [told[name] for name in ("featuresPerSecond", "secondsLeft", "estimatedEnd")] == [None] * 3


def test_reasons_are_shown_with_their_status_only() -> None:
    ended = replace(JOB, error="the script", stop_reason=StopReason.OUT_OF_PU)
    assert status_object(replace(ended, status=Status.FAILED), 100.0)["error"] == "the script"
    stopped = status_object(replace(ended, status=Status.STOPPED), 99.99)
    assert stopped["stoppedStatusReason"] == "OUT_OF_PU"
    assert "error" not in stopped


def test_the_request_comes_back_without_its_secrets() -> None:
    body = json.loads(JOB.body)
    body["extra"] = [{"deep": {"SecretAccessKey": SECRET, "credentials": SECRET, "kept": 1.0}}]
    echo = job_object(replace(JOB, body=json.dumps(body)), 0.0)["request"]
    assert SECRET not in json.dumps(echo)
    assert isinstance(echo, dict)
    assert echo["extra"] == [{"deep": {"kept": 1.0}}]
    assert echo["output"]["s3"] == {"url": "s3://bucket/results/", "accessKey": "AKIA"}
    assert echo["aggregation"] == body["aggregation"]


def test_a_line_of_the_report() -> None:
    finding = Finding(feature=3, identifier=None, verdict=Verdict.FAILED, kind="empty", message="It is empty.")
    assert finding_object(finding) == {
        "id": 3, "identifier": None, "verdict": "FAILED", "kind": "empty", "message": "It is empty.",
    }  # fmt: skip


def test_pages_lead_to_their_neighbours() -> None:
    window = page("2", "2")
    found = page_object([1, 2, 3], window, lambda entry: {"n": entry}, "http://h/jobs", {"sort": "created:desc"})
    assert found["data"] == [{"n": 1}, {"n": 2}]
    assert found["links"] == {
        "currentToken": "2",
        "nextToken": "4",
        "previousToken": "0",
        "@id": "http://h/jobs?sort=created%3Adesc&viewtoken=2",
        "next": "http://h/jobs?sort=created%3Adesc&viewtoken=4",
        "previous": "http://h/jobs?sort=created%3Adesc&viewtoken=0",
    }


def test_the_last_page_has_no_next_token() -> None:
    links = page_object([1, 2], Page(count=2), lambda entry: {}, "u", {})["links"]
    assert isinstance(links, dict)
    assert set(links) == {"currentToken", "@id"}


def test_counts_are_cut_and_tokens_checked() -> None:
    assert page(None, None) == page("100000", "") == Page(offset=0, count=100)
    for count, token, parameter in [("0", None, "count"), ("x", None, "count"), (None, "-1", "viewtoken")]:
        with pytest.raises(InvalidRequest) as caught:
            page(count, token)
        assert caught.value.violations[0][0] == parameter


def test_orders() -> None:
    assert sort_key(None) is SortKey.CREATED_DESCENDING
    assert sort_key("status") is SortKey.STATUS
    with pytest.raises(InvalidRequest, match="status:desc"):
        sort_key("name")
