"""Histogram: computes the counts per bin for all features at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from arpent.domain.calculation import MAXIMUM_BINS, Histogram
from arpent.domain.errors import InvalidRequest
from arpent.domain.evalscript import SampleType
from arpent.domain.result import HistogramCounts
from arpent.zonal.bins.counts import count_in_bins
from arpent.zonal.bins.edges import between, prints_integers, shared
from arpent.zonal.reductions import Segments


def check_histogram(histogram: Histogram, sample_type: SampleType, lenient: bool) -> None:
    """Refuse what the real service refuses: edges written as JSON integers for a float output, or as floats for an
    integer output (sentinelhub.md 1.5, 2.4). `lenient` allows both, because JavaScript cannot write 1.0. Raises
    InvalidRequest."""
    if histogram.integer is not None and histogram.integer is not sample_type.integer and not lenient:
        kind = "integer" if histogram.integer else "float"
        raise InvalidRequest(
            f"sampleType {sample_type} mis-matched with corresponding histogram of type {kind}",
            (("calculations->histograms", f"sampleType {sample_type} mis-matched with histogram of type {kind}"),),
        )
    bins = histogram.known_bins
    if bins is not None and bins > MAXIMUM_BINS:
        raise InvalidRequest.at(
            "calculations->histograms", f"{bins} bins are more than the {MAXIMUM_BINS} a histogram may have."
        )


class FixedHistogram:
    """Counts samples, which may be added in parts, in bins that do not depend on them; made by `fixed_histogram`."""

    def __init__(self, edges: NDArray[np.float64], integer: bool, count: int) -> None:
        """`edges` (b + 1,): the same for all features; `count`: number of features."""
        self._edges, self._integer = edges, integer
        self._counts = np.zeros((count, len(edges) - 1), np.int64)
        self._tails = np.zeros((2, count), np.int64)

    def add(self, segments: Segments, rows: NDArray[np.int64]) -> None:
        """Count samples inside and outside the polygons of the features `rows` (k,), each of which occurs once."""
        counts, tails = np.zeros((len(rows), self._counts.shape[1]), np.int64), np.zeros((2, len(rows)), np.int64)
        edge_offsets, count_offsets = np.zeros(len(rows) + 1, np.int64), np.arange(len(rows) + 1) * counts.shape[1]
        _count(segments, self._edges, edge_offsets, count_offsets, counts.reshape(-1), tails)
        self._counts[rows] += counts
        self._tails[:, rows] += tails

    def finish(self) -> HistogramCounts:
        """The counts of all samples added so far."""
        return HistogramCounts(
            edges=self._edges,
            counts=self._counts,
            edge_offsets=None,
            count_offsets=None,
            underflow=self._tails[0],
            overflow=self._tails[1],
            integer=self._integer,
        )


def fixed_histogram(wish: Histogram, sample_type: SampleType, count: int) -> FixedHistogram | None:
    """The histogram of `count` features with bins [low, high), the last one closed; other samples are underflow or
    overflow (sentinelhub.md 3.3). None if edges depend on the samples."""
    integer = prints_integers(wish, sample_type)
    common = shared(wish, integer)
    return None if common is None else FixedHistogram(common, integer, count)


def histogram_of_samples(
    wish: Histogram,
    sample_type: SampleType,
    segments: Segments,
    extremes: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> HistogramCounts:
    """Histograms in which edges that `wish` does not state are the extremes of each feature's samples. `extremes`: min
    and max of each feature (n,), NaN if it has no valid sample; it then has no histogram (an empty slice of edges). If
    all samples lie beyond a stated edge, the feature has only that edge, no bin, and underflow or overflow."""
    n = len(segments.counts)
    integer = prints_integers(wish, sample_type)
    low, high = _finite(segments, *extremes)
    low = low if wish.low_edge is None else np.where(np.isnan(low), np.nan, wish.low_edge)
    high = high if wish.high_edge is None else np.where(np.isnan(high), np.nan, wish.high_edge)
    edges, edge_offsets = between(wish, low, high, integer)
    count_offsets = np.zeros(n + 1, np.int64)
    np.cumsum(np.maximum(np.diff(edge_offsets) - 1, 0), out=count_offsets[1:])
    counts = np.zeros(int(count_offsets[-1]), np.int64)
    tails = np.zeros((2, n), np.int64)
    _count(segments, edges, edge_offsets, count_offsets, counts, tails)
    return HistogramCounts(
        edges=edges,
        counts=counts,
        edge_offsets=edge_offsets,
        count_offsets=count_offsets,
        underflow=tails[0],
        overflow=tails[1],
        integer=integer,
    )


def joined_histograms(parts: Sequence[HistogramCounts]) -> HistogramCounts:
    """Concatenate the histograms of several groups of features, in which every feature has its own edges."""
    return HistogramCounts(
        edges=np.concatenate([part.edges for part in parts]),
        counts=np.concatenate([part.counts for part in parts]),
        edge_offsets=_joined_offsets([part.edge_offsets for part in parts]),
        count_offsets=_joined_offsets([part.count_offsets for part in parts]),
        underflow=np.concatenate([part.underflow for part in parts]),
        overflow=np.concatenate([part.overflow for part in parts]),
        integer=parts[0].integer,
    )


def _joined_offsets(parts: Sequence[NDArray[np.int64] | None]) -> NDArray[np.int64]:
    lengths = [np.diff(part) for part in parts if part is not None]
    return np.append(0, np.cumsum(np.concatenate(lengths)))


def _finite(
    segments: Segments, low: NDArray[np.float64], high: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n,) minima and (n,) maxima of the finite samples: infinity has no bin and counts as underflow or overflow."""
    rows = np.flatnonzero(np.isinf(low) | np.isinf(high))
    if not len(rows):
        return low, high
    low, high = low.copy(), high.copy()
    for row in rows:
        begin = segments.offsets[row]
        samples = segments.samples[begin : begin + segments.counts[row]].astype(np.float64)
        if segments.weights[row]:
            samples = np.append(samples, segments.extra[row])
        samples = samples[np.isfinite(samples)]
        low[row], high[row] = (samples.min(), samples.max()) if len(samples) else (np.nan, np.nan)
    return low, high


def _count(
    segments: Segments,
    edges: NDArray[np.float64],
    edge_offsets: NDArray[np.int64],
    count_offsets: NDArray[np.int64],
    counts: NDArray[np.int64],
    tails: NDArray[np.int64],
) -> None:
    """Count the samples inside the polygons, then those outside, which are a segment with one weighted sample."""
    ones = np.ones_like(segments.counts)
    inside = (segments.samples, segments.offsets, segments.counts, ones)
    count_in_bins(inside, edges, edge_offsets, count_offsets, counts, tails)
    if segments.weights.any():
        single = segments.extra.astype(np.float32)
        outside = (single, np.arange(len(ones) + 1), np.minimum(segments.weights, 1), segments.weights)
        count_in_bins(outside, edges, edge_offsets, count_offsets, counts, tails)
