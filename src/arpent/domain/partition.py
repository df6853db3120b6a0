"""Partition: features that are processed, retried and counted together. Analysis: the result of analysing a job."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from arpent.domain.feature import Features
from arpent.domain.finding import Finding
from arpent.domain.job import NO_ROWS, RowCounts

MOST_SUSPECTS = 16
"""Maximum number of parts of one partition that may be without a result at once, while halving looks for features that
kill their worker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """One unit of work of a job."""

    number: int
    """From 0, unique in the job."""
    features: Features
    """The features: neighbours, in the order of the imagery's blocks."""
    round: int = 0
    """How often START reopened the job's failed features; from 1 on the partition holds only those."""
    again: bool = False
    """Whether somebody worked on it before, and may have written results."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Counts and findings of a processed partition; its results are already written."""

    done: int
    """Number of features whose file holds statistics."""
    failed: int
    """Number of features whose file holds an error."""
    incomplete: int = 0
    """Of the features done: number of those that lack intervals which another try may bring."""
    settled: RowCounts = NO_ROWS
    """Rows of the features that START does not try again …"""
    unsettled: RowCounts = NO_ROWS
    """… and of those that it does."""
    findings: tuple[Finding, ...] = ()
    """Why features failed."""
    processing_units: float = 0.0
    """Processing units of the partition (sentinelhub.md 7)."""
    bytes_read: int = 0
    """Compressed bytes read from images."""
    seconds: tuple[tuple[str, float], ...] = ()
    """(stage, seconds spent), for metrics."""


def halves(features: Features) -> tuple[Features, Features]:
    """The first and the second half of the features, in their order; the first has one more if the number is odd."""
    first, second = np.array_split(np.arange(len(features)), 2)
    return features.take(first), features.take(second)


def to_retry(features: Features, reasons: Collection[int], least: int) -> Features:
    """The features whose ids are in `reasons`.

    `least` is the number of features known to need another try. If `reasons` names fewer, all features are returned, so
    that none is missed.
    """
    rows = np.flatnonzero(np.isin(features.ids, np.array(list(reasons), np.int64)))
    return features.take(rows if len(rows) >= least else np.arange(len(features)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """Result of analysing a job. It may be lazy: read `partitions` to the end first, then `findings`, then the rest."""

    partitions: Iterable[Partition]
    """The job's features, partitioned; every feature is in exactly one partition."""
    findings: Iterable[Finding] = ()
    """What is known about features before they are processed."""
    estimate: Mapping[str, float] = field(default_factory=dict)
    """Expected features, acquisitions, bytes, minutes and processing units."""
    script: str | None = None
    """Text of the evalscript, if it lies in a bucket: all partitions run the text that was analysed, whatever lies
    there later."""
    hints: tuple[str, ...] = ()
    """Remarks about the job as a whole: what is allowed but most likely not meant."""
