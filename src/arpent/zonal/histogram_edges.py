"""Histogram edges: where the bins of a histogram lie, to the last bit (sentinelhub.md 3.3)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arpent.domain.calculation import MAXIMUM_BINS, Histogram
from arpent.domain.evalscript import SampleType


def prints_integers(histogram: Histogram, sample_type: SampleType) -> bool:
    """Whether edges are whole numbers: an integer output, and no edge written as a float."""
    return sample_type.integer and histogram.integer is not False


def shared(histogram: Histogram, integer: bool) -> NDArray[np.float64] | None:
    """Edges (b + 1,) that do not depend on the samples; None if they do."""
    if histogram.bins is not None:
        return np.array(histogram.bins, np.float64)
    if histogram.low_edge is None or histogram.high_edge is None:
        return None
    edges, _ = between(histogram, np.array([histogram.low_edge]), np.array([histogram.high_edge]), integer)
    return edges


def between(
    histogram: Histogram, low: NDArray[np.float64], high: NDArray[np.float64], integer: bool
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Edges of nBins or binWidth from `low` to `high` (n,): flat, and where those of each begin (n + 1,).

    Edge i is `low + i * step` in doubles. NaN in `low` or `high`: no edges. A `high` below `low` counts as `low`.
    Where the samples ask for more than MAXIMUM_BINS of a width, what lies beyond them is overflow.
    """
    known = ~(np.isnan(low) | np.isnan(high))
    low = np.where(known, low, 0.0)
    extent = np.maximum(np.where(known, high, 0.0) - low, 0.0)
    bins, step = _division(histogram, extent, integer)
    lengths = np.where(known, bins + 1, 0)
    offsets = np.zeros(len(low) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    position = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
    edges = np.repeat(low, lengths) + position * np.repeat(step, lengths)
    if histogram.bin_width is None:
        edges[offsets[1:][known] - 1] = np.maximum(high, low)[known]
    return edges, offsets


def _division(
    histogram: Histogram, extent: NDArray[np.float64], integer: bool
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """How many bins of which width cut each extent (n,)."""
    if histogram.bin_width is not None:
        bins = np.clip(np.ceil(extent / histogram.bin_width), 1, MAXIMUM_BINS).astype(np.int64)
        return bins, np.full(len(extent), float(histogram.bin_width))
    wanted = histogram.bin_count or 1
    if not integer:
        return np.full(len(extent), wanted, np.int64), extent / wanted
    # Integer math: no bin is narrower than 1, and the last one takes what the division leaves.
    bins = np.clip(extent, 1, wanted).astype(np.int64)
    return bins, extent // bins
