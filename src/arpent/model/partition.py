"""Partition: features that are done, retried and counted together."""

from __future__ import annotations

from dataclasses import dataclass

from arpent.model.feature import Features
from arpent.model.finding import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """One unit of work of a job."""

    number: int
    """From 0, unique in the job."""
    features: Features
    """Neighbours, in an order that follows the imagery's blocks."""
    round: int = 0
    """How often START took up what had failed of it; the features are these only."""
    again: bool = False
    """Somebody had it before, and may have written results of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a partition; only counts travel back, results are already written."""

    done: int
    """Features whose file holds statistics."""
    failed: int
    """Features whose file holds an error."""
    lacking: int = 0
    """Of those done: features without some intervals, which another try may bring."""
    findings: tuple[Finding, ...] = ()
    """Why features failed."""
    processing_units: float = 0.0
    """What the partition cost by the formula of FACTS 7."""
    bytes_read: int = 0
    """Compressed bytes read from images."""
    seconds: tuple[tuple[str, float], ...] = ()
    """(stage, seconds spent), for metrics."""
