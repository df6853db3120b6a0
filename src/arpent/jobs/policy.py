"""Policy: limits of a job's life, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

DAY = 86_400.0
YEAR = 366 * 24 * 60.0
"""A year in minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What an operator can tune. The defaults suit a self-hosted server, not those of the real service."""

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
    """Attempts at a partition before its features get an error; deaths of its worker before it is halved."""
    retry_seconds: Annotated[float, Field(ge=0, le=DAY)] = 2.0
    """Seconds before the second attempt; doubles with each further one, and varies by half."""
    outage_seconds: Annotated[float, Field(ge=0, le=DAY)] = 300.0
    """Seconds that an analysis or a partition waits for a catalogue or bucket that does not answer, and an analysis for
    any server, before it fails …"""
    absence_seconds: Annotated[float, Field(ge=0, le=DAY)] = 10.0
    """… and for one that does not exist or refuses access: it may be away for a moment, or misspelt. An analysis waits
    so long for a catalogue whose name does not resolve, too."""
    failed_keys_hours: Annotated[float, Field(ge=0, le=100 * 366 * 24)] = 24.0
    """Hours for which a FAILED request keeps the keys sent with it, so that START can continue it."""
    unhealthy_share: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of failed features at which a job stops as UNHEALTHY …"""
    unhealthy_least: Annotated[int, Field(ge=0)] = 1000
    """… if at least this many features have failed."""
    lease_seconds: Annotated[float, Field(gt=0, le=DAY)] = 60.0
    """Seconds after which work whose lease is not renewed goes to somebody else."""
    processing_unit_budget: Annotated[float, Field(ge=0)] | None = None
    """Processing units a job may spend before it stops as OUT_OF_PU; None: no limit."""
    retention_days: Annotated[float, Field(ge=0, le=36_600)] | None = None
    """Days without a change after which an ended job is deleted from the database; results stay. None: never."""
