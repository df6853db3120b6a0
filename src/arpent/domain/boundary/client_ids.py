"""Client ids: a client's id as part of a path and as an external id. Another issuer's ids may hold any characters, and
no two of them may become the same there."""

from __future__ import annotations

import re
from hashlib import sha256

LOCAL = "local"
"""Client id of the operator's own command line, which needs no grants: no client of the server has it, and no token may
name it."""
_IN_PATHS = re.compile(r"[A-Za-z0-9_-]{1,64}")
_EXTERNAL = re.compile(r"[A-Za-z0-9_+=,.@:/-]{2,64}")
"""What AWS takes as ExternalId."""
_HASHED = re.compile(r"x-[0-9a-f]{32}")


def id_in_paths(client: str) -> str:
    """The id if it is letters, digits, `_` and `-`; else, or if it looks like one of these itself, `x-` and the first
    32 hexadecimal digits of its SHA-256."""
    return _written(client, _IN_PATHS)


def external_id(client: str) -> str:
    """As `id_in_paths`, where some more signs are allowed: the ExternalId of roles."""
    return _written(client, _EXTERNAL)


def _written(client: str, plain: re.Pattern[str]) -> str:
    if plain.fullmatch(client) and not _HASHED.fullmatch(client):
        return client
    return f"x-{sha256(client.encode()).hexdigest()[:32]}"
