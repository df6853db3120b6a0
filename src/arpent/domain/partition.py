"""Partition: features that are done, retried and counted together; Analysis: what came of analysing a job."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from arpent.domain.feature import Features
from arpent.domain.finding import Finding

MOST_SUSPECTS = 16
"""Parts of what was one partition that may be without a result at once: so many features that kill their workers are
found in it."""


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


def halves(features: Features) -> tuple[Features, Features]:
    """The first half and the second, each in the order it had; the first has one more where they are odd."""
    first, second = np.array_split(np.arange(len(features)), 2)
    return features.take(first), features.take(second)


def to_retry(features: Features, reasons: Collection[int], least: int) -> Features:
    """The features of a partition whose ids are in `reasons`. `least`: the number of features known to need another
    try; if the reasons name fewer, all features are tried: rather all of them than one too few."""
    rows = np.flatnonzero(np.isin(features.ids, np.array(list(reasons), np.int64)))
    return features.take(rows if len(rows) >= least else np.arange(len(features)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """May be lazy: `partitions` are read to the end first, then `findings`, then the rest."""

    partitions: Iterable[Partition]
    """The job's features, cut; every feature is in exactly one of them."""
    findings: Iterable[Finding] = ()
    """What is known of features before they are processed."""
    estimate: Mapping[str, float] = field(default_factory=dict)
    """What to expect: features, acquisitions, bytes, minutes, processing units."""
    hints: tuple[str, ...] = ()
    """What is allowed, and most likely not meant, about the job as a whole."""
