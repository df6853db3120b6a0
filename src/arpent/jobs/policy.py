"""Policy: the operator's limits on the life of a job, and the quotas of clients, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from arpent.jobs.bucket_grants import EVERYBODY

DAY = 86_400.0
YEAR = 366 * 24 * 60.0
"""A year in minutes."""
LONGEST_PAUSE_SECONDS = 60.0
"""Longest pause before work is tried again, before jitter is applied."""
IDLE_SECONDS = 20.0
"""If work has been free for longer than this while no work of its job was claimed, no runner was looking for work.
Even a search of a catalogue that has long been unavailable takes less."""
BELIEVED_LEASES = 10.0
"""A lease or pause that ends more than this many lease durations from now is not believed."""


def believed_until(now: datetime, lease_seconds: float) -> datetime:
    """Latest end of a lease or pause that is believed. A later one was written before the machine's clock was set back;
    if it were believed, nobody could claim the work until the clock has caught up."""
    return now + timedelta(seconds=BELIEVED_LEASES * max(lease_seconds, LONGEST_PAUSE_SECONDS))


def patience_began(since: datetime | None, pause: datetime | None, served: datetime, now: datetime) -> datetime | None:
    """The time from which the wait of work that is claimed now is counted; None: it is not waiting for anything
    unavailable. Only time in which runners tried counts, not time while the job was stopped, no runner ran or the
    machine slept. `since`: stored beginning; `pause`: end of its pause; `served`: when work of its job was last
    claimed."""
    if since is None:
        return None
    idle = now - max(served, since if pause is None else pause)
    return since + idle if idle > timedelta(seconds=IDLE_SECONDS) else since


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What an operator can tune. The defaults suit a self-hosted server and differ from those of the real service."""

    maximum_features: Annotated[int, Field(ge=1)] | None = None
    """Maximum number of features per request; the real service has 700000 (sentinelhub.md 2.1)."""
    restart_pause_minutes: Annotated[float, Field(ge=0, le=YEAR)] = 0.0
    """Minutes after a user's STOP during which START is refused; the real service: 30."""
    restart_pause_out_of_pu_minutes: Annotated[float, Field(ge=0, le=YEAR)] = 0.0
    """Minutes after OUT_OF_PU during which START is refused; the real service: 60."""
    failed_reports_full: bool = True
    """Whether a FAILED job reports completionPercentage 100, so that the official client's monitor ends
    (sentinelhub.md 1.4)."""
    attempts: Annotated[int, Field(ge=1)] = 4
    """Attempts at a partition before its features get an error; also the deaths of its worker before it is halved."""
    retry_seconds: Annotated[float, Field(ge=0, le=DAY)] = 2.0
    """Seconds before the second attempt; the pause doubles with each further attempt, and varies by half."""
    outage_seconds: Annotated[float, Field(ge=0, le=DAY)] = 300.0
    """Seconds that an analysis or a partition waits for a catalogue or bucket that does not answer before it fails; an
    analysis waits this long for any other server, too …"""
    absence_seconds: Annotated[float, Field(ge=0, le=DAY)] = 10.0
    """… and for one that does not exist or refuses access: it may be unavailable for a moment, or misspelt. An analysis
    waits this long for a catalogue whose host name does not resolve, too."""
    failed_keys_hours: Annotated[float, Field(ge=0, le=100 * 366 * 24)] = 24.0
    """Hours for which a FAILED request keeps the keys sent with it, so that START can continue it."""
    unhealthy_share: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of failed features at which a job stops as UNHEALTHY …"""
    unhealthy_least: Annotated[int, Field(ge=0)] = 1000
    """… if at least this many features have failed."""
    lease_seconds: Annotated[float, Field(gt=0, le=DAY)] = 60.0
    """Seconds after which work whose lease is not renewed can be claimed by another runner."""
    stall_seconds: Annotated[float, Field(ge=0, le=100 * DAY)] = 1800.0
    """Seconds without progress (no server answers or fails, no block of an image is decoded, no stage of the work
    begins or ends) after which a partition counts as hung: its worker is ended, and counts as dead. 0: never."""
    processing_unit_budget: Annotated[float, Field(ge=0)] | None = None
    """Processing units a job may spend before it stops as OUT_OF_PU; None: no limit."""
    retention_days: Annotated[float, Field(ge=0, le=36_600)] | None = None
    """Days without a change after which an ended job is deleted from the database; results stay. None: never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """Limits of one client. None: no limit of its own, but the entry for all clients may set one."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    requests_per_minute: Annotated[int, Field(ge=1, le=10**6)] | None = None
    """HTTP requests per minute, counted by each server separately; after a pause, this many may come at once."""
    processing_units_per_month: Annotated[float, Field(ge=0)] | None = None
    """Processing units per calendar month (UTC), of batch and synchronous requests together."""
    jobs: Annotated[int, Field(ge=1)] | None = None
    """Batch requests that may be under way at once."""
    features: Annotated[int, Field(ge=1)] | None = None
    """Features per batch request."""
    synchronous: Annotated[int, Field(ge=1)] | None = None
    """Synchronous and explain requests under way at once, counted by each server separately."""
    upload_bytes_per_month: Annotated[int, Field(ge=0)] | None = None
    """Bytes of uploads per calendar month (UTC)."""
    weight: Annotated[float, Field(ge=0.001, le=1000)] | None = None
    """Weight of the client when partitions of several clients wait: with 2 it gets twice as many turns as with the
    default, 1."""


QUOTA_WORDS = "limits by client: " + ", ".join(field.name for field in fields(Quota))
"""The fields that an entry of the quotas may have, for messages."""


def quota_of(quotas: Mapping[str, Quota], client: str) -> Quota:
    """The quota of a client: its own entry, completed by the entry `*` for limits that its own leaves out."""
    own, every = quotas.get(client, Quota()), quotas.get(EVERYBODY, Quota())
    merged = {
        field.name: getattr(every, field.name) if getattr(own, field.name) is None else getattr(own, field.name)
        for field in fields(Quota)
    }
    return Quota(**merged)
