"""Client ids: a client's id as part of a path, and as an external id. Ids from another issuer may hold any characters,
and two different ids must never become equal."""

from __future__ import annotations

import re
from hashlib import sha256

LOCAL = "local"
"""Client id of the operator's own command line, which needs no grants. No client of the server has this id, and tokens
must not name it."""
_IN_PATHS = re.compile(r"[A-Za-z0-9_-]{1,64}")
_EXTERNAL = re.compile(r"[A-Za-z0-9_+=,.@:/-]{2,64}")
"""Ids that AWS accepts as an ExternalId."""
_HASHED = re.compile(r"x-[0-9a-f]{32}")


def id_in_paths(client: str) -> str:
    """The id if it consists of letters, digits, `_` and `-`. Otherwise, or if it looks like such a replacement itself,
    `x-` and the first 32 hexadecimal digits of its SHA-256."""
    return _written(client, _IN_PATHS)


def external_id(client: str) -> str:
    """The id as the ExternalId of a role: as `id_in_paths`, but with more characters allowed."""
    return _written(client, _EXTERNAL)


def _written(client: str, plain: re.Pattern[str]) -> str:
    if plain.fullmatch(client) and not _HASHED.fullmatch(client):
        return client
    return f"x-{sha256(client.encode()).hexdigest()[:32]}"
