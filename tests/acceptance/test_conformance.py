"""`arpent conformance` over a real server that serves the suite's data set: every check is made, and passes; a number
that is altered on its way is noticed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from arpent.cli.conformance.buckets import bucket_of_folder
from arpent.cli.conformance.check import Verdict
from arpent.cli.conformance.made_scenes import AT, DAYS, make_data_set
from arpent.cli.conformance.suite import CHECKS, chosen, conform
from arpent.cli.conformance.target import BATCH, TOKEN_PATH, Target
from tests.support.described import Described
from tests.support.server import Server
from tests.support.tampering import Fault, TamperedSession, field

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def data_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("conformance")
    make_data_set(folder)
    server = Server(folder=folder, catalog=folder / "catalog")
    with server:
        yield server


@pytest.fixture(scope="module")
def client(data_server: Server) -> tuple[str, str]:
    return data_server.add_client()


def target(server: Server, client: tuple[str, str], fault: Fault) -> Target:
    """The server over the data set, whose answers go through a fault first."""
    made = Target(
        url=server.url, token_url=server.url + TOKEN_PATH, client_id=client[0], client_secret=client[1],
        at=AT, days=(DAYS[0], DAYS[-1]), place=bucket_of_folder(server.folder), has_data=True,
    )  # fmt: skip
    made._session = TamperedSession(fault)
    return made


def test_arpent_conforms(data_server: Server, client: tuple[str, str]) -> None:
    secret = {"SH_CLIENT_ID": client[0], "SH_CLIENT_SECRET": client[1]}
    data_server.variables = {**data_server.variables, **secret}
    page = data_server.folder / "page.html"
    words = ["conformance", data_server.url, "--data", str(data_server.folder), "--report", str(page), "--json"]
    done = data_server.run(words, 500)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert [each for each in told["checks"] if each["verdict"] != "passed"] == []
    assert told["passed"] == len(CHECKS)
    assert f"{told['passed']} passed, 0 failed" in page.read_text()
    assert client[1] not in done.stdout + page.read_text()


def test_every_answer_is_as_the_document_says(data_server: Server, client: tuple[str, str]) -> None:
    """Those of the whole suite, a job's life and real numbers among them."""
    described = Described(requests.get(f"{data_server.url}/openapi.json", timeout=30).json())
    at = target(data_server, client, described)
    assert {outcome.verdict for outcome in conform(at, chosen(None))} == {Verdict.PASSED}
    job = at.shared["finished"]["id"]
    for path in ("features", "features/3/explain", "results", "results/values", "results/features/3", "results/table"):
        assert at.call("GET", f"{BATCH}/{job}/{path}").ok, path
    for path in ("/page/form", "/page/script?index=ndvi&collection=sentinel-2-l2a", "/healthz", "/readyz", "/metrics"):
        assert at.call("GET", path).ok, path
    assert described.faults == []
    assert len(described.seen) > 20


def nothing(*_: Any) -> None:
    """No fault."""


def stats_of(body: dict[str, Any], output: str) -> dict[str, Any]:
    stats: dict[str, Any] = body["data"][0]["outputs"][output]["bands"]["B0"]["stats"]
    return stats


FAULTS: dict[str, tuple[Fault, str]] = {
    "a mean": (field(lambda body: stats_of(body, "red").update(mean=0.1256)), "data.ramp"),
    "a deviation of a sample": (field(lambda body: stats_of(body, "red").update(stDev=0.0034700)), "data.ramp"),
    "a sample too many": (field(lambda body: stats_of(body, "seven").update(noDataCount=299)), "number.half_a_box"),
    "a float of 64 bits": (
        field(lambda body: body["data"][0]["outputs"]["pair"]["bands"]["tenth"]["stats"].update(min=0.1)),
        "number.floats_of_32_bits",
    ),
    "an interval without data": (
        field(lambda body: body["data"] or body["data"].append({"interval": {}})), "number.nothing_without_images",
    ),
    "a null for a NaN": (field(lambda body: stats_of(body, "seven").update(min=None)), "number.masked"),
    "an acquisition too few": (field(lambda body: body["features"].pop()), "data.catalogue"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_an_altered_answer_is_noticed(data_server: Server, client: tuple[str, str], name: str) -> None:
    fault, check = FAULTS[name]
    for altered, wanted in ((nothing, Verdict.PASSED), (fault, Verdict.FAILED)):
        (outcome,) = conform(target(data_server, client, altered), chosen(check))
        assert outcome.verdict is wanted, outcome
