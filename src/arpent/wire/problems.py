"""Problems: maps each error class to an HTTP status and error code, and builds the body of an error response
(sentinelhub.md 1.5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from arpent.domain import errors

PROBLEMS: dict[type[errors.ArpentError], tuple[HTTPStatus, str]] = {
    errors.CallerError: (HTTPStatus.BAD_REQUEST, "COMMON_BAD_PAYLOAD"),
    errors.InvalidRequest: (HTTPStatus.BAD_REQUEST, "COMMON_BAD_PAYLOAD"),
    errors.ResolutionTooCoarse: (HTTPStatus.BAD_REQUEST, "COMMON_EXCEPTION"),
    errors.ActionNotAllowed: (HTTPStatus.BAD_REQUEST, "COMMON_BAD_PAYLOAD"),
    errors.JobNotFound: (HTTPStatus.NOT_FOUND, "COMMON_NOT_FOUND"),
    errors.CollectionNotFound: (HTTPStatus.NOT_FOUND, "COMMON_NOT_FOUND"),
    errors.FeatureNotFound: (HTTPStatus.NOT_FOUND, "COMMON_NOT_FOUND"),
    errors.Unauthorized: (HTTPStatus.UNAUTHORIZED, "COMMON_UNAUTHORIZED"),
    errors.Forbidden: (HTTPStatus.FORBIDDEN, "COMMON_INSUFFICIENT_PERMISSIONS"),
    errors.InsufficientUnits: (HTTPStatus.FORBIDDEN, "ACCESS_INSUFFICIENT_PROCESSING_UNITS"),
    errors.ClientNotFound: (HTTPStatus.NOT_FOUND, "COMMON_NOT_FOUND"),
    errors.UnsupportedMediaType: (HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "COMMON_UNSUPPORTED_MEDIA_TYPE"),
    errors.RateLimited: (HTTPStatus.TOO_MANY_REQUESTS, "RATE_LIMIT_EXCEEDED"),
    errors.LimitExceeded: (HTTPStatus.BAD_REQUEST, "COMMON_BAD_PAYLOAD"),
    errors.FeaturesUnreadable: (HTTPStatus.BAD_REQUEST, "COMMON_BAD_PAYLOAD"),
    errors.ScriptError: (HTTPStatus.BAD_REQUEST, "RENDERER_EXCEPTION"),
    # the caller can fix errors of their own bucket or keys; the other storage and catalogue errors may be temporary
    errors.StorageDenied: (HTTPStatus.BAD_REQUEST, "COMMON_BAD_PAYLOAD"),
    errors.NameRefused: (HTTPStatus.BAD_REQUEST, "COMMON_BAD_PAYLOAD"),
    errors.StorageNotFound: (HTTPStatus.BAD_REQUEST, "COMMON_BAD_PAYLOAD"),
    errors.BucketNotFound: (HTTPStatus.BAD_REQUEST, "COMMON_BAD_PAYLOAD"),
    errors.StorageUnavailable: (HTTPStatus.SERVICE_UNAVAILABLE, "COMMON_EXCEPTION"),
    errors.CatalogUnavailable: (HTTPStatus.SERVICE_UNAVAILABLE, "COMMON_EXCEPTION"),
    errors.CatalogUnknown: (HTTPStatus.SERVICE_UNAVAILABLE, "COMMON_EXCEPTION"),
    errors.AssetUnreadable: (HTTPStatus.INTERNAL_SERVER_ERROR, "RENDERER_EXCEPTION"),
    errors.WorkerDied: (HTTPStatus.SERVICE_UNAVAILABLE, "COMMON_EXCEPTION"),
    errors.WorldError: (HTTPStatus.INTERNAL_SERVER_ERROR, "COMMON_EXCEPTION"),
    errors.NoLongerWanted: (HTTPStatus.CONFLICT, "COMMON_EXCEPTION"),
    errors.InvalidSetting: (HTTPStatus.INTERNAL_SERVER_ERROR, "COMMON_EXCEPTION"),
    errors.EnvironmentFault: (HTTPStatus.SERVICE_UNAVAILABLE, "COMMON_EXCEPTION"),
    errors.DatabaseRefused: (HTTPStatus.INTERNAL_SERVER_ERROR, "COMMON_EXCEPTION"),
    errors.Conflict: (HTTPStatus.CONFLICT, "COMMON_EXCEPTION"),
    errors.LeaseLost: (HTTPStatus.INTERNAL_SERVER_ERROR, "COMMON_EXCEPTION"),
}
"""Error class → (status, code). A class that is not listed uses the entry of its nearest base class."""

CODES: dict[int, str] = {
    HTTPStatus.BAD_REQUEST: "COMMON_BAD_PAYLOAD",
    HTTPStatus.NOT_FOUND: "COMMON_NOT_FOUND",
    HTTPStatus.METHOD_NOT_ALLOWED: "COMMON_METHOD_NOT_ALLOWED",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "COMMON_BAD_PAYLOAD",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "COMMON_UNSUPPORTED_MEDIA_TYPE",
}
"""HTTP status of errors raised outside arpent's routes → code; COMMON_EXCEPTION for all others."""

UNEXPECTED = "Something went wrong on the server's side; its log has the details. Try again, or report it."
"""Message to clients about an unexpected error; it gives no details."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """An error as an HTTP response."""

    status: int
    """HTTP status code."""
    body: Mapping[str, object]
    """The error object, `{"error": {…}}`."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """HTTP headers to send with the body."""


def problem(error: BaseException) -> Problem:
    """The HTTP response for an error; errors that are not arpent's own show no details."""
    row = next((PROBLEMS[kind] for kind in type(error).__mro__ if kind in PROBLEMS), None)
    if row is None:
        return refused(HTTPStatus.INTERNAL_SERVER_ERROR, UNEXPECTED)
    status, code = row
    if isinstance(error, errors.WorldError) and error.transient:  # trying again may succeed
        status = HTTPStatus.SERVICE_UNAVAILABLE
    violations = error.violations if isinstance(error, errors.InvalidRequest) else ()
    headers = {"WWW-Authenticate": 'Bearer realm="arpent"'} if status is HTTPStatus.UNAUTHORIZED else {}
    body = _body(status, code, str(error), violations)
    if isinstance(error, errors.RateLimited):  # no `error` wrapper; milliseconds (sentinelhub.md 1.5, 1.7)
        return Problem(status=status, body=body["error"], headers={"Retry-After": str(round(error.seconds * 1000))})
    return Problem(status=status, body=body, headers=headers)


def refused(status: int, message: str, headers: Mapping[str, str] | None = None) -> Problem:
    """The HTTP response for what the web server rejects: unknown path, method not allowed, body too large."""
    return Problem(
        status=status, body=_body(status, CODES.get(status, "COMMON_EXCEPTION"), message, ()), headers=headers or {}
    )


def _body(
    status: int, code: str, message: str, violations: tuple[tuple[str, str], ...]
) -> dict[str, dict[str, object]]:
    error: dict[str, object] = {
        "status": int(status),
        "reason": HTTPStatus(status).phrase,
        "message": message,
        "code": code,
    }
    if violations:
        error["errors"] = [{"parameter": parameter, "violation": violation} for parameter, violation in violations]
    return {"error": error}
