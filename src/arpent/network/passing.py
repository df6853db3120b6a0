"""Passing answers: which refusals of a server are temporary, so that the same request may succeed later."""

from __future__ import annotations

CODES = frozenset({
    # of S3, whatever status comes with them
    "RequestTimeout", "SlowDown", "SlowDownRead", "SlowDownWrite", "InternalError", "ServiceUnavailable", "Busy",
    "ServerBusy", "TooManyRequests", "OperationAborted", "OperationTimedOut", "ConditionalRequestConflict",
    # an upload that was cut or garbled on its way, or whose parts somebody has removed: it is begun anew
    "IncompleteBody", "BadDigest", "XAmzContentSHA256Mismatch", "NoSuchUpload", "InvalidPart",
    # a clock that was wrong, as after a sleep, or a request that waited for long
    "RequestTimeTooSkewed", "RequestExpired",
    # of the services beside it
    "Throttling", "ThrottlingException", "ThrottledException", "RequestLimitExceeded", "RequestThrottled",
    "RequestThrottledException", "BandwidthLimitExceeded", "PriorRequestNotComplete", "IDPCommunicationError",
})  # fmt: skip
"""Codes of errors that pass."""
STATUSES = frozenset({202, 408, 425, 429})
"""HTTP statuses below 500 that pass (202: an archive is still fetching what was asked for) …"""
LASTING = frozenset({501, 505})
"""… and those from 500 on that do not: the server does not know the method, or the version of HTTP."""


def is_passing(status: int, code: str = "") -> bool:
    """Whether the same request may succeed later; `status` 0: there was no answer. `code`: of the error, if it says
    one."""
    return code in CODES or status in STATUSES or status == 0 or (status >= 500 and status not in LASTING)
