"""Sort: sorts numbers inside kernels, because numba's own sort takes seconds to compile."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from arpent.domain.boundary.kernel import inner

MANY = 48
"""Number of values up to which insertion sort is faster than heap sort."""


@inner
def sort_few(values: NDArray[np.number[Any]], begin: int, end: int) -> None:
    """Sort `values[begin:end]` with insertion sort."""
    for i in range(begin + 1, end):
        value = values[i]
        j = i
        while j > begin and values[j - 1] > value:
            values[j] = values[j - 1]
            j -= 1
        values[j] = value


@inner
def sort_many(values: NDArray[np.number[Any]], begin: int, end: int) -> None:
    """Sort `values[begin:end]`, with heap sort if there are more than MANY."""
    if end - begin <= MANY:
        sort_few(values, begin, end)
        return
    for root in range((end - begin) // 2 - 1, -1, -1):
        _sift(values[begin:end], root)
    for last in range(end - 1, begin, -1):
        values[begin], values[last] = values[last], values[begin]
        _sift(values[begin:last], 0)


@inner
def _sift(heap: NDArray[np.number[Any]], root: int) -> None:
    """Move the number at `root` down the heap until none below it is larger."""
    value, child = heap[root], 2 * root + 1
    while child < len(heap):
        if child + 1 < len(heap) and heap[child + 1] > heap[child]:
            child += 1
        if heap[child] <= value:
            break
        heap[root] = heap[child]
        root, child = child, 2 * child + 1
    heap[root] = value
