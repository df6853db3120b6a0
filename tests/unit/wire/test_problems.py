"""Every error has its HTTP status and code, and an unforeseen one tells nothing (sentinelhub.md 1.5)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from arpent.domain import errors
from arpent.wire.problems import PROBLEMS, UNEXPECTED, problem, refused


def classes(root: type[errors.ArpentError]) -> Iterator[type[errors.ArpentError]]:
    for kind in root.__subclasses__():
        yield kind
        yield from classes(kind)


ALL = [kind for kind in classes(errors.ArpentError) if kind.__module__ == "arpent.domain.errors"]


@pytest.mark.parametrize("kind", ALL)
def test_every_error_has_a_row(kind: type[errors.ArpentError]) -> None:
    assert errors.ArpentError not in PROBLEMS, "a row for the root would hide a missing one"
    assert any(base in PROBLEMS for base in kind.__mro__), f"add {kind.__name__} to PROBLEMS"


def test_the_shape_of_an_error() -> None:
    found = problem(errors.InvalidRequest("Bad.\n", (("aggregation->resx", "Bad."),)))
    assert found.status == 400
    assert found.body == {
        "error": {
            "status": 400,
            "reason": "Bad Request",
            "message": "Bad.\n",
            "code": "COMMON_BAD_PAYLOAD",
            "errors": [{"parameter": "aggregation->resx", "violation": "Bad."}],
        }
    }


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (errors.EmptyBody("x"), 400, "COMMON_BAD_PAYLOAD"),
        (errors.ResolutionTooCoarse("x"), 400, "COMMON_EXCEPTION"),
        (errors.ActionNotAllowed("x"), 400, "COMMON_BAD_PAYLOAD"),
        (errors.JobNotFound("x"), 404, "COMMON_NOT_FOUND"),
        (errors.Unauthorized("x"), 401, "COMMON_UNAUTHORIZED"),
        (errors.UnsupportedMediaType("x"), 415, "COMMON_UNSUPPORTED_MEDIA_TYPE"),
        (errors.ScriptTimeout("x"), 400, "RENDERER_EXCEPTION"),
        (errors.StorageUnavailable("x", transient=True), 503, "COMMON_EXCEPTION"),
    ],
)
def test_statuses_and_codes(error: errors.ArpentError, status: int, code: str) -> None:
    found = problem(error)
    assert found.status == status
    assert isinstance(found.body["error"], dict)
    assert found.body["error"]["code"] == code
    assert found.body["error"]["message"] == "x"


def test_who_is_not_known_is_told_how_to_become_known() -> None:
    assert problem(errors.Unauthorized("x")).headers["WWW-Authenticate"].startswith("Bearer")


def test_an_unforeseen_error_tells_nothing_of_itself() -> None:
    found = problem(RuntimeError("password=hunter2"))
    assert found.status == 500
    assert found.body == {
        "error": {
            "status": 500,
            "reason": "Internal Server Error",
            "message": UNEXPECTED,
            "code": "COMMON_EXCEPTION",
        }
    }
    assert refused(405, "no").body["error"]["code"] == "COMMON_METHOD_NOT_ALLOWED"  # type: ignore[index]


@pytest.mark.parametrize(("transient", "status"), [(True, 503), (False, 500)])
def test_what_may_pass_asks_to_come_again(transient: bool, status: int) -> None:
    assert problem(errors.WorldError("The database does not answer", transient=transient)).status == status
