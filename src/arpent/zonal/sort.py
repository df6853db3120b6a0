"""Sort: whole numbers, inside kernels; numba's own sort takes seconds to compile."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arpent.domain.boundary.kernel import inner


@inner
def sort_few(crossings: NDArray[np.int32], begin: int, end: int) -> None:
    """Sort `crossings[begin:end]` by insertion."""
    for i in range(begin + 1, end):
        crossing = crossings[i]
        j = i
        while j > begin and crossings[j - 1] > crossing:
            crossings[j] = crossings[j - 1]
            j -= 1
        crossings[j] = crossing


@inner
def sort_many(crossings: NDArray[np.int32], begin: int, end: int) -> None:
    """Sort `crossings[begin:end]`, many by a heap."""
    if end - begin <= 48:
        sort_few(crossings, begin, end)
        return
    for root in range((end - begin) // 2 - 1, -1, -1):
        _sift(crossings[begin:end], root)
    for last in range(end - 1, begin, -1):
        crossings[begin], crossings[last] = crossings[last], crossings[begin]
        _sift(crossings[begin:last], 0)


@inner
def _sift(heap: NDArray[np.int32], root: int) -> None:
    """Move the crossing at `root` down until none below it is larger."""
    crossing, child = heap[root], 2 * root + 1
    while child < len(heap):
        if child + 1 < len(heap) and heap[child + 1] > heap[child]:
            child += 1
        if heap[child] <= crossing:
            break
        heap[root] = heap[child]
        root, child = child, 2 * child + 1
    heap[root] = crossing
