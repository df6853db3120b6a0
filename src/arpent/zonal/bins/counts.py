"""Histogram counts: counts the samples of many segments in bins, piece by piece."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from arpent.domain.boundary.kernel import inner
from arpent.zonal.bins.tally import TABLES, tally

PIECE = 1024
"""Number of samples whose bins are found at once, with the processor's vectors."""
MANY = 8
"""Number of samples per bin above which counting in several tables is faster."""
FEW = 64
"""Number of edges up to which a sample is compared with every edge."""
NARROW = 2.0**-40
"""If a bin's width is a smaller share of the largest edge than this, it may be too narrow for the rounding of
doubles."""


@njit(cache=True, nogil=True, error_model="numpy")
def count_in_bins(
    slices: tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
    edges: NDArray[np.float64],
    edge_offsets: NDArray[np.int64],
    count_offsets: NDArray[np.int64],
    counts: NDArray[np.int64],
    tails: NDArray[np.int64],
) -> None:
    """Count the samples of each segment in its bins and tails. `slices`: samples, offsets and lengths of segments, and
    the weight of every sample of a segment."""
    samples, offsets, lengths, weights = slices
    places, tables = np.empty(PIECE, np.uint32), np.empty((TABLES, 0), np.int64)
    known, step = np.int64(-1), 0.0
    for k in range(len(lengths)):
        begin, start, first = offsets[k], edge_offsets[k], count_offsets[k]
        bins = count_offsets[k + 1] - first
        if bins <= 0 and edge_offsets[k + 1] <= start:
            continue
        if tables.shape[1] < bins + 2:
            tables = np.zeros((TABLES, bins + 2), np.int64)
        mine = edges[start : start + bins + 1]
        if start != known:  # features may share the edges
            known, step = start, _step(mine)
        _count_segment(
            samples[begin : begin + lengths[k]], mine, step, places, tables, weights[k], counts[first : first + bins],
            tails[:, k],
        )  # fmt: skip


@inner
def _count_segment(  # noqa: PLR0913, PLR0917
    samples: NDArray[np.float32],
    edges: NDArray[np.float64],
    step: float,
    places: NDArray[np.uint32],
    tables: NDArray[np.int64],
    weight: int,
    counts: NDArray[np.int64],
    tails: NDArray[np.int64],
) -> None:
    """Count the samples of one segment, `weight` times each, in the bins (b,) between the edges (b + 1,) and in the
    tails (2,). `step`: see `_step`. `places` (PIECE,) is scratch space, and so is `tables` (TABLES, b + 2 or more),
    which is zero before and after the call."""
    bins = len(counts)
    apart = TABLES if len(samples) >= MANY * bins else 1
    for start in range(0, len(samples), PIECE):
        piece = samples[start : start + PIECE]
        if step > 0.0:
            _divide(piece, edges, step, places)
        elif bins < FEW:
            _compare(piece, edges, places)
        else:
            _search(piece, edges, places)
        if apart > 1:
            tally(places[: len(piece)], tables)
        else:
            for i in range(len(piece)):
                tables[0, places[i]] += 1
    for table in range(apart):
        tails[0] += tables[table, 0] * weight
        tails[1] += tables[table, bins + 1] * weight
        for i in range(bins):
            counts[i] += tables[table, i + 1] * weight
        tables[table, : bins + 2] = 0


@inner
def _step(edges: NDArray[np.float64]) -> float:
    """The width of all bins except the last if edge i is `edges[0] + i * width` in doubles, and rounding moves no edge
    by more than a small part of the width; otherwise 0.0."""
    bins = len(edges) - 1
    if bins < 1:
        return 0.0
    low, high = edges[0], edges[bins]
    for step in ((high - low) / bins, edges[1] - low):
        # A width with an infinite inverse is not used as a divisor: 0 * infinity would give no place.
        divides = NARROW * max(abs(low), abs(high)) < step < np.inf and 1.0 / step < np.inf
        if divides and (high - low) / step < 2.0 * bins:
            even = True
            for i in range(bins):
                even &= edges[i] == low + i * step
            if even:
                return float(step)
    return 0.0


# The place of a sample is 0 below the first edge, the index of its bin plus 1 between the first and last edge, and the
# number of bins plus 1 above the last edge. No sample is NaN. Loops without branches are vectorised.


@inner
def _divide(piece: NDArray[np.float32], edges: NDArray[np.float64], step: float, places: NDArray[np.uint32]) -> None:
    """Write the place of each sample among bins of equal width. Because of rounding, the quotient may give a bin next
    to the right one, so the sample is compared with both edges."""
    bins = float(len(edges) - 1)
    low, high, last, per_unit = edges[0], edges[len(edges) - 1], bins - 1.0, 1.0 / step
    for i in range(len(piece)):
        x = np.float64(piece[i])
        inside = min(max(x, low), high)
        found = min(np.floor((inside - low) * per_unit), last)
        less = 1.0 if inside < low + found * step else 0.0
        more = 1.0 if inside >= low + (found + 1.0) * step else 0.0
        place = min(found - less + more, last) + 1.0
        place = 0.0 if x < low else place
        place = bins + 1.0 if x > high else place
        places[i] = np.uint32(np.int32(place))


@inner
def _compare(piece: NDArray[np.float32], edges: NDArray[np.float64], places: NDArray[np.uint32]) -> None:
    """Write the place of each sample: the number of edges that it reaches; the last edge belongs to the last bin."""
    bins = len(edges) - 1
    for i in range(len(piece)):
        places[i] = np.uint32(np.float64(piece[i]) > edges[bins])
    for edge in range(bins):
        for i in range(len(piece)):
            places[i] += np.uint32(np.float64(piece[i]) >= edges[edge])


@inner
def _search(piece: NDArray[np.float32], edges: NDArray[np.float64], places: NDArray[np.uint32]) -> None:
    """Write the place of each sample, found by binary search."""
    bins = len(edges) - 1
    for i in range(len(piece)):
        x = np.float64(piece[i])
        if x < edges[0]:
            places[i] = 0
        elif x > edges[bins]:
            places[i] = bins + 1
        else:
            low, high = 0, bins
            while high - low > 1:
                middle = (low + high) // 2
                if x >= edges[middle]:
                    low = middle
                else:
                    high = middle
            places[i] = low + 1
