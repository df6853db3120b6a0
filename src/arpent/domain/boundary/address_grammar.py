"""Address grammar: the permitted forms of values that become part of an address, a header or a path. Other values could
change which host or object is addressed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """The form that values of one kind must have."""

    pattern: re.Pattern[str]
    """Pattern that the whole value must match; it also limits the length."""
    words: str
    """The form in words, for a sentence with `must`. Messages do not show the value, which may be secret."""

    def fits(self, value: object) -> bool:
        """Whether the value is text of this form."""
        return isinstance(value, str) and self.pattern.fullmatch(value) is not None


def is_private_url(text: str) -> bool:
    """Whether a connection to this URL cannot be read or changed in transit: it is https, or stays on this machine."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    here = parts.hostname in ("127.0.0.1", "localhost", "::1")
    return parts.scheme == "https" or (parts.scheme == "http" and here)


def _form(pattern: str, words: str) -> Form:
    return Form(pattern=re.compile(pattern, re.ASCII), words=words)


_PLAIN = r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]"
"""Any character except control characters, line breaks and lone surrogates."""

REGION = _form(r"[a-z0-9-]{1,63}", "be 1 to 63 lower-case letters, digits and '-', such as eu-central-1")
"""AWS region in a request; becomes part of a host name."""
MACHINE_REGION = _form(r"[A-Za-z0-9-]{1,63}", "be 1 to 63 letters, digits and '-', such as eu-central-1")
"""Region set by the operator; some stores have regions such as RegionOne."""
BUCKET = _form(
    r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._-]{0,254}", "be a bucket's name: letters, digits, '-', '_' and single '.'"
)
"""Name of a bucket; becomes part of a host name or a path."""
KEY = _form(rf"{_PLAIN}{{0,1024}}", "have at most 1024 characters and no control characters")
"""Object key or prefix; becomes part of a path."""
ACCESS_KEY = _form(r"[!-~]{1,256}", "be 1 to 256 printable ASCII characters without spaces")
"""Access key id; becomes part of a header."""
SECRET_KEY = _form(rf"{_PLAIN}{{1,1024}}", "have at most 1024 characters, and no line breaks")
"""Secret key, which signs requests and is never sent. A line break in it means that too much was copied."""
ROLE = _form(
    r"arn:aws[a-z-]{0,20}:iam::[A-Za-z0-9_$.-]{0,128}:role/[A-Za-z0-9_+=,.@/-]{1,576}",
    "look like arn:aws:iam::ACCOUNT:role/NAME",
)
"""ARN of a role. In Ceph, the account is empty or the name of a tenant."""
ACCOUNT: Mapping[str, Form] = {
    "type": _form("service_account", "be service_account"),
    "client_email": _form(
        r"(?=.{3,320}$)[A-Za-z0-9][A-Za-z0-9._%+-]*@[A-Za-z0-9][A-Za-z0-9.-]*", "be an account's address"
    ),
    "private_key": Form(
        pattern=re.compile(
            r"-----BEGIN (RSA )?PRIVATE KEY-----[A-Za-z0-9+/=\s]{1,16384}-----END (RSA )?PRIVATE KEY-----\s*"
        ),
        words="be a private key in PEM",
    ),
    "private_key_id": _form(r"[A-Za-z0-9_-]{1,128}", "be letters and digits"),
    "project_id": _form(r"[a-z0-9][a-z0-9.:-]{0,127}", "be a project's id"),
}
"""Fields of a service account file that are used. The URLs in it (token_uri …) are never used."""
ACCOUNT_NEEDS = frozenset({"client_email", "private_key"})
"""Fields of a service account file that are required to sign requests."""
SAS = frozenset({"sig", "se", "st", "sp", "spr", "sv", "sr", "skoid", "sktid", "skt", "ske", "sks", "skv"})
"""URL parameters of an Azure shared access signature (SAS)."""
MOST_ACCOUNT = 65_536
"""Maximum length of a base64-encoded service account file, in characters."""


def account_fault(fields: Mapping[str, object]) -> str | None:
    """What is wrong with a service account file, without showing its values; None if nothing is wrong."""
    for name, form in ACCOUNT.items():
        if name in fields and not form.fits(fields[name]):
            return f"has an invalid `{name}`: it must {form.words}"
    missing = sorted(ACCOUNT_NEEDS - fields.keys())
    return f"lacks `{missing[0]}`" if missing else None
