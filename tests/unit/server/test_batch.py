"""The Batch Statistical routes, over HTTP (sentinelhub.md 1.2–1.5)."""

from __future__ import annotations

import json
import logging
from dataclasses import replace

import pytest
import requests

from arpent.domain.job import Status
from tests.unit.server.fakes import World
from tests.unit.wire.bodies import BATCH, SCRIPT, SECRET, text

PATHS = ["/api/v1/statistics/batch", "/statistics/batch/v1"]
JSON = {"Content-Type": "application/json"}


def create(here: World, client: str = "me") -> str:
    answer = requests.post(here.url + PATHS[0], text(BATCH), headers=JSON | here.bearer(client), timeout=10)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def error(answer: requests.Response) -> tuple[int, str, str]:
    inner = answer.json()["error"]
    assert inner["status"] == answer.status_code
    assert set(inner) <= {"status", "reason", "message", "code", "errors"}
    return answer.status_code, inner["code"], inner["message"]


@pytest.mark.parametrize("path", PATHS)
def test_the_life_of_a_request(here: World, path: str) -> None:
    base, headers = here.url + path, here.bearer()
    made = requests.post(base, text(BATCH), headers=JSON | headers, timeout=10)
    assert made.status_code == 201
    assert made.headers["content-type"] == "application/json;charset=utf-8"
    assert SECRET not in made.text
    one = f"{base}/{made.json()['id']}"
    assert requests.get(one, headers=headers, timeout=10).json() == made.json()
    assert made.json()["request"]["output"]["s3"]["url"] == "s3://bucket/results/"
    # as the official client sends it: a JSON content type and no body
    for action in ("analyse", "start", "stop"):
        answer = requests.post(f"{one}/{action}", headers=JSON | headers, timeout=10)
        assert (answer.status_code, answer.content) == (204, b"")
    status = requests.get(f"{one}/status", headers=headers, timeout=10).json()
    assert status["status"] == "STOPPED"
    assert "request" not in status
    refused = requests.post(f"{one}/cancel", headers=JSON | headers, timeout=10)
    assert error(refused) == (
        400,
        "COMMON_BAD_PAYLOAD",
        "Illegal to change userAction from STOP to STOP with task status STOPPED",
    )


def test_cancel_is_the_old_name_of_stop(here: World) -> None:
    job = create(here)
    for action in ("start", "cancel"):
        requests.post(f"{here.url}{PATHS[0]}/{job}/{action}", headers=here.bearer(), timeout=10).raise_for_status()
    assert here.service.jobs[job].status is Status.STOPPED


def test_a_form_with_a_script_of_its_own(here: World) -> None:
    for script in ((None, "//VERSION=3\nother"), ("script.js", "//VERSION=3\nother", "text/plain")):
        files = {"request": (None, text(BATCH), "application/json"), "evalscript": script}
        answer = requests.post(here.url + PATHS[0], files=files, headers=here.bearer(), timeout=10)
        assert answer.status_code == 201, answer.text
        assert answer.json()["request"]["aggregation"]["evalscript"] == "//VERSION=3\nother"
    lonely = requests.post(here.url + PATHS[0], files={"evalscript": (None, "x")}, headers=here.bearer(), timeout=10)
    assert error(lonely)[:2] == (400, "COMMON_BAD_PAYLOAD")
    without = requests.post(
        here.url + PATHS[0], files={"request": (None, text(BATCH))}, headers=here.bearer(), timeout=10
    )
    assert without.json()["request"]["aggregation"]["evalscript"] == SCRIPT


@pytest.mark.parametrize("deep", [58, 480, 100_000])
@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_a_body_that_is_nested_too_deep_is_refused(here: World, deep: int, opening: str) -> None:
    nested = opening * deep + "1" + ("]" if opening == "[" else "}") * deep
    body = text(BATCH)[:-1] + f', "other": {{"a": {{"b": {{"c": {{"d": {{"e": {{"f": {nested}}}}}}}}}}}}}}}'
    for path in (PATHS[0], "/api/v1/statistics"):
        answer = requests.post(here.url + path, body, headers=JSON | here.bearer(), timeout=10)
        if deep * len(opening) > 99_000:
            assert answer.status_code in (400, 413)
        else:
            assert error(answer)[::2] == (400, DEEP)
    assert here.service.jobs == {}


