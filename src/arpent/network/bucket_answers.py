"""Bucket answers: what a store said, from the error of its client. That text is only looked at, never passed on: it may
quote signed requests."""

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
"""Codes of S3 for keys that do not open it."""
_WORDS = {
    "RequestTimeTooSkewed": "RequestTimeTooSkewed: the clocks of this machine and of the store differ",
    "RequestTimeout": "RequestTimeout: what was sent did not arrive in time",
}
"""Code → what a message says, if the code alone misleads."""
_WHOLE = "non-partial response"
"""What its client says of a whole file, or of another page, in place of a range."""
_REPEATED = "max_retries"
"""Word of an error for which its client has repeated the request. It goes on with an answer that broke off only where
an ETag tells that the rest is of the same object."""
_REGION = frozenset(
    {"AuthorizationHeaderMalformed", "PermanentRedirect", "TemporaryRedirect", "IllegalLocationConstraintException"}
)
"""… and for a bucket that is elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketAnswer:
    """What a store said."""

    status: int = 0
    """HTTP status; 0: unknown."""
    code: str = ""
    """A code of S3, `region`, `keys` (this machine has none), `whole` (no range), or the status in its place; empty: no
    answer."""
    broke_off: bool = False
    """Whether an answer began and was not complete."""

    @property
    def words(self) -> str:
        """What it said, in brackets of a message."""
        if self.code in ("region", "keys", "whole", "", str(self.status)):
            return f"HTTP {self.status}" if self.status else "no answer"
        return _WORDS.get(self.code, self.code)

    @property
    def passing(self) -> bool:
        """Whether it answered, and the same request may succeed later."""
        return self.code in CODES or (self.status > 0 and is_passing(self.status))

    @property
    def denied(self) -> bool:
        """Whether keys are missing or refused."""
        return not self.passing and (self.code == "keys" or self.code in _KEYS or self.status in (401, 403))

    @property
    def misplaced(self) -> bool:
        """Whether it was asked at the wrong place."""
        return self.code in ("region", "NoSuchBucket")


class CutShort(OSError):
    """An answer that is shorter than was said, or asked for."""


def complete(content: Bytes, length: int) -> Bytes:
    """The content of an answer. Raises CutShort if it is shorter than this."""
    if len(content) < length:
        raise CutShort("the answer is cut short")
    return content


def answer_of(error: Exception) -> BucketAnswer:
    """From an error of obstore; of other errors nothing is known."""
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
