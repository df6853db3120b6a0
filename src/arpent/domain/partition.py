"""Partition: a set of features that are processed and retried together. Analysis: the result of analysing a job."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from arpent.domain.feature import Features
from arpent.domain.finding import Finding
from arpent.domain.job import NO_ROWS, RowCounts

MOST_SUSPECTS = 16
"""Maximum number of parts of one partition that may lack a result at the same time, while the partition is bisected to
find the features that kill their worker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """One unit of work of a job."""

    number: int
    """Number of the partition, from 0, unique within the job."""
    features: Features
    """The features, close to each other and ordered by the imagery's blocks."""
    round: int = 0
    """How many times START has reopened the job's failed features; from 1 on the partition holds only those."""
    again: bool = False
    """Whether a worker has had this partition before, and may have written results."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Counts and findings of a processed partition; its results are already written."""

    done: int
    """Number of features whose file holds statistics."""
    failed: int
    """Number of features whose file holds an error."""
    incomplete: int = 0
    """Number of features done that lack intervals that may succeed if processed again."""
    settled: RowCounts = NO_ROWS
    """Rows of the features that another START does not process again."""
    unsettled: RowCounts = NO_ROWS
    """Rows of the features that another START processes again."""
    findings: tuple[Finding, ...] = ()
    """Why features failed."""
    processing_units: float = 0.0
    """Processing units of the partition (sentinelhub.md 7)."""
    bytes_read: int = 0
    """Compressed bytes read from images."""
    seconds: tuple[tuple[str, float], ...] = ()
    """(stage, seconds spent in it), for metrics."""


def halves(features: Features) -> tuple[Features, Features]:
    """The first and the second half of the features, in order; the first has one more if the number is odd."""
    first, second = np.array_split(np.arange(len(features)), 2)
    return features.take(first), features.take(second)


def to_retry(features: Features, reasons: Collection[int], least: int) -> Features:
    """The features whose ids are in `reasons`.

    `least` is the number of features known to need another try. If `reasons` has fewer, all features are returned, so
    that none is missed.
    """
    rows = np.flatnonzero(np.isin(features.ids, np.array(list(reasons), np.int64)))
    return features.take(rows if len(rows) >= least else np.arange(len(features)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """Result of analysing a job. It may be lazy: consume all of `partitions` first, then `findings`, then the rest."""

    partitions: Iterable[Partition]
    """The job's features; every feature is in exactly one partition."""
    findings: Iterable[Finding] = ()
    """Findings about features, made before they are processed."""
    estimate: Mapping[str, float] = field(default_factory=dict)
    """Expected features, acquisitions, bytes, minutes and processing units."""
    script: str | None = None
    """Text of the evalscript if it is stored in a bucket: all partitions run the text that was analysed, even if the
    object changes later."""
    hints: tuple[str, ...] = ()
    """Remarks about the job as a whole: things that are allowed but probably not intended."""
