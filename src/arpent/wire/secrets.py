"""Secrets: the one list of fields that hold them, and bodies with secrets removed: for answers, and in the database
once a job has ended (sentinelhub.md 1.3, 2.1)."""

from __future__ import annotations

import json
import re
from typing import Any

FIELDS = frozenset({
    "secretaccesskey", "credentials",  # those that are read (`wire.schema`)
    "secretkey", "sessiontoken", "securitytoken", "accesstoken", "refreshtoken", "apikey", "privatekey", "clientsecret",
    "password", "authorization", "serviceaccount",  # may be sent though nothing reads them: unknown fields pass
})  # fmt: skip
"""Names of fields that hold a secret at any depth, as `plain` spells them."""
PAIRED = FIELDS | {"accesskey", "accesskeyid"}
"""Names of fields that are useless without the secret beside them."""
FORGOTTEN = "***"
"""Replaces a secret in a stored body once the job has ended."""

_LEAST_SIGNS = 8
"""Minimum number of different characters in a real key; a random key of hexadecimal digits has about 14."""
_PLACEHOLDER = re.compile(
    "change(me|this|it|in)|replace(me|this|with|it)|placeholder|example|yoursecret|yourkey|yourown|secretkey|secrethere"
    "|supersecret|notsecret|insecure|(atleast|minimum)?32(random)?(bytes|char)|password|passphrase|donotuse|dontuse|forgeme"
    "|insert(your|here)|putyour|default(key|secret)|test(key|secret)|dummy|keykey|secretsecret|lorem|qwertz?y|abcdefgh|01234567|12345678"
)
"""Words that stand for a secret in examples, without separators; each is so long that no random key contains one by
chance."""


def plain(name: str) -> str:
    """A field name without case and separators: `SecretAccessKey`, `secret_access_key` and `SECRET-ACCESS-KEY` are
    equal."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def is_secret(name: str) -> bool:
    """Whether a field of that name holds a secret."""
    return plain(name) in FIELDS


def without_secrets(text: str) -> Any:
    """The JSON value of a body without the fields that hold secrets; the rest is unchanged."""
    return json.loads(text, object_hook=_bare)


def forget(text: str) -> str:
    """The body with FORGOTTEN in place of each secret, and `?` for half a character, which no database takes. Text that
    is not JSON or is nested too deep is dropped entirely."""
    try:
        told = json.dumps(json.loads(text, object_hook=_forgotten), ensure_ascii=False)
        return told.encode(errors="replace").decode()
    except (ValueError, RecursionError):
        return "{}"


def without_forgotten(text: str) -> str:
    """A stored body; where the secret has been forgotten its key is removed too, so that the machine's own credentials
    are used."""
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
    """Whether the key is a placeholder from an example or manifest, or repeats a few characters."""
    named = _PLACEHOLDER.search(re.sub(r"[\W_]", "", key.lower()))
    return named is not None or len(set(key)) < _LEAST_SIGNS or key in (key + key)[1:-1]
