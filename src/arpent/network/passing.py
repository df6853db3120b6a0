"""Passing answers: the errors of a server after which the same request may succeed later."""

from __future__ import annotations

CODES = frozenset({
    # of S3, with any HTTP status
    "RequestTimeout", "SlowDown", "SlowDownRead", "SlowDownWrite", "InternalError", "ServiceUnavailable", "Busy",
    "ServerBusy", "TooManyRequests", "OperationAborted", "OperationTimedOut", "ConditionalRequestConflict",
    # an upload that was truncated or corrupted on the way, or whose parts were removed: it is started again
    "IncompleteBody", "BadDigest", "XAmzContentSHA256Mismatch", "NoSuchUpload", "InvalidPart",
    # a wrong clock, as after the machine slept, or a request that was delayed for long
    "RequestTimeTooSkewed", "RequestExpired",
    # of other AWS services
    "Throttling", "ThrottlingException", "ThrottledException", "RequestLimitExceeded", "RequestThrottled",
    "RequestThrottledException", "BandwidthLimitExceeded", "PriorRequestNotComplete", "IDPCommunicationError",
})  # fmt: skip
"""Codes of temporary errors."""
STATUSES = frozenset({202, 408, 425, 429})
"""HTTP statuses below 500 that are temporary (202: an archive is still fetching the requested file)."""
LASTING = frozenset({501, 505})
"""HTTP statuses from 500 on that are permanent: the server does not support the method, or the version of HTTP."""


def is_passing(status: int, code: str = "") -> bool:
    """Whether the same request may succeed later. `status`: HTTP status, 0 if there was no answer; `code`: error code
    in the answer, if any."""
    return code in CODES or status in STATUSES or status == 0 or (status >= 500 and status not in LASTING)
