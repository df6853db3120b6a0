"""Instant: the times of items, as STAC (RFC 3339) and catalogues write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_LEAP_SECOND = re.compile(r"(?<=:\d\d):60(\.\d+)?(?=[Z+-]|$)")


def instant_of(text: object) -> datetime:
    """The instant, aware, UTC; one without a zone is taken for UTC. RFC 3339 allows small letters, and leap seconds:
    these count as the last microsecond before them. Raises ValueError, OverflowError."""
    if not isinstance(text, str):
        raise ValueError("`datetime` and `start_datetime` are missing")
    instant = datetime.fromisoformat(_LEAP_SECOND.sub(":59.999999", text.upper()))
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
