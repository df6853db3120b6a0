"""Unreadable: turns an exception into an AssetUnreadable that says why an image cannot be read, and whether another try
may help."""

from __future__ import annotations

from obstore.exceptions import BaseError, NotSupportedError

from arpent.domain.boundary.address_names import public_name
from arpent.domain.errors import AssetUnreadable
from arpent.network.access import AccessFailed, SourceAccess
from arpent.network.bucket_answers import answer_of
from arpent.network.passing import is_passing
from arpent.network.policy import EgressRefused
from arpent.network.web_files import Denied, Hidden, NoAnswer, NoRanges

FAULTS = (OSError, BaseError, ValueError, EgressRefused, AccessFailed, NoRanges, NoAnswer)
"""Exceptions that reading a file raises, apart from Replaced."""


def unreadable(href: str, error: Exception, access: SourceAccess) -> AssetUnreadable:
    """The AssetUnreadable for an error, without the client's own text, which may repeat the signed URL."""
    text, transient = _described(href, error, access)
    # access may be granted again, and keys are renewed
    denied = isinstance(error, Denied | AccessFailed | Hidden) or answer_of(error).denied
    odd = isinstance(error, NoAnswer | NoRanges) and error.odd
    return AssetUnreadable(f"image {public_name(href)} {text}", transient=transient, href=href, passing=denied or odd)


def _described(href: str, error: Exception, access: SourceAccess) -> tuple[str, bool]:
    """The error in words, and whether another try may help, from the first of `rows` that applies."""
    said = answer_of(error)
    answer = error.answer if isinstance(error, Denied) else said.code
    code = error.status if isinstance(error, NoAnswer) else said.status
    advice = access.advice(href, answer or str(code))
    credentials = "may not be read with the available credentials"
    shown = f" ({answer})" if answer not in ("region", "keys", "whole", "") else ""
    shown += ", or does not exist" if answer == "AccessDenied" else ""  # S3 says so if keys may not list
    refused = isinstance(error, PermissionError) or said.denied or said.misplaced
    local = getattr(error, "strerror", None) or type(error).__name__
    if isinstance(error, ValueError):  # raised by the store's client, or by the operating system
        local = "its address has a part that is empty, `.` or `..`, or control characters"
    more = f"; {advice}" if advice else ""
    stranger = isinstance(error, NoAnswer) and error.stranger
    silent = "shows a certificate that is not accepted" if stranger else "does not answer"
    end = f"answered {code}{more}" if code else silent
    rows: tuple[tuple[bool, str, bool], ...] = (
        (isinstance(error, EgressRefused), f"may not be read: {error}", False),
        (isinstance(error, AccessFailed), f"may not be read: {error}", getattr(error, "transient", False)),
        (isinstance(error, FileNotFoundError) and answer != "NoSuchBucket", f"does not exist{more}", False),
        (answer == "login", f"may not be read: its server returns a login page instead{more}", False),
        (refused, f"{credentials}{shown}: {advice or 'see `sources` and the AWS_* variables'}", False),
        (
            isinstance(error, NotSupportedError | NoRanges),
            "cannot be read in parts: its server does not support range requests", False,
        ),
        (answer == "whole", "cannot be read in parts: its server answered with the whole file, or a page", True),
        (not isinstance(error, BaseError | NoAnswer), f"cannot be read: {local}", False),
        (True, f"cannot be read: its server {end}", is_passing(code, answer)),
    )  # fmt: skip
    return next((text, transient) for applies, text, transient in rows if applies)
