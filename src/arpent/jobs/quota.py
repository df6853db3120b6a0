"""Quota: what one client may take, as data. What is not set has no limit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from arpent.jobs.bucket_grants import EVERYBODY


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """Limits of one client. None: what holds for all; where that is None, too: no limit."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    requests_per_minute: Annotated[int, Field(ge=1, le=10**6)] | None = None
    """HTTP requests a minute, of each server; so many may come at once after a pause."""
    processing_units_per_month: Annotated[float, Field(ge=0)] | None = None
    """Processing units in a calendar month (UTC), of batch and synchronous requests."""
    jobs: Annotated[int, Field(ge=1)] | None = None
    """Batch requests that may be under way at once."""
    features: Annotated[int, Field(ge=1)] | None = None
    """Features of a batch request."""
    synchronous: Annotated[int, Field(ge=1)] | None = None
    """Synchronous and explain requests under way at once, of each server."""
    upload_bytes_per_month: Annotated[int, Field(ge=0)] | None = None
    """Bytes of uploads in a calendar month (UTC)."""
    weight: Annotated[float, Field(gt=0, le=1000)] | None = None
    """Turns among the partitions of all clients: with 2 twice as many as with 1, which is the default."""


QUOTA_WORDS = "limits by client: " + ", ".join(field.name for field in fields(Quota))
"""What an entry of the table may hold, for messages."""


def quota_of(quotas: Mapping[str, Quota], client: str) -> Quota:
    """The quota of a client: its own entry, and for what that leaves out the entry `*`."""
    own, every = quotas.get(client, Quota()), quotas.get(EVERYBODY, Quota())
    merged = {
        field.name: getattr(every, field.name) if getattr(own, field.name) is None else getattr(own, field.name)
        for field in fields(Quota)
    }
    return Quota(**merged)
