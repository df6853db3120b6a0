"""Reductions: holds the samples of all features as slices of one array, and finds ranks in all at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numba import njit
from numpy.typing import NDArray

from arpent.zonal.candidates import candidates
from arpent.zonal.sort import sort_few

SMALL = 24
"""Segments up to this length are sorted with insertion sort."""
DEPTH = 64
"""Maximum number of waiting slices in `_select`; beyond it a slice is sorted completely."""
LARGE = 1 << 14
"""Segments of at least this length are not reordered; only copies of the candidates for the ranks are."""
TIGHT = 0.9
"""If samples use less than this share of their array's memory, they are copied to an array of their own."""
JOINED = 1 << 22
"""Approximate number of samples that are joined at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segments:
    """The converted valid samples of each of n features, and one value that stands for all samples outside its
    polygon."""

    samples: NDArray[np.float32]
    """(N,): the samples of feature k are `[offsets[k]:offsets[k] + counts[k]]`, in any order."""
    offsets: NDArray[np.int64]
    """(n + 1,): where each feature's slice begins."""
    counts: NDArray[np.int64]
    """(n,): number of valid samples inside the polygon."""
    weights: NDArray[np.int64]
    """(n,): number of valid samples outside the polygon; usually 0."""
    extra: NDArray[np.float64]
    """(n,): value of the samples outside the polygon."""

    def tight(self) -> Segments:
        """These segments, with the samples in an array that holds little more than them."""
        whole = self.samples.base
        if whole is None or len(self.samples) >= TIGHT * whole.size:
            return self
        return replace(self, samples=self.samples.copy())


def contiguous(samples: NDArray[np.float32], counts: NDArray[np.int64]) -> Segments:
    """Segments from samples stored feature after feature, `counts` (n,) of each, with none outside the polygons."""
    n = len(counts)
    offsets = np.append(0, np.cumsum(counts))
    return Segments(samples=samples, offsets=offsets, counts=counts, weights=np.zeros(n, np.int64), extra=np.zeros(n))


def no_samples(weights: NDArray[np.int64], extra: NDArray[np.float64]) -> Segments:
    """Segments with no samples inside the polygons, only the given ones outside."""
    n = len(weights)
    return Segments(
        samples=np.empty(0, np.float32),
        offsets=np.zeros(n + 1, np.int64),
        counts=np.zeros(n, np.int64),
        weights=weights,
        extra=extra,
    )


def join_parts(
    parts: Sequence[tuple[Segments, NDArray[np.int64]]],
    weights: NDArray[np.int64],
    extra: NDArray[np.float64],
    most: int = JOINED,
) -> Iterator[Segments]:
    """Join the samples of all parts with those outside the polygons (`weights`, `extra`). Yields the segments of a few
    features at a time, about `most` samples, so that few samples are in memory twice. Each part has segments (k,) and
    the features (k,), ascending, that these belong to."""
    counts = np.zeros_like(weights)
    for part, rows in parts:
        counts[rows] += part.counts
    if not len(counts):
        yield no_samples(weights, extra)
    if len(parts) == 1 and len(parts[0][1]) == len(counts):
        yield replace(parts[0][0], weights=weights, extra=extra)
        return
    ends, first = np.cumsum(counts), 0
    while first < len(counts):
        before = ends[first] - counts[first]
        last = max(first + 1, int(np.searchsorted(ends, before + most, side="right")))
        offsets = np.append(0, ends[first:last] - before)
        samples, filled = np.empty(int(offsets[-1]), np.float32), offsets[:-1].copy()
        for part, rows in parts:
            low, high = np.searchsorted(rows, (first, last))
            mine = slice(low, high)
            _append(part.samples, part.offsets[mine], part.counts[mine], rows[mine] - first, samples, filled)
        yield Segments(
            samples=samples,
            offsets=offsets,
            counts=counts[first:last],
            weights=weights[first:last],
            extra=extra[first:last],
        )
        first = last


# The kernels below rely on counts that fit their slices, as `sample_type.compact` makes them.


@njit(cache=True, nogil=True, error_model="numpy")
def _append(
    samples: NDArray[np.float32],
    offsets: NDArray[np.int64],
    counts: NDArray[np.int64],
    rows: NDArray[np.int64],
    out: NDArray[np.float32],
    ends: NDArray[np.int64],
) -> None:
    """Append each segment to the samples of its feature in `out`, which end at `ends`; `out` has room for all."""
    for k in range(len(counts)):
        end = ends[rows[k]]
        for i in range(counts[k]):
            out[end + i] = samples[offsets[k] + i]
        ends[rows[k]] = end + counts[k]


@njit(cache=True, nogil=True, error_model="numpy")
def _middle(a: float, b: float, c: float) -> float:
    return max(min(a, b), min(max(a, b), c))


