"""Secrets: the list of fields that hold them, and their removal from request bodies: from answers, and from the
database once a job has ended (sentinelhub.md 1.3, 2.1)."""

from __future__ import annotations

import json
import re
from typing import Any

FIELDS = frozenset({
    "secretaccesskey", "credentials",  # fields that arpent reads (`wire.request.schema`)
    "secretkey", "sessiontoken", "securitytoken", "accesstoken", "refreshtoken", "apikey", "privatekey", "clientsecret",
    "password", "authorization", "serviceaccount",  # not read, but clients may send unknown fields
})  # fmt: skip
"""Names of fields that hold a secret at any depth, normalised by `plain`."""
PAIRED = FIELDS | {"accesskey", "accesskeyid"}
"""FIELDS, and names of fields that are useless without the secret next to them."""
FORGOTTEN = "***"
"""Replacement for secrets in a stored body once the job has ended."""

_LEAST_SIGNS = 8
"""Minimum number of different characters in a real key; a random key of hexadecimal digits has about 14."""
_PLACEHOLDER = re.compile(
    "change(me|this|it|in)|replace(me|this|with|it)|placeholder|example|yoursecret|yourkey|yourown|secretkey|secrethere"
    "|supersecret|notsecret|insecure|(atleast|minimum)?32(random)?(bytes|char)|password|passphrase|donotuse|dontuse|forgeme"
    "|insert(your|here)|putyour|default(key|secret)|test(key|secret)|dummy|keykey|secretsecret|lorem|qwertz?y|abcdefgh|01234567|12345678"
)
"""Words that stand for a secret in examples, without separators; each is long enough not to occur in a random key by
chance."""


def plain(name: str) -> str:
    """A field name without case and separators, so that `SecretAccessKey`, `secret_access_key` and `SECRET-ACCESS-KEY`
    are equal."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def is_secret(name: str) -> bool:
    """Whether a field of that name holds a secret."""
    return plain(name) in FIELDS


def without_secrets(text: str) -> Any:
    """The body as a JSON value, without the fields that hold secrets; otherwise unchanged."""
    return json.loads(text, object_hook=_bare)


def forget(text: str) -> str:
    """The body with FORGOTTEN instead of each secret, and `?` instead of each lone surrogate, which databases reject;
    `{}` if the text is not JSON or is nested too deeply."""
    try:
        told = json.dumps(json.loads(text, object_hook=_forgotten), ensure_ascii=False)
        return told.encode(errors="replace").decode()
    except (ValueError, RecursionError):
        return "{}"


def without_forgotten(text: str) -> str:
    """A stored body without its forgotten secrets. The access keys next to them are removed too, so that the machine's
    own credentials are used."""
    if f'"{FORGOTTEN}"' not in text:
        return text
    return json.dumps(json.loads(text, object_hook=_remembered), ensure_ascii=False)


def _bare(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if not is_secret(name)}


def _forgotten(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: FORGOTTEN if is_secret(name) else value for name, value in fields.items()}


def _remembered(fields: dict[str, Any]) -> dict[str, Any]:
    lost = any(is_secret(name) and value == FORGOTTEN for name, value in fields.items())
    return {name: value for name, value in fields.items() if not (lost and plain(name) in PAIRED)}


def is_placeholder(key: str) -> bool:
    """Whether the key is a placeholder from an example or manifest, has very few different characters, or repeats
    itself."""
    named = _PLACEHOLDER.search(re.sub(r"[\W_]", "", key.lower()))
    return named is not None or len(set(key)) < _LEAST_SIGNS or key in (key + key)[1:-1]
