"""Limits of a job's life, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

DAY = 86_400.0
YEAR = 366 * 24 * 60.0
"""Seconds and minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What an operator may tune; the defaults are those of a friendly self-hosted server, not of the real service."""

    maximum_features: Annotated[int, Field(ge=1)] | None = None
    """Features per request; the real service has 700000 (sentinelhub.md 2.1)."""
    restart_pause_minutes: Annotated[float, Field(ge=0, le=YEAR)] = 0.0
    """After a user's STOP no START for so long; the real service: 30."""
    restart_pause_out_of_pu_minutes: Annotated[float, Field(ge=0, le=YEAR)] = 0.0
    """The same after OUT_OF_PU; the real service: 60."""
    failed_reports_full: bool = True
    """A FAILED job reports completionPercentage 100, so that the official client's monitor ends
    (sentinelhub.md 1.4)."""
    attempts: Annotated[int, Field(ge=1)] = 4
    """Tries of a partition before its features get an error; deaths of its worker, before it is cut in halves."""
    retry_seconds: Annotated[float, Field(ge=0, le=DAY)] = 2.0
    """Pause before the second try; it doubles with each further one, and varies by half."""
    outage_seconds: Annotated[float, Field(ge=0, le=DAY)] = 300.0
    """Work waits so long for a catalogue or a bucket that does not answer, an analysis for any server, before it
    fails …"""
    absence_seconds: Annotated[float, Field(ge=0, le=DAY)] = 10.0
    """… and so long for what is said not to be there, or is refused: it may be away for a moment, or misspelt."""
    failed_keys_hours: Annotated[float, Field(ge=0, le=100 * 366 * 24)] = 24.0
    """A FAILED request keeps the keys that came with it for so long, so that START can take it up."""
    unhealthy_share: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of failed features at which a job stops as UNHEALTHY …"""
    unhealthy_least: Annotated[int, Field(ge=0)] = 1000
    """… once at least so many have failed."""
    lease_seconds: Annotated[float, Field(gt=0, le=DAY)] = 60.0
    """A piece of work that is not renewed for so long is given to somebody else."""
    processing_unit_budget: Annotated[float, Field(ge=0)] | None = None
    """Processing units a job may spend before it stops as OUT_OF_PU; None: no limit."""
    retention_days: Annotated[float, Field(ge=0, le=36_600)] | None = None
    """Ended jobs are forgotten after so many days without a change; results stay. None: kept."""