DEEP = "The request body is nested too deeply: it may have 64 levels of objects and lists."


def test_a_body_with_nul_is_refused(here: World) -> None:
    for changes in ({"output.s3.url": "s3://bucket/a\0b"}, {"aggregation.evalscript": "//VERSION=3\n\0"}, {"a\0": 1}):
        answer = requests.post(here.url + PATHS[0], text(BATCH, changes), headers=JSON | here.bearer(), timeout=10)
        assert error(answer)[0] == 400
        assert "NUL" in error(answer)[2]
    script = {"aggregation.evalscript": SCRIPT + '\nconst nul = "\\u0000";'}
    assert requests.post(here.url + PATHS[0], text(BATCH, script), headers=JSON | here.bearer(), timeout=10).ok


@pytest.mark.parametrize(
    "odd", ['{"a": ' + "[" * 480 + "]" * 480 + "}", '{"a": ' + "[" * 50_000 + "]" * 50_000 + "}", "no", "[]", '"x"']
)
def test_a_stored_request_that_cannot_be_shown_costs_itself(here: World, odd: str) -> None:
    """Bodies of an older version, say: the list goes on, and so does the page of the one."""
    jobs = [create(here) for _ in range(3)]
    here.service.jobs[jobs[1]] = replace(here.service.jobs[jobs[1]], body=odd)
    listed = requests.get(here.url + PATHS[0], headers=here.bearer(), timeout=10).json()["data"]
    assert {each["id"] for each in listed} == set(jobs)
    shown = {each["id"]: each for each in listed}[jobs[1]]
    assert requests.get(f"{here.url}{PATHS[0]}/{jobs[1]}", headers=here.bearer(), timeout=10).json() == shown
    if odd.startswith("{") or odd == "no":
        assert (shown["status"], shown["request"]) == ("FAILED", {})
        assert "cannot be read, or is nested too deeply" in shown["error"]


def test_a_stored_number_beyond_doubles_is_shown_as_json_has_it(here: World) -> None:
    """Python would write Infinity, which ends the reading of the whole list in every browser."""
    job = create(here)
    here.service.jobs[job] = replace(here.service.jobs[job], body='{"x": [1e400, 1.5]}')
    listed = requests.get(here.url + PATHS[0], headers=here.bearer(), timeout=10)
    assert '"request":{"x":[null,1.5]}' in listed.text


def test_lists_are_paged(here: World) -> None:
    jobs = [create(here) for _ in range(3)]
    create(here, "you")
    url, seen = f"{here.url}{PATHS[0]}?count=2&sort=created", []
    while url:
        answer = requests.get(url, headers=here.bearer(), timeout=10).json()
        seen += [job["id"] for job in answer["data"]]
        url = answer["links"].get("next")
    assert seen == jobs
    newest = requests.get(here.url + PATHS[0], headers=here.bearer(), timeout=10).json()
    assert newest["data"][0]["id"] == jobs[-1]
    assert "nextToken" not in newest["links"]
    for query in ("count=0", "viewtoken=x", "sort=size"):
        answer = requests.get(f"{here.url}{PATHS[0]}?{query}", headers=here.bearer(), timeout=10)
        assert answer.json()["error"]["errors"][0]["parameter"] == query.partition("=")[0]


@pytest.mark.parametrize("length", [70_000, 1])
def test_large_requests_come_on_shorter_pages(here: World, monkeypatch: pytest.MonkeyPatch, length: int) -> None:
    """The store gives fewer than were asked for: the client follows the token, and meets each of them once. Those that
    it gives may be small: the next one is large, or is larger as it is stored."""
    jobs = [create(here) for _ in range(5)]
    for job in jobs:
        here.service.jobs[job] = replace(here.service.jobs[job], body=json.dumps({"x": "y" * length}))
    whole = here.service.list
    monkeypatch.setattr(here.service, "list", lambda *asked: whole(*asked)[:2])
    met, token, pages = [], "0", 0
    while token is not None and pages < 9:
        query = {"count": "100", "viewtoken": token, "sort": "created"}
        page = requests.get(here.url + PATHS[0], query, headers=here.bearer(), timeout=10).json()
        met += [each["id"] for each in page["data"]]
        token, pages = page["links"].get("nextToken"), pages + 1
    assert (met, pages) == (jobs, 3)


