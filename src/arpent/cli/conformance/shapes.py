"""Shapes: what bodies of answers must look like."""

from __future__ import annotations

import re
from typing import Any

import requests

from arpent.cli.conformance.check import Failed, equal, expect, is_number

STATES = ("CREATED", "ANALYSING", "ANALYSIS_DONE", "PROCESSING", "DONE", "FAILED", "STOPPED")
ACTIONS = ("NONE", "ANALYSE", "START", "STOP")
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
REASONS = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found"}


def json_of(answer: requests.Response, status: int = 200) -> dict[str, Any]:
    """The JSON object in an answer with this status. Raises Failed."""
    if answer.status_code != status:
        raise Failed(f"the status is {answer.status_code}, but must be {status}; the body: {answer.text[:300]}")
    try:
        found = answer.json()
    except ValueError:
        raise Failed(f"the body is not JSON: {answer.text[:300]!r}") from None
    if not isinstance(found, dict):
        raise Failed(f"the body is not an object: {answer.text[:300]!r}")
    return found


def error_of(answer: requests.Response, status: int, code: str | None = None) -> dict[str, Any]:
    """The `error` of an answer with this status and code: status, reason, message and code, and errors if there are any
    (sentinelhub.md 1.5). Raises Failed."""
    body = json_of(answer, status)
    expect(isinstance(body.get("error"), dict), f"the body has no object `error`: {answer.text[:300]}")
    error: dict[str, Any] = body["error"]
    equal("error.status", error.get("status"), status)
    equal("error.reason", error.get("reason"), REASONS[status])
    expect(isinstance(error.get("message"), str) and error["message"], "error.message is missing or empty")
    expect(isinstance(error.get("code"), str), "error.code is missing")
    if code is not None:
        equal("error.code", error["code"], code)
    for entry in error.get("errors", []):
        is_whole = isinstance(entry, dict) and all(isinstance(entry.get(k), str) for k in ("parameter", "violation"))
        expect(is_whole, f"an entry of error.errors lacks parameter or violation: {entry}")
    return error


def check_status(task: dict[str, Any]) -> None:
    """Check the fields that a task object shares with its status object (sentinelhub.md 1.3). Raises Failed."""
    expect(UUID.fullmatch(str(task.get("id"))), f"id is not a UUID: {task.get('id')!r}")
    expect(task.get("status") in STATES, f"status is {task.get('status')!r}, which the official client refuses")
    percent = task.get("completionPercentage")
    expect(is_number(percent) and 0 <= percent <= 100, f"completionPercentage is {percent!r}")
    expect(INSTANT.fullmatch(str(task.get("created"))), f"created is not an instant in UTC: {task.get('created')!r}")
    cost = task.get("costPU")
    expect(is_number(cost), f"costPU is {cost!r}")
    if "lastUpdated" in task:
        expect(INSTANT.fullmatch(str(task["lastUpdated"])), f"lastUpdated is not an instant: {task['lastUpdated']!r}")


def check_task(task: dict[str, Any]) -> None:
    """Check a whole task object. Raises Failed."""
    check_status(task)
    expect(isinstance(task.get("request"), dict), "request is missing: the official client cannot read the task")
    expect(task.get("userAction") in ACTIONS, f"userAction is {task.get('userAction')!r}")


def intervals_of(answer: requests.Response) -> list[dict[str, Any]]:
    """`data` of a statistical answer in which every interval has outputs (sentinelhub.md 3.2). Raises Failed."""
    body = json_of(answer)
    equal("status", body.get("status"), "OK")
    data = body.get("data")
    expect(isinstance(data, list), "data is not a list")
    for entry in data or []:
        for end in ("from", "to"):
            expect(
                INSTANT.fullmatch(str(entry["interval"][end])), f"interval.{end} is not an instant: {entry['interval']}"
            )
        expect("outputs" in entry, f"an interval has no outputs: {str(entry)[:300]}")
    return list(data or [])


def stats_of(entry: dict[str, Any], output: str, band: str = "B0") -> dict[str, Any]:
    """The statistics of a band in an interval. Raises Failed."""
    bands = entry["outputs"].get(output, {}).get("bands", {})
    expect(band in bands, f"output {output} has no band {band}: {sorted(bands)}")
    stats: dict[str, Any] = bands[band]["stats"]
    missing = {"min", "max", "mean", "stDev", "sampleCount", "noDataCount"} - set(stats)
    expect(not missing, f"stats of {output}.{band} lack {sorted(missing)}")
    return stats
