"""What a server tells of its requests: access and audit lines, ids of traces in and out, metrics; never a secret."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from secrets import token_hex
from typing import Any

import pytest
import requests

from arpent.domain.boundary.trace import current_trace, read_trace, trace_of, traced
from arpent.domain.ports.clients import Role
from arpent.server.access.auth import NO_ID, TOKEN_PATHS
from arpent.server.batch import BATCH_PATHS
from arpent.server.request_log import ACTS, OTHER_ACTS
from tests.support.client import seed_body
from tests.support.scripts import NDVI
from tests.support.server import wait_for
from tests.unit.server.fakes import CLIENTS, World

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
BODY = seed_body("s3://fields/x.gpkg", NDVI.text)
MARK = "mine-"
"""How the ids of the requests of the test begin; lines of the test before may come late."""


class Lines(logging.Handler):
    """The lines about requests of this test."""

    def __init__(self) -> None:
        super().__init__()
        self.mark = MARK + token_hex(8)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        trace = current_trace()
        if trace is not None and trace.request == self.mark:
            self.records.append(record)

    def of(self, logger: str, count: int) -> list[dict[str, object]]:
        """Fields of the lines of a logger, once there are so many: a line is written after its answer."""

        def found() -> list[dict[str, object]]:
            return [
                {**record.fields, "job": getattr(record, "job", None)}  # type: ignore[attr-defined]
                for record in list(self.records) if record.name == logger
            ]  # fmt: skip

        wait_for(lambda: len(found()) >= count, 60, f"{count} lines of {logger}")
        return found()

    def ask(self, here: World, method: str, path: str, name: str | None = "me", **given: Any) -> requests.Response:
        headers = {"x-request-id": self.mark} | (here.bearer(name) if name else {})
        return requests.request(method, here.url + path, headers=headers, timeout=30, **given)


@pytest.fixture
def lines() -> Iterator[Lines]:
    handler, logger = Lines(), logging.getLogger("arpent")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(level)


def test_a_line_for_each_request(here: World, lines: Lines) -> None:
    job = lines.ask(here, "POST", BATCH_PATHS[0], json=BODY).json()["id"]
    lines.ask(here, "GET", f"{BATCH_PATHS[0]}/{job}/status?key=hunter2")
    lines.ask(here, "GET", "/nothing/hunter2", None)
    lines.ask(here, "GET", "/healthz", None)
    form = {"grant_type": "client_credentials", "client_id": "me", "client_secret": CLIENTS["me"]}
    lines.ask(here, "POST", TOKEN_PATHS[0], None, data=form)
    found = lines.of("arpent.access", 4)
    told = sorted((str(each["client"]), each["method"], each["route"], each["status"]) for each in found)
    assert told == sorted([
        ("me", "POST", BATCH_PATHS[0], 201), ("me", "GET", BATCH_PATHS[0] + "/{job_id}/status", 200),
        ("None", "GET", "", 404), ("me", "POST", TOKEN_PATHS[0], 200),
    ])  # fmt: skip
    assert all(isinstance(each["milliseconds"], float) for each in found)
    text = "\n".join(f"{record.getMessage()} {vars(record)}" for record in lines.records)
    for secret in ("hunter2", "Bearer", CLIENTS["me"], "secretAccessKey", "evalscript"):
        assert secret not in text


def test_a_line_for_each_act(here: World, lines: Lines) -> None:
    job = lines.ask(here, "POST", BATCH_PATHS[0], json=BODY).json()["id"]
    for method, path, name in (
        ("POST", "/start", "me"), ("GET", "/status", "me"), ("GET", "", "you"), ("GET", "/results", "me"),
    ):  # fmt: skip
        lines.ask(here, method, f"{BATCH_PATHS[1]}/{job}{path}", name)
    here.clients.change("you", role=Role.OPERATOR)
    lines.ask(here, "POST", f"{BATCH_PATHS[0]}/{job}/stop", "you")
    found = lines.of("arpent.audit", 5)
    assert {(each["client"], each["act"], each["outcome"], each["job"]) for each in found} == {
        ("me", "create", "done", job), ("me", "start", "done", job), ("you", "read", "refused", job),
        ("me", "read results", "done", job), ("you", "stop", "done", job),
    }  # fmt: skip


def test_a_wrong_secret_leaves_a_line(here: World, lines: Lines) -> None:
    form = {"grant_type": "client_credentials", "client_id": "me", "client_secret": "hunter2"}
    swapped = {"client_id": CLIENTS["me"] + "_" + "x" * 30, "client_secret": "me"}
    for given in ({}, {"client_secret": CLIENTS["me"]}, swapped):
        lines.ask(here, "POST", TOKEN_PATHS[0], None, data=form | given)
    for logger in ("arpent.access", "arpent.audit"):
        found = lines.of(logger, 3)
        assert sorted((each["client"], each["status"]) for each in found) == [(NO_ID, 401), ("me", 200), ("me", 401)]
    assert {each["act"] for each in lines.of("arpent.audit", 3)} == {"get token"}
    text = "\n".join(f"{record.getMessage()} {vars(record)}" for record in lines.records)
    assert "hunter2" not in text
    assert CLIENTS["me"] not in text


def test_every_act_is_a_route(here: World) -> None:
    described = requests.get(here.url + "/openapi.json", timeout=30).json()["paths"]
    for base in BATCH_PATHS:
        for method, path in ACTS:
            assert method.lower() in described[base + path]
    for method, path in OTHER_ACTS:
        assert method.lower() in described[path]


def test_ids_of_the_client_come_back(here: World) -> None:
    headers = {"x-request-id": "my-request.1", "traceparent": PARENT}
    answer = requests.get(here.url + BATCH_PATHS[0], headers=headers | here.bearer(), timeout=10)
    assert answer.headers["x-request-id"] == "my-request.1"
    trace, span, flags = answer.headers["traceparent"].split("-")[1:]
    assert (trace, flags) == (PARENT.split("-")[1], "01")
    assert span != PARENT.split("-")[2]


@pytest.mark.parametrize("path", ["/nothing", BATCH_PATHS[0], "/api/v1/statistics"])
def test_every_answer_has_an_id(here: World, path: str) -> None:
    for method in ("GET", "POST", "OPTIONS", "HEAD"):
        answer = requests.request(method, here.url + path, timeout=10)
        assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])
        assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-00", answer.headers["traceparent"])


@pytest.mark.parametrize(
    ("request_id", "parent"),
    [
        (None, None), ("", ""), ("x" * 65, PARENT + "-x"), ('a"b', PARENT.upper()),
        ("a b", "00-" + "0" * 32 + PARENT[35:]),
        ("a\nb", PARENT[:36] + "0" * 16 + "-01"), ("é", "01" + PARENT[2:]),
    ],
)  # fmt: skip
def test_what_is_malformed_is_replaced(request_id: str | None, parent: str | None) -> None:
    made = trace_of(request_id, parent)
    assert re.fullmatch("[0-9a-f]{32}", made.request)
    assert PARENT.split("-")[1] not in made.parent
    assert read_trace(made.text) == made


def test_a_trace_outlasts_a_text_and_ends_with_its_work() -> None:
    made = trace_of("one", PARENT)
    assert current_trace() is None
    with traced(read_trace(made.text)):
        assert current_trace() == made
    assert current_trace() is None
    for text in (None, "", "one", "one two", f"a b {PARENT}"):
        assert read_trace(text) is None


def test_metrics_of_requests(here: World) -> None:
    requests.get(f"{here.url}{BATCH_PATHS[0]}/no-such-id", headers=here.bearer(), timeout=10)
    for path in ("/nothing", BATCH_PATHS[0]):
        requests.request("PROPFIND", here.url + path, timeout=10)
    requests.head(here.url + BATCH_PATHS[0], headers=here.bearer(), timeout=10)

    def shown() -> str:
        return requests.get(here.url + "/metrics", timeout=10).text

    line = 'arpent_http_requests_total{method="GET",route="/api/v1/statistics/batch/{job_id}",status="404"}'
    wait_for(lambda: line in shown() and 'method="other",route=""' in shown(), 30, "the metrics")
    for method, status in (("other", 405), ("HEAD", 200)):
        line = f'arpent_http_requests_total{{method="{method}",route="{BATCH_PATHS[0]}",status="{status}"}}'
        wait_for(lambda line=line: line in shown(), 30, line)  # type: ignore[misc]
    assert "no-such-id" not in shown(), "a path is no label: there would be one for each job"
    assert "PROPFIND" not in shown()
    assert 'arpent_http_request_seconds_bucket{le="0.05",method="GET"' in shown()
    assert shown().startswith("arpent_jobs 1\n")


def test_lines_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    from arpent.domain.boundary.trace import trace_fields
    from arpent.logs import configure

    before, level = logging.root.handlers[:], logging.root.level
    try:
        configure("json", trace_fields)
        with traced(trace_of("one", PARENT)):
            logging.getLogger("arpent.access").info("x", extra={"fields": {"client": None, "status": 200}, "job": "j"})
        logging.getLogger("arpent").info("y")
        first, second = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    finally:
        logging.root.handlers[:] = before
        logging.root.setLevel(level)
    assert {name: first[name] for name in ("request", "trace", "status", "job")} == {
        "request": "one", "trace": PARENT.split("-")[1], "status": 200, "job": "j",
    }  # fmt: skip
    assert "client" not in first
    assert "request" not in second
