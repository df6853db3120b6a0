"""The service's published OpenAPI documents (August 2026) as the referee of ours: operations, statuses, parameters,
fields and their values.

published_api.json holds the names that the documents give, made by `python -m tests.support.openapi`; none of their
sentences. Every difference is listed here with its reason, and must be one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from arpent.server.options import ServerOptions
from arpent.wire.request.unserved import UNSERVED
from tests.support.openapi import Document, promised
from tests.unit.server.fakes import world

PUBLISHED: dict[str, Any] = json.loads(Path(__file__).with_name("published_api.json").read_text())
ALIASES = {
    "/statistics/batch/v1": "/api/v1/statistics/batch",
    "/statistics/v1": "/api/v1/statistics",
    "/catalog/v1": "/api/v1/catalog/1.0.0",
}
NAMES = {"{requestId}": "{job_id}", "{collectionId}": "{name}", "{featureId}": "{item}"}
NOT_SENT = {
    "domainAccountId": "accounts of the service (sentinelhub.md 1.3)",
    "projectId": "accounts of the service",
    "workspaceId": "accounts of the service",
    "histogram.overflow": "the service itself sends overflowCount (sentinelhub.md 9)",
    "histogram.underflow": "the service itself sends underflowCount",
    "links[].": "what a link has beside rel and href is STAC's affair",
    "context.": "described as an object",
    "features[].": "an acquisition has the fields of its collection",
    "collections[].": "a collection has the fields of STAC",
    "request.": "`request` is the body that was sent; see what is sent",
    "assets": "where images lie is not told (docs/api.md)",
    "stac_": "constants of STAC",
}
"""Beginnings or parts of fields of answers → why ours does not describe or send them."""
NOT_READ = {
    "fields.": "include and exclude, described as an object",
    "speckleFilter.": "refused as a whole",
}
"""Beginnings or parts of fields of bodies → why ours does not describe or read them."""
VALUES_TOO_MANY = {"status": {"PARTIAL"}}
"""Values that are published and never come (sentinelhub.md 9)."""
VALUES_MORE = {"stoppedStatusReason": {"UNHEALTHY"}}
"""Values that are not published, but come (sentinelhub.md 9)."""
UNPUBLISHED_STATUSES = {"400", "401", "403", "404", "409", "413", "415", "429", "500", "503"}
"""Ours may say more errors than the documents; these all have the documented shape."""


@pytest.fixture(scope="module")
def content() -> dict[str, Any]:
    with world(ServerOptions(version="1")) as here:
        found: dict[str, Any] = requests.get(f"{here.url}/openapi.json", timeout=30).json()
    return found


@pytest.fixture(scope="module")
def ours(content: dict[str, Any]) -> dict[str, Any]:
    return promised(Document(content))


def places(operation: str) -> list[str]:
    """The published operation at both of its addresses, with our names of parameters."""
    for theirs, mine in NAMES.items():
        operation = operation.replace(theirs, mine)
    new = next(alias for alias in ALIASES if f" {alias}" in operation)
    return [operation, operation.replace(new, ALIASES[new])]


@pytest.mark.parametrize("operation", PUBLISHED)
def test_the_operation_is_there_with_its_statuses_parameters_and_token(ours: dict[str, Any], operation: str) -> None:
    theirs = PUBLISHED[operation]
    for place in places(operation):
        mine = ours[place]
        assert set(theirs["statuses"]) <= set(mine["statuses"]) | ({"400"} if "collections" in place else set())
        assert set(mine["statuses"]) - set(theirs["statuses"]) <= UNPUBLISHED_STATUSES
        assert mine["token"] is True
        missing = set(theirs["query"]) - set(mine["query"])
        assert missing == set(), place
        for name, values in theirs["query"].items():
            assert set(mine["query"][name]) >= set(values), name


def undescribed(theirs: dict[str, list[Any]], mine: dict[str, list[Any]], reasons: dict[str, str]) -> Iterator[str]:
    for field, values in theirs.items():
        if any(part in field for part in reasons):
            continue
        if field not in mine:
            yield field
            continue
        last = re.sub(r"\[\]$", "", field).rpartition(".")[2]
        if mine[field] and values:
            wanted = set(values) - VALUES_TOO_MANY.get(last, set()) if field != "data[].error.type" else set(values)
            if set(mine[field]) != wanted | VALUES_MORE.get(last, set()) and not _kept(field, mine[field], values):
                yield f"{field}: {mine[field]} instead of {values}"


def _kept(field: str, mine: list[Any], values: list[Any]) -> bool:
    """A status of a synchronous answer has all three values; a task's never PARTIAL."""
    return field == "status" and set(mine) == set(values)