def test_the_report_of_the_features(here: World) -> None:
    url = f"{here.url}{PATHS[0]}/{create(here)}/features?count=2&viewtoken=2"
    answer = requests.get(url, headers=here.bearer(), timeout=10).json()
    assert [line["id"] for line in answer["data"]] == [2, 3]
    assert answer["links"]["nextToken"] == "4"
    assert requests.get(url, headers=here.bearer("you"), timeout=10).status_code == 404


def test_somebody_elses_request_is_not_there(here: World) -> None:
    job = create(here, "you")
    for method, suffix in (("GET", ""), ("GET", "/status"), ("POST", "/start"), ("POST", "/analyse")):
        answer = requests.request(method, f"{here.url}{PATHS[0]}/{job}{suffix}", headers=here.bearer(), timeout=10)
        assert error(answer)[:2] == (404, "COMMON_NOT_FOUND")


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        (b"", "application/json", (400, "COMMON_BAD_PAYLOAD")),
        (b"{", "application/json", (400, "COMMON_BAD_PAYLOAD")),
        (b"\xff", "application/json", (400, "COMMON_BAD_PAYLOAD")),
        (b"{}", "application/json", (400, "COMMON_BAD_PAYLOAD")),
        (b"{}", "text/plain", (415, "COMMON_UNSUPPORTED_MEDIA_TYPE")),
        (b"{}", "multipart/form-data", (400, "COMMON_BAD_PAYLOAD")),
        (b" " * 100_001, "application/json", (413, "COMMON_BAD_PAYLOAD")),
    ],
)
def test_bodies_refused(here: World, body: bytes, content_type: str, expected: tuple[int, str]) -> None:
    for path in (PATHS[0], "/api/v1/statistics"):
        headers = {"Content-Type": content_type} | here.bearer()
        answer = requests.post(here.url + path, body, headers=headers, timeout=10)
        assert error(answer)[:2] == expected
        assert answer.headers["access-control-allow-origin"] == "*"


def test_a_body_without_its_length_has_the_same_limit(here: World) -> None:
    chunks = (b" " * 10_000 for _ in range(12))
    answer = requests.post(here.url + PATHS[0], chunks, headers=JSON | here.bearer(), timeout=10)
    assert error(answer)[0] == 413


def test_an_empty_body_in_the_real_services_words(here: World) -> None:
    answer = requests.post(here.url + PATHS[0], headers=JSON | here.bearer(), timeout=10)
    assert error(answer) == (400, "COMMON_BAD_PAYLOAD", "Request body should be non-empty.")


def test_paths_and_methods_that_are_none(here: World) -> None:
    assert error(requests.get(here.url + "/nowhere", timeout=10))[:2] == (404, "COMMON_NOT_FOUND")
    answer = requests.delete(f"{here.url}{PATHS[0]}/x", headers=here.bearer(), timeout=10)
    assert error(answer)[:2] == (405, "COMMON_METHOD_NOT_ALLOWED")


@pytest.mark.parametrize("value", [SECRET, [SECRET], {"x": SECRET}])
def test_no_secret_in_an_error_or_a_log(here: World, value: object, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    body = text(BATCH, {"input.features.s3.secretAccessKey": value, "aggregation.resx": "x", "output.s3.region": value})
    broken = [body, text(BATCH)[:-1], json.dumps({"input": SECRET})]
    for each in broken:
        answer = requests.post(here.url + PATHS[0], each, headers=JSON | here.bearer(), timeout=10)
        assert answer.status_code == 400
        assert SECRET not in answer.text
    assert SECRET not in caplog.text
