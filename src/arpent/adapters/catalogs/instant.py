"""Instant: parses the times of items, as written by STAC (RFC 3339) and by catalogues."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_LEAP_SECOND = re.compile(r"(?<=:\d\d):60(\.\d+)?(?=[Z+-]|$)")


def instant_of(text: object) -> datetime:
    """The instant, timezone-aware, in UTC; a time without a zone is taken as UTC. As RFC 3339 allows, letters may be
    lower case, and seconds may be leap seconds, which become the last microsecond before them. Raises ValueError,
    OverflowError."""
    if not isinstance(text, str):
        raise ValueError("`datetime` and `start_datetime` are missing")
    instant = datetime.fromisoformat(_LEAP_SECOND.sub(":59.999999", text.upper()))
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
