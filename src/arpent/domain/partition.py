"""Partition: features that are done, retried and counted together; Analysis: what came of analysing a job."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from arpent.domain.feature import Features
from arpent.domain.finding import Finding


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
    """What came of a partition; only counts and findings travel back, results are already written."""

    done: int
    """Features whose file holds statistics."""
    failed: int
    """Features whose file holds an error."""
    incomplete: int = 0
    """Of those done: features without some intervals, which another try may bring."""
    findings: tuple[Finding, ...] = ()
    """Why features failed."""
    processing_units: float = 0.0
    """What the partition cost by the formula of sentinelhub.md 7."""
    bytes_read: int = 0
    """Compressed bytes read from images."""
    seconds: tuple[tuple[str, float], ...] = ()
    """(stage, seconds spent), for metrics."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """May be lazy: `partitions` are read to the end first, then `findings`, then `estimate`."""

    partitions: Iterable[Partition]
    """The job's features, cut; every feature is in exactly one of them."""
    findings: Iterable[Finding] = ()
    """What is known of features before they are processed."""
    estimate: Mapping[str, float] = field(default_factory=dict)
    """What to expect: features, acquisitions, bytes, minutes, processing units."""
