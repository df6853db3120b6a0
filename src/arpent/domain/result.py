"""Result: the statistics of one partition, as columns over its features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from arpent.domain.feature import Features
from arpent.domain.interval import Interval


class ErrorType(StrEnum):
    """Type of an error on the wire: why an interval or a feature has no statistics (sentinelhub.md 1.5)."""

    BAD_REQUEST = "BAD_REQUEST"
    EXECUTION_ERROR = "EXECUTION_ERROR"
    TIMEOUT = "TIMEOUT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a feature or an interval has no statistics."""

    type: ErrorType
    """Type of the error on the wire."""
    message: str
    """What happened and how to fix it, for users."""
    passing: bool = False
    """Whether trying again may succeed."""
    unforeseen: bool = False
    """Whether the error is unexpected, so that neither the request nor the feature is known to be at fault."""
    kind: str = "failed"
    """Kind of the finding about this failure; the same as that of a finding by the analysis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistogramCounts:
    """Histograms of one band for n features."""

    edges: NDArray[np.float64]
    """(b + 1,) if all features share the edges; otherwise flat, with the edges of feature k at
    `edge_offsets[k]:edge_offsets[k + 1]`."""
    counts: NDArray[np.int64]
    """(n, b) if all features share the edges; otherwise flat, with the counts of feature k at
    `count_offsets[k]:count_offsets[k + 1]`."""
    edge_offsets: NDArray[np.int64] | None
    """(n + 1,); None if all features share the edges. An empty slice means no histogram, since there is no valid sample
    to take edges from; a single edge means no bins, since the given edge leaves no room for one."""
    count_offsets: NDArray[np.int64] | None
    """(n + 1,); None if all features share the edges."""
    underflow: NDArray[np.int64]
    """(n,): valid samples below the first edge."""
    overflow: NDArray[np.int64]
    """(n,): valid samples above the last edge."""
    integer: bool
    """Whether edges are written as JSON integers."""


PLAIN_STATISTICS = 6
"""Number of statistics that every band has per feature: min, max, mean, stDev and two counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BandStatistics:
    """Statistics of one band of one output for n features; NaN where no sample is valid."""

    minimum: NDArray[np.float64]
    """(n,): smallest valid sample."""
    maximum: NDArray[np.float64]
    """(n,): largest valid sample."""
    mean: NDArray[np.float64]
    """(n,): mean of the valid samples."""
    standard_deviation: NDArray[np.float64]
    """(n,): population standard deviation of the valid samples (sentinelhub.md 3.3)."""
    sample_count: NDArray[np.int64]
    """(n,): number of samples of the grid, inside the polygon or not."""
    no_data_count: NDArray[np.int64]
    """(n,): number of samples that are not valid, including those outside the polygon."""
    percentiles: NDArray[np.float64] | None = None
    """(n, k) in the order requested; None if none were requested."""
    ranks: tuple[float, ...] = ()
    """The k of each percentile column."""
    histogram: HistogramCounts | None = None
    """Histogram counts; None if none were requested."""
    more: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    """Name of an additional statistic, or table column of the share of a class → (n,)."""

    @property
    def count(self) -> int:
        """Total number of values, over all features."""
        found = (PLAIN_STATISTICS + len(self.more)) * len(self.mean)
        if self.percentiles is not None:
            found += self.percentiles.size
        if self.histogram is not None:
            found += self.histogram.edges.size + self.histogram.counts.size
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalResult:
    """Statistics of one interval of one partition of n features."""

    interval: Interval
    """The interval of the statistics."""
    present: NDArray[np.bool_]
    """(n,): whether any item covers the feature; if not, its result omits this interval (sentinelhub.md 3.2)."""
    outputs: Mapping[str, Mapping[str, BandStatistics]]
    """Output id → band → statistics."""
    failures: Mapping[int, Failure] = field(default_factory=dict)
    """Row of a feature → why it has no statistics in this interval."""
    items: tuple[str, ...] = ()
    """Ids of the items considered."""
    band_samples: float = 0.0
    """Input bands times data samples per pixel, divided by three: the factor B x S of the processing units
    (sentinelhub.md 7)."""
    used: NDArray[np.bool_] | None = None
    """(items, n): whether the item contributed samples to the feature (provenance); None if not recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprints:
    """Hashes of everything that the numbers of n features depend on; a later request keeps numbers whose fingerprints
    have not changed."""

    request: str
    """Hash of what all features share (script, inputs, sampling, calculations), hexadecimal."""
    features: NDArray[np.uint8]
    """(n, 16): hashes of the geometries."""
    states: Mapping[Interval, NDArray[np.uint64]]
    """Interval → (n,): hash of the items that cover each feature."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionResult:
    """The statistics of one partition of n features."""

    features: Features
    """The partition's features."""
    intervals: tuple[IntervalResult, ...]
    """Results by interval, ascending."""
    geometry_pixel_count: NDArray[np.int64]
    """(n,): samples inside each polygon."""
    failures: Mapping[int, Failure] = field(default_factory=dict)
    """Row of a feature → why it failed in all intervals."""
    processing_units: float = 0.0
    """Processing units of the partition (sentinelhub.md 7)."""
    fingerprints: Fingerprints | None = None
    """Fingerprints of the numbers; None if they are not needed."""
    tiny: NDArray[np.bool_] | None = None
    """(n,): whether the polygon is smaller than a sample, or at most one sample belongs to it; None if not requested.
    """
    kept: NDArray[np.int64] | None = None
    """(n,): number of intervals whose numbers were computed by an earlier request; None: no such intervals."""
