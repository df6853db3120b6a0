"""Secrets: the one list of the fields that hold them, and bodies without them: for answers, and for the database once
a job has ended (sentinelhub.md 1.3, 2.1)."""

from __future__ import annotations

import json
from typing import Any

FIELDS = frozenset({
    "secretaccesskey", "credentials",  # those that are read (`wire.schema`)
    "secretkey", "sessiontoken", "securitytoken", "accesstoken", "refreshtoken", "apikey", "privatekey", "clientsecret",
    "password", "authorization", "serviceaccount",  # those that somebody may send in vain, since unknown fields pass
})  # fmt: skip
"""Names of fields that hold a secret, as `plain` makes them, at whatever depth."""
PAIRED = FIELDS | {"accesskey", "accesskeyid"}
"""Names of fields that are worth nothing without the secret beside them."""
FORGOTTEN = "***"
"""What stands in a stored body for a secret once the job has ended."""


def plain(name: str) -> str:
    """A field's name however it is spelt: `SecretAccessKey`, `secret_access_key` and `SECRET-ACCESS-KEY` are one."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def is_secret(name: str) -> bool:
    """Whether a field of that name holds a secret."""
    return plain(name) in FIELDS


def without_secrets(text: str) -> Any:
    """The JSON value of a body without the fields that hold secrets; all else is as it was."""
    return json.loads(text, object_hook=_bare)


def forget(text: str) -> str:
    """A body with FORGOTTEN for each secret; a text that is no JSON, or too deep a one, goes altogether."""
    try:
        return json.dumps(json.loads(text, object_hook=_forgotten), ensure_ascii=False)
    except (ValueError, RecursionError):
        return "{}"


def without_forgotten(text: str) -> str:
    """A stored body; where a secret has been forgotten, its key goes too, and the machine's own access holds."""
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
