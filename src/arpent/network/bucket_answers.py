"""Bucket answers: what a bucket's server answered, read from the error of obstore. The error text is never passed on,
because it may quote signed requests."""

from __future__ import annotations

import re
from dataclasses import dataclass

from obstore import Bytes
from obstore.exceptions import GenericError

from arpent.network.passing import CODES, is_passing

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"(?:<Code>|\(code: )(\w+)")
_KEYS = frozenset({
    "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "ExpiredTokenException",
    "TokenRefreshRequired", "InvalidToken", "AllAccessDisabled", "AuthFailure",
})  # fmt: skip
"""S3 error codes for keys that are missing, invalid or not sufficient."""
_WORDS = {
    "RequestTimeTooSkewed": "RequestTimeTooSkewed: the clocks of this machine and of the store differ",
    "RequestTimeout": "RequestTimeout: what was sent did not arrive in time",
}
"""S3 error code → text for messages, where the code alone is misleading."""
_WHOLE = "non-partial response"
"""In obstore's error if the answer is a whole file, or some other page, instead of a range."""
_REPEATED = "max_retries"
"""In obstore's error if it has already retried the request. It resumes an interrupted answer only if an ETag shows that
the rest belongs to the same object."""
_REGION = frozenset(
    {"AuthorizationHeaderMalformed", "PermanentRedirect", "TemporaryRedirect", "IllegalLocationConstraintException"}
)
"""S3 error codes for a bucket that is in another region."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketAnswer:
    """What the server of a bucket answered."""

    status: int = 0
    """HTTP status; 0: unknown."""
    code: str = ""
    """An S3 error code, `region` (wrong region), `keys` (this machine has none), `whole` (the server does not serve
    ranges), or else the HTTP status; empty if there was no answer."""
    broke_off: bool = False
    """Whether an answer began but was not complete."""

    @property
    def words(self) -> str:
        """The answer as text for messages, where it stands in brackets."""
        if self.code in ("region", "keys", "whole", "", str(self.status)):
            return f"HTTP {self.status}" if self.status else "no answer"
        return _WORDS.get(self.code, self.code)

    @property
    def passing(self) -> bool:
        """Whether there was an answer, and the same request may succeed later."""
        return self.code in CODES or (self.status > 0 and is_passing(self.status))

    @property
    def denied(self) -> bool:
        """Whether keys are missing or refused."""
        return not self.passing and (self.code == "keys" or self.code in _KEYS or self.status in (401, 403))

    @property
    def misplaced(self) -> bool:
        """Whether the request went to the wrong region or endpoint."""
        return self.code in ("region", "NoSuchBucket")


class CutShort(OSError):
    """An answer is shorter than announced or requested."""


def complete(content: Bytes, length: int) -> Bytes:
    """Return the content of an answer. Raises CutShort if it is shorter than `length` bytes."""
    if len(content) < length:
        raise CutShort("the answer is cut short")
    return content


def answer_of(error: Exception) -> BucketAnswer:
    """The answer behind an error of obstore; for other errors, one with unknown status and no code."""
    text = str(error)
    found, named = _STATUS.search(text), _CODE.search(text)
    status, code = int(found[1]) if found else 0, named[1] if named else ""
    if code in _REGION or 300 <= status < 400 or (not (code or status) and "redirect" in text):
        return BucketAnswer(status=status, code="region")
    if not code and ("nstance metadata" in text or "169.254." in text):
        return BucketAnswer(status=status, code="keys")
    if _WHOLE in text:
        return BucketAnswer(code="whole")
    bare = type(error) is GenericError and not (code or status or _REPEATED in text)
    broke_off = bare or isinstance(error, CutShort)
    return BucketAnswer(status=status, code=code or (str(status) if status else ""), broke_off=broke_off)
