"""Result: the numbers of one partition, as columns over its features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from arpent.domain.feature import Features
from arpent.domain.interval import Interval


class ErrorType(StrEnum):
    """Why an interval or a feature has no numbers (sentinelhub.md 1.5)."""

    BAD_REQUEST = "BAD_REQUEST"
    EXECUTION_ERROR = "EXECUTION_ERROR"
    TIMEOUT = "TIMEOUT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A reason a person can act on."""

    type: ErrorType
    """The wire's type."""
    message: str
    """What happened and what to do."""
    passing: bool = False
    """The cause may pass: another try may bring numbers."""
    unforeseen: bool = False
    """Nobody foresaw it: neither the request nor the feature is to blame, as far as anybody knows."""
    kind: str = "failed"
    """Kind of the finding that tells it; what the analysis found already has that kind again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistogramCounts:
    """Histograms of one band for n features."""

    edges: NDArray[np.float64]
    """(b + 1,) when all features share them; else flat, those of feature k at `edge_offsets[k]:edge_offsets[k + 1]`."""
    counts: NDArray[np.int64]
    """(n, b) when edges are shared; else flat, those of feature k at `count_offsets[k]:count_offsets[k + 1]`."""
    edge_offsets: NDArray[np.int64] | None
    """(n + 1,), None when edges are shared; an empty slice: no histogram (no valid sample to take edges
    from); one edge: no bins, since the edge that was given leaves no room for any."""
    count_offsets: NDArray[np.int64] | None
    """(n + 1,), None when edges are shared."""
    underflow: NDArray[np.int64]
    """(n,): valid samples below the first edge."""
    overflow: NDArray[np.int64]
    """(n,): valid samples above the last edge."""
    integer: bool
    """Edges are written as JSON integers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BandStatistics:
    """Statistics of one band of one output for n features; NaN where no sample is valid."""

    minimum: NDArray[np.float64]
    """(n,)."""
    maximum: NDArray[np.float64]
    """(n,)."""
    mean: NDArray[np.float64]
    """(n,)."""
    standard_deviation: NDArray[np.float64]
    """(n,): population (sentinelhub.md 3.3)."""
    sample_count: NDArray[np.int64]
    """(n,): all samples of the grid, inside the polygon or not."""
    no_data_count: NDArray[np.int64]
    """(n,): samples that do not count."""
    percentiles: NDArray[np.float64] | None = None
    """(n, k) in the order asked, None if none were."""
    ranks: tuple[float, ...] = ()
    """The k of each percentile column."""
    histogram: HistogramCounts | None = None
    """None if none was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalResult:
    """One interval of one partition."""

    interval: Interval
    """The slice of time."""
    present: NDArray[np.bool_]
    """(n,): some item reaches the feature; without one the interval is left out (sentinelhub.md 3.2)."""
    outputs: Mapping[str, Mapping[str, BandStatistics]]
    """Output id → band → statistics."""
    failures: Mapping[int, Failure] = field(default_factory=dict)
    """Row of a feature → why this interval failed for it."""
    items: tuple[str, ...] = ()
    """Ids of the items that were considered."""
    band_samples: float = 0.0
    """Input bands times data samples per pixel, over three: B x S of the processing units (sentinelhub.md 7)."""
    used: NDArray[np.bool_] | None = None
    """(items, n): which of `items` gave samples to which feature (provenance)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionResult:
    """All numbers of one partition."""

    features: Features
    """The partition's features."""
    intervals: tuple[IntervalResult, ...]
    """Ascending."""
    geometry_pixel_count: NDArray[np.int64]
    """(n,): samples inside each polygon."""
    failures: Mapping[int, Failure] = field(default_factory=dict)
    """Row of a feature → why it failed as a whole."""
    processing_units: float = 0.0
    """What the numbers cost (sentinelhub.md 7)."""