STAC_DOCUMENTS = "/catalog/v1/collections"
"""Collections and items: what STAC demands of them is held by tests/unit/server/test_catalog.py."""


@pytest.mark.parametrize("operation", [name for name in PUBLISHED if STAC_DOCUMENTS not in name])
def test_every_published_field_of_an_answer_is_described(ours: dict[str, Any], operation: str) -> None:
    spelt = {"costPu"}
    for place in places(operation):
        found = list(undescribed(PUBLISHED[operation]["answer"], ours[place]["answer"], NOT_SENT))
        assert [field for field in found if field not in spelt] == [], place


@pytest.mark.parametrize("operation", [name for name, theirs in PUBLISHED.items() if theirs["body"]])
def test_every_published_field_of_a_body_is_read_or_refused_by_name(ours: dict[str, Any], operation: str) -> None:
    refused = {f"input.data[].{section}.{name}" for section, fields in UNSERVED.items() for name in fields}
    for place in places(operation):
        found = list(undescribed(PUBLISHED[operation]["body"], ours[place]["body"], NOT_READ))
        assert set(found) <= refused, place


@pytest.mark.parametrize("operation", [name for name, theirs in PUBLISHED.items() if theirs["body"]])
def test_what_ours_adds_to_a_body_says_that_it_is_ours(
    content: dict[str, Any], ours: dict[str, Any], operation: str
) -> None:
    added = set(ours[places(operation)[0]]["body"]) - set(PUBLISHED[operation]["body"])
    known = {
        "update", "output.results", "input.features.columns", "input.features.columns[]", "input.features.identifier",
        "aggregation.pixels", "calculations.*.statistics.*.more", "calculations.*.statistics.*.more[]",
        "calculations.*.statistics.*.shares", "calculations.*.statistics.*.shares.*", "next",
    }  # fmt: skip
    assert {field for field in added if not field.startswith("input.bounds.geometry")} <= known


def test_every_other_operation_is_known_as_ours(ours: dict[str, Any]) -> None:
    published = {place for operation in PUBLISHED for place in places(operation)}
    others = {name for name in ours if name not in published}
    own = re.compile(
        r"/(cancel|features|explain|results|page|oauth|auth|healthz|readyz|metrics|conformance|well-known)\b|/\.well"
    )
    assert [name for name in others if not own.search(name) and not name.endswith(("/1.0.0", "/catalog/v1"))] == []


@pytest.mark.parametrize(("where", "reasons"), [("answer", NOT_SENT), ("body", NOT_READ)])
def test_every_reason_is_still_one(where: str, reasons: dict[str, str]) -> None:
    fields = [field for theirs in PUBLISHED.values() for field in theirs[where]]
    assert [part for part in reasons if not any(part in field for field in fields)] == []


def test_no_schema_is_empty_and_no_422_comes(content: dict[str, Any]) -> None:
    def empty(part: Any, path: str) -> Iterator[str]:
        if isinstance(part, dict):
            if not part and not path.endswith("/scopes"):
                yield path
            for name, inner in part.items():
                yield from empty(inner, f"{path}/{name}")
        elif isinstance(part, list):
            for inner in part:
                yield from empty(inner, path)

    assert list(empty(content, "")) == []
    assert "422" not in {status for _, each in Document(content).operations() for status in each["responses"]}
    assert "ValidationError" not in str(content)


def test_a_client_can_be_made_of_it(content: dict[str, Any]) -> None:
    """Names of operations are identifiers, each once; every reference leads somewhere."""
    document = Document(content)
    names = [each["operationId"] for _, each in document.operations()]
    assert len(set(names)) == len(names)
    assert [name for name in names if not name.isidentifier()] == []
    for reference in re.findall(r"#/components/schemas/\w+", json.dumps(content)):
        assert document.resolved({"$ref": reference})
