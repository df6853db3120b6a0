"""Limits of a job's life, as data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What an operator may tune; the defaults are those of a friendly self-hosted server, not of the real service."""

    maximum_features: int | None = None
    """Features per request; the real service has 700000 (sentinelhub.md 2.1)."""
    restart_pause_minutes: float = 0.0
    """After a user's STOP no START for so long; the real service: 30."""
    restart_pause_out_of_pu_minutes: float = 0.0
    """The same after OUT_OF_PU; the real service: 60."""
    failed_reports_full: bool = True
    """A FAILED job reports completionPercentage 100, so that the official client's monitor ends
    (sentinelhub.md 1.4)."""
    attempts: int = 4
    """Tries of a partition before its features get an error; deaths of its worker, before it is cut in halves."""
    retry_seconds: float = 2.0
    """Pause before the second try; it doubles with each further one, and varies by half."""
    unhealthy_share: float = 0.5
    """Share of failed features at which a job stops as UNHEALTHY …"""
    unhealthy_least: int = 1000
    """… once at least so many have failed."""
    lease_seconds: float = 60.0
    """A piece of work that is not renewed for so long is given to somebody else."""
    processing_unit_budget: float | None = None
    """Processing units a job may spend before it stops as OUT_OF_PU; None: no limit."""
    retention_days: float | None = None
    """Ended jobs are forgotten after so many days without a change; results stay. None: kept."""