@njit(cache=True, nogil=True, error_model="numpy")
def _pivot(samples: NDArray[np.float32], begin: int, end: int) -> float:
    """Median of three samples, or of nine for long slices."""
    n = end - begin
    mid = begin + n // 2
    if n < 128:
        return _middle(samples[begin], samples[mid], samples[end - 1])
    e = n // 8
    return _middle(
        _middle(samples[begin], samples[begin + e], samples[begin + 2 * e]),
        _middle(samples[mid - e], samples[mid], samples[mid + e]),
        _middle(samples[end - 1 - 2 * e], samples[end - 1 - e], samples[end - 1]),
    )


@njit(cache=True, nogil=True, error_model="numpy")
def _split(samples: NDArray[np.float32], begin: int, end: int, pivot: float) -> tuple[int, int]:
    """Move samples below the pivot to the front; returns the position where the others begin. If few were below,
    samples equal to the pivot are moved next, and the second number is where they end. Has no branches."""
    cut = np.uint64(begin)
    for i in range(np.uint64(begin), np.uint64(end)):
        x = samples[i]
        samples[i] = samples[cut]
        samples[cut] = x
        cut += np.uint64(x < pivot)
    equal = cut
    if 8 * (np.int64(cut) - begin) > end - begin:
        return int(np.int64(cut)), int(np.int64(cut))
    for i in range(cut, np.uint64(end)):
        x = samples[i]
        samples[i] = samples[equal]
        samples[equal] = x
        equal += np.uint64(x == pivot)
    return int(np.int64(cut)), int(np.int64(equal))


@njit(cache=True, nogil=True, error_model="numpy")
def _select(
    samples: NDArray[np.float32], begin: int, end: int, wanted: NDArray[np.int64], todo: NDArray[np.int64]
) -> None:
    """Reorder `samples[begin:end]` until each position in `wanted` (ascending, absolute) holds the sample that a sort
    would put there: quickselect for many ranks, with samples equal to the pivot set aside. `todo` (DEPTH, 4): scratch
    space."""
    todo[0, 0], todo[0, 1], todo[0, 2], todo[0, 3] = begin, end, 0, len(wanted)
    depth = 1
    budget = 64 * (end - begin)
    while depth > 0:
        depth -= 1
        begin, end, first, last = todo[depth, 0], todo[depth, 1], todo[depth, 2], todo[depth, 3]
        if end - begin <= SMALL:
            sort_few(samples, begin, end)
            continue
        budget -= end - begin
        if depth + 2 > DEPTH or budget < 0:
            samples[begin:end].sort()  # the pivots were repeatedly bad
            continue
        cut, equal = _split(samples, begin, end, _pivot(samples, begin, end))
        a = first
        while a < last and wanted[a] < cut:
            a += 1
        b = a
        while b < last and wanted[b] < equal:
            b += 1
        if first < a:
            todo[depth, 0], todo[depth, 1], todo[depth, 2], todo[depth, 3] = begin, cut, first, a
            depth += 1
        if b < last:
            todo[depth, 0], todo[depth, 1], todo[depth, 2], todo[depth, 3] = equal, end, b, last
            depth += 1


@njit(cache=True, nogil=True, error_model="numpy")
def pick(
    samples: NDArray[np.float32],
    offsets: NDArray[np.int64],
    counts: NDArray[np.int64],
    weights: NDArray[np.int64],
    extra: NDArray[np.float64],
    ranks: NDArray[np.int64],
    out: NDArray[np.float64],
) -> None:
    """Write to `out` (n, k) the sample of each segment that has each of the `ranks` (n, k), 0-based and ascending in a
    row; NaN for an empty segment. `extra[k]` counts `weights[k]` times. Reorders samples within segments. A rank is
    below `counts + weights`, so after subtracting the weight it lies in the slice."""
    todo = np.empty((DEPTH, 4), np.int64)
    wanted = np.empty(ranks.shape[1], np.int64)
    for k in range(len(counts)):
        begin, end, weight = offsets[k], offsets[k] + counts[k], weights[k]
        if counts[k] + weight == 0:
            out[k] = np.nan
            continue
        below = 0
        if weight > 0:
            for i in range(begin, end):
                below += samples[i] < extra[k]
        count = 0
        for j in range(ranks.shape[1]):
            rank = ranks[k, j]
            if weight == 0 or rank < below:
                wanted[count] = begin + rank
                count += 1
            elif rank >= below + weight:
                wanted[count] = begin + rank - weight
                count += 1
        chosen = samples
        if count > 0 and end - begin >= LARGE:
            wanted[:count] -= begin
            chosen = candidates(samples[begin:end], wanted[:count])
            begin, end = 0, len(chosen)
        if count > 0:
            _select(chosen, begin, end, wanted[:count], todo)
        count = 0
        for j in range(ranks.shape[1]):
            rank = ranks[k, j]
            if weight > 0 and below <= rank < below + weight:
                out[k, j] = extra[k]
            else:
                out[k, j] = chosen[wanted[count]]
                count += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsideSample:
    """What the script returns for samples outside each polygon. There all bands and dataMask are 0, so one answer per
    feature suffices (sentinelhub.md 3.3, 5.2)."""

    value: NDArray[np.float64]
    """(n,): value that the script returned for the band, not converted."""
    valid: NDArray[np.bool_]
    """(n,): the script's mask for these samples; True only if the script ignores the input's dataMask."""
