"""Histogram edges: computes the edges of a histogram's bins, exact to the last bit (sentinelhub.md 3.3)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arpent.domain.calculation import MAXIMUM_BINS, Histogram, bins_of_width
from arpent.domain.evalscript import SampleType

CLOSE = 1e-9
"""Relative distance: if a quotient of doubles is this close to a whole number, the exact quotient may be that number or
on its other side."""


def prints_integers(histogram: Histogram, sample_type: SampleType) -> bool:
    """Whether edges are integers: the output has an integer type, and the request writes no edge as a float."""
    return sample_type.integer and histogram.integer is not False


def shared(histogram: Histogram, integer: bool) -> NDArray[np.float64] | None:
    """The edges (b + 1,) if they do not depend on the samples; otherwise None."""
    if histogram.bins is not None:
        return np.array(histogram.bins, np.float64)
    if histogram.low_edge is None or histogram.high_edge is None:
        return None
    edges, _ = between(histogram, np.array([histogram.low_edge]), np.array([histogram.high_edge]), integer)
    return edges


def between(
    histogram: Histogram, low: NDArray[np.float64], high: NDArray[np.float64], integer: bool
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Edges for nBins or binWidth from `low` to `high` (n,): all edges in one array, and (n + 1,) offsets at which
    those of each feature begin.

    Edge i is `low + i * step` in doubles; the last one is `high` if the request states it, so that no bin contains
    anything above it. If `low` or `high` is NaN, there are no edges. If all samples lie beyond an edge that the request
    states, that edge is the only one, and there are no bins. If the samples would need more than MAXIMUM_BINS bins of
    the given width, the samples beyond these count as overflow.
    """
    known = ~(np.isnan(low) | np.isnan(high))
    low, high = np.where(known, low, 0.0), np.where(known, high, 0.0)
    bins, step = _division(histogram, low, high, integer)
    wide = histogram.bin_width is not None
    bins = np.where((high >= low) | (wide and histogram.high_edge is None), bins, 0)
    lengths = np.where(known, bins + 1, 0)
    offsets = np.zeros(len(low) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    position = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
    with np.errstate(over="ignore"):
        edges = np.repeat(low, lengths) + position * np.repeat(step, lengths)
    last = offsets[1:][known] - 1
    edges[last] = _last_edges(histogram, edges[last], high[known], bins[known])
    return edges, offsets


def _last_edges(
    histogram: Histogram, reached: NDArray[np.float64], high: NDArray[np.float64], bins: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(n,): the last edge of each histogram; `reached` (n,): value at which its steps end."""
    if histogram.high_edge is not None:
        end = high
    elif histogram.bin_width is not None:
        end = np.maximum(reached, high)  # rounding must not exclude the largest sample
    else:
        end = np.where(bins > 0, high, reached)
    cut_short = (histogram.bin_width is not None) & (bins == MAXIMUM_BINS) & (reached < high)
    return np.where(cut_short, reached, end)


def _division(
    histogram: Histogram, low: NDArray[np.float64], high: NDArray[np.float64], integer: bool
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """(n,) number of bins and (n,) bin width for the extent from `low` to `high` (n,)."""
    with np.errstate(over="ignore"):
        extent = np.maximum(high - low, 0.0)
    if histogram.bin_width is not None:
        return _by_width(histogram, low, high, extent), np.full(len(extent), float(histogram.bin_width))
    wanted = histogram.bin_count or 1
    if not integer:
        step = np.where(np.isinf(extent), high / wanted - low / wanted, extent / wanted)
        return np.full(len(extent), wanted, np.int64), step
    # Integer division: no bin is narrower than 1, and the last bin includes the remainder.
    bins = np.clip(extent, 1, wanted).astype(np.int64)
    return bins, extent // bins


def _by_width(
    histogram: Histogram, low: NDArray[np.float64], high: NDArray[np.float64], extent: NDArray[np.float64]
) -> NDArray[np.int64]:
    """(n,): number of bins, at least one. If the quotient of doubles is close to a whole number, the exact quotient is
    used."""
    width = float(histogram.bin_width or 1.0)
    quotient = np.minimum(extent / width, MAXIMUM_BINS + 1.0)
    bins = np.ceil(quotient)
    close = np.abs(quotient - np.rint(quotient)) <= CLOSE * np.maximum(quotient, 1.0)
    whole = (width % 1 == 0) & (low % 1 == 0) & (high % 1 == 0)
    for row in np.flatnonzero(close & ~whole & (quotient <= MAXIMUM_BINS) & (extent > 0)).tolist():
        given = histogram.low_edge is not None, histogram.high_edge is not None
        bins[row] = bins_of_width(low[row], high[row], width, low_given=given[0], high_given=given[1])
    return np.clip(bins, 1, MAXIMUM_BINS).astype(np.int64)
