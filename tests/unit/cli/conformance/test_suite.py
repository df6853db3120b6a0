"""The suite over the app in this process: what it says of a right server, and of one with a planted fault."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import shapely

from arpent.cli.conformance.buckets import bucket_of_url
from arpent.cli.conformance.check import CheckOutcome, Verdict, outcomes
from arpent.cli.conformance.made_scenes import FIELDS
from arpent.cli.conformance.polygon_rule import samples_inside
from arpent.cli.conformance.report import Report, line
from arpent.cli.conformance.suite import CHECKS, chosen, conform
from arpent.cli.conformance.target import TOKEN_PATH, Target
from arpent.domain.errors import InvalidRequest
from arpent.server.options import ServerOptions
from tests.architecture.test_citations import PAGE, sections
from tests.support import mask
from tests.support.loopback_s3 import loopback_s3
from tests.support.tampering import Fault, TamperedSession, field, status
from tests.unit.server.fakes import CLIENTS, World, world

QUICK = "token,error.unknown_request,error.empty_body,error.no_json,batch.create,batch.show,batch.status,batch.stop"
"""Checks that need no imagery."""


@pytest.fixture(scope="module")
def here() -> Iterator[World]:
    with world(ServerOptions(version="1", page_files=Path("/nowhere"))) as made:
        yield made


def target(here: World) -> Target:
    return Target(
        url=here.url, token_url=here.url + TOKEN_PATH, client_id="me", client_secret=CLIENTS["me"], at=(11.35, 46.5),
        days=("2024-06-01", "2024-06-30"),
    )  # fmt: skip


def told(here: World, only: str, fault: Fault | None = None) -> dict[str, CheckOutcome]:
    at = target(here)
    if fault is not None:
        at._session = TamperedSession(fault)
    return {each.name: each for each in outcomes(chosen(only), at)}


def failed(found: dict[str, CheckOutcome]) -> set[str]:
    return {name for name, each in found.items() if each.verdict is Verdict.FAILED}


def test_a_right_server_passes(here: World) -> None:
    found = told(here, QUICK)
    assert {name: each.words for name, each in found.items() if each.verdict is not Verdict.PASSED} == {}
    assert len(found) > 15


def another_kind(body: dict[str, Any]) -> None:
    if "token_type" in body:
        body["token_type"] = "JWT"


def unknown_state(body: dict[str, Any]) -> None:
    if "id" in body:
        body["status"] = "PARTIAL"


def refusal_forgotten(_how: str, _url: str, answer: Any) -> None:
    if answer.status_code == 401:
        answer.status_code = 200


REFUSED = {"error.empty_body", "error.no_json", "batch.stop_before_start"}
FAULTS: dict[str, tuple[Fault, set[str]]] = {
    "a status": (status(404, 400, "-000000000000"), {"error.unknown_request"}),
    "a kind of token": (field(another_kind), {"token.form"}),
    "no refusal": (refusal_forgotten, {"token.wrong_secret", "token.needed", "token.invalid"}),
    "no wrapper": (field(lambda body: (body.update(body["error"]), body.pop("error")), 400), REFUSED),
    "a code": (field(lambda body: body["error"].update(code="COMMON_EXCEPTION"), 400), REFUSED),
    "a percentage": (field(lambda body: body.pop("completionPercentage"), 201), {"batch.create"}),
    "a state": (field(unknown_state), {"batch.show", "batch.status"}),
    "an output": (
        field(lambda body: body["request"]["output"]["s3"].update(url="s3://other"), method="GET"),
        {"batch.show"},
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_fails_the_checks_about_it_and_no_others(here: World, name: str) -> None:
    fault, wanted = FAULTS[name]
    assert failed(told(here, QUICK, fault)) == wanted


def test_no_secret_is_told(here: World) -> None:
    def fault(_how: str, _url: str, answer: Any) -> None:
        answer.status_code, answer._content = 418, f'"{CLIENTS["me"]} and more"'.encode()

    found = told(here, QUICK, fault)
    assert failed(found) == set(found)
    assert CLIENTS["me"] not in str(found)
    assert CLIENTS["me"] not in repr(target(here))


def test_what_cannot_be_checked_says_why(here: World) -> None:
    found = told(here, "batch.done,data.ramp,number.constant")
    assert {each.verdict for each in found.values()} == {Verdict.NOT_CHECKED}
    assert "--bucket" in found["batch.done"].words
    assert "--make-data" in found["data.ramp"].words
    assert "--at" in found["number.constant"].words


def test_a_bucket_that_cannot_be_written_is_named(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"AWS_ACCESS_KEY_ID": "testkey", "AWS_SECRET_ACCESS_KEY": "never-say-this-aloud"}.items():
        monkeypatch.setenv(name, value)
    with loopback_s3() as store:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", store.url)
        store.denied.add("PUT")
        at = target(here)
        at.place = bucket_of_url("s3://bucket/x")
        (outcome,) = conform(at, chosen("batch.done"))
    assert outcome.verdict is Verdict.NOT_CHECKED
    assert outcome.words == "s3://bucket/x cannot be written by the suite: PermissionDeniedError"


def test_every_check_says_what_must_hold_and_where_it_is_written() -> None:
    known = sections(PAGE.read_text())
    assert len({check.name for check in CHECKS}) == len(CHECKS)
    assert [check.name for check in CHECKS if check.section not in known] == []
    assert [check.name for check in CHECKS if not re.fullmatch(r"\S.{20,}\.", check.title)] == []


def test_the_documented_number_of_checks_is_right(repository: Path) -> None:
    assert f" {len(CHECKS)} checks pass," in (repository / "docs" / "conformance.md").read_text()


def test_an_unknown_group_is_refused() -> None:
    assert {check.name.partition(".")[0] for check in chosen("token, error")} == {"token", "error"}
    with pytest.raises(InvalidRequest, match=r"begins with nonsense; there are batch, .*token"):
        chosen("token,nonsense")


def test_the_report(tmp_path: Path) -> None:
    one = CheckOutcome(name="a.b", title="It | holds.", section="1.2", verdict=Verdict.FAILED, words="<script> `x`")
    report = Report(url="http://x", version="1", when="now", outcomes=[one, replace(one, verdict=Verdict.PASSED)])
    assert report.summary == "http://x: 1 passed, 1 failed, 0 not checked"
    report.write(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "<script>" not in page
    assert "://" not in page.replace("http://x", ""), "it loads nothing"
    report.write(tmp_path / "page.md")
    assert "| It \\| holds. | &lt;script&gt; 'x' |" in (tmp_path / "page.md").read_text()
    assert report.as_json["failed"] == 1
    assert line(one) == "failed      a.b: <script> `x`"


def test_the_rule_of_polygons() -> None:
    """The suite's own few lines against those of the tests, which published cases prove."""
    for each in FIELDS:
        shape = shapely.Polygon(each.ring)
        west, south, east, north = shape.bounds
        grid = (max(1, round((east - west) / 10)), max(1, round((north - south) / 10)))
        box = (west, south, east, north)
        assert samples_inside(each.ring, box, *grid) == mask.inside(shape, box, *grid).sum()
