"""The synchronous route, CORS, probes and documentation, over HTTP (sentinelhub.md 1.7)."""

from __future__ import annotations

import logging

import pytest
import requests

from arpent.domain.grid import Size
from arpent.server.statistics import header_text
from tests.unit.server.fakes import World
from tests.unit.wire.bodies import STATISTICAL, text

CORS = {
    "access-control-allow-origin": "*",
    "access-control-allow-headers": "origin,content-type,accept,accept-crs,authorization,cache-control",
    "access-control-allow-credentials": "true",
    "access-control-allow-methods": "GET, POST, PUT, DELETE, OPTIONS, HEAD, PATCH",
    "access-control-max-age": "3600",
}
JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize("path", ["/api/v1/statistics", "/statistics/v1"])
def test_an_answer_and_its_price(here: World, path: str) -> None:
    body = text(STATISTICAL, {"aggregation.resx": None, "aggregation.resy": None})
    answer = requests.post(here.url + path, body, headers=JSON | here.bearer(), timeout=10)
    assert (answer.status_code, answer.json()) == (200, {"data": [], "status": "OK"})
    assert answer.headers["x-processingunits-spent"] == "5.040412902832031"
    assert answer.headers["content-type"] == "application/json;charset=utf-8"
    assert {name: answer.headers[name] for name in CORS} == CORS
    ((owner, request),) = here.asked
    assert (owner, request.sampling) == ("me", Size(width=256, height=256))


@pytest.mark.parametrize(("script", "hint"), [("//VERSION=3", None), ("//VERSION=3 odd", "Something is odd: ?.")])
def test_hints_are_in_a_header(here: World, script: str, hint: str | None) -> None:
    body = text(STATISTICAL, {"aggregation.evalscript": script})
    answer = requests.post(here.url + "/api/v1/statistics", body, headers=JSON | here.bearer(), timeout=10)
    assert answer.headers.get("x-arpent-hint") == hint


@pytest.mark.parametrize(
    ("hints", "text"),
    [
        (("a.", "b."), "a. b."),
        (("a\r\nx-evil: 1\0\x7f\u00e9\u2028\ud800~",), "a  x-evil: 1 ????~"),
        (("x" * 5000,), "x" * 3996 + " ..."),
        (("x" * 4000,), "x" * 4000),
    ],
)
def test_a_header_holds_what_a_header_may(hints: tuple[str, ...], text: str) -> None:
    assert header_text(hints) == text


def test_a_form(here: World) -> None:
    files = {"request": (None, text(STATISTICAL)), "evalscript": (None, "//VERSION=3\nother")}
    requests.post(here.url + "/api/v1/statistics", files=files, headers=here.bearer(), timeout=10).raise_for_status()
    assert here.asked[0][1].script == "//VERSION=3\nother"


@pytest.mark.parametrize("kind", ["boom", "panic"])
def test_an_unforeseen_error_shows_nothing_but_is_logged(
    here: World, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    """A panic of a native library is no Exception: it too gets an answer, and the connection stays."""
    body = text(STATISTICAL, {"aggregation.evalscript": kind})
    with caplog.at_level(logging.ERROR):
        answer = requests.post(here.url + "/api/v1/statistics", body, headers=JSON | here.bearer(), timeout=10)
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "COMMON_EXCEPTION"
    assert "hunter2" not in answer.text
    assert "hunter2" in caplog.text
    assert answer.headers["access-control-allow-origin"] == "*"


def test_browsers_may_ask_first(here: World) -> None:
    answer = requests.options(here.url + "/api/v1/statistics", timeout=10)
    assert answer.status_code == 200
    assert {name: answer.headers[name] for name in CORS} == CORS


def test_probes_need_no_token(here: World) -> None:
    assert requests.get(here.url + "/healthz", timeout=10).status_code == 200
    assert requests.get(here.url + "/readyz", timeout=10).status_code == 200
    here.ready = False
    assert requests.get(here.url + "/readyz", timeout=10).status_code == 503
    metrics = requests.get(here.url + "/metrics", timeout=10)
    assert metrics.text.startswith("arpent_jobs 1\n")
    assert metrics.headers["content-type"].startswith("text/plain")


def test_the_documentation_shows_the_bodies(here: World) -> None:
    assert requests.get(here.url + "/docs", timeout=10).status_code == 200
    document = requests.get(here.url + "/openapi.json", timeout=10).json()
    create = document["paths"]["/api/v1/statistics/batch"]["post"]
    reference = create["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    shapes = document["components"]["schemas"]
    assert "nBins" in shapes["HistogramEntry"]["properties"]
    assert "input" in shapes[reference.rpartition("/")[2]]["properties"]


def test_the_documentation_cites_nothing_that_only_developers_have(here: World) -> None:
    document = requests.get(here.url + "/openapi.json", timeout=10).text
    assert "An object or prefix in S3." in document
    assert "(sentinelhub" not in document
