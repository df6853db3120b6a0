"""Candidates: finds the samples that may have given ranks, by counting all samples in ranges of values of equal width,
called cells."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from arpent.domain.boundary.kernel import inner
from arpent.zonal.bins.tally import TABLES, tally

CELLS = 1024
"""Number of ranges of values."""
PIECE = 1024
"""Number of samples whose cells are computed at once."""
TRIED = 256
"""Approximate number of samples whose extremes determine the cells; the first and the last cell are unbounded."""


@njit(cache=True, nogil=True, error_model="numpy")
def candidates(samples: NDArray[np.float32], wanted: NDArray[np.int64]) -> NDArray[np.float32]:
    """Copies of some `samples` (n,), none of which is NaN, in any order. They include those with the ranks `wanted`
    (k,), ascending, that is, with these indices if `samples` were sorted. `wanted` is overwritten with their ranks
    among the copies."""
    low, per_unit = _range(samples)
    if not per_unit > 0.0:
        return samples.copy()
    places, counts = np.empty(PIECE, np.uint16), np.zeros((TABLES, CELLS), np.int64)
    for first in range(0, len(samples), PIECE):
        piece = samples[first : first + PIECE]
        _place(piece, low, per_unit, places)
        tally(places[: len(piece)], counts)
    chosen = np.zeros(CELLS, np.uint8)
    many = _choose(counts, wanted, chosen)
    found, end = np.empty(many + 1, np.float32), np.uint64(0)  # one more: each is written before it is chosen
    for first in range(0, len(samples), PIECE):
        piece = samples[first : first + PIECE]
        _place(piece, low, per_unit, places)
        for i in range(len(piece)):
            found[end] = piece[i]
            end += np.uint64(chosen[places[i]])
    return found[:many]


@inner
def _range(samples: NDArray[np.float32]) -> tuple[float, float]:
    """Where the cells begin, and how many there are per unit; 0.0 if the samples that are tried are all equal."""
    low, high = math.inf, -math.inf
    for i in range(0, len(samples), max(1, len(samples) // TRIED)):
        x = np.float64(samples[i])
        if math.isfinite(x):
            low, high = min(low, x), max(high, x)
    return (low, CELLS / (high - low)) if low < high else (0.0, 0.0)


@inner
def _place(piece: NDArray[np.float32], low: float, per_unit: float, places: NDArray[np.uint16]) -> None:
    """Write the cell of each sample to `places` (PIECE,). The order is kept: a larger sample never has a lower cell."""
    for i in range(len(piece)):
        place = (np.float64(piece[i]) - low) * per_unit
        places[i] = np.uint16(np.int32(min(max(place, 0.0), CELLS - 1.0)))


@inner
def _choose(counts: NDArray[np.int64], wanted: NDArray[np.int64], chosen: NDArray[np.uint8]) -> int:
    """Mark the cells (CELLS,) that contain the wanted ranks, change `wanted` to the ranks among the samples of these
    cells, and return the number of these samples."""
    below, left_out, column = np.int64(0), np.int64(0), 0
    for cell in range(CELLS):
        count = np.int64(0)
        for table in range(TABLES):
            count += counts[table, cell]
        below += count
        if column < len(wanted) and wanted[column] < below:
            chosen[cell] = 1
            while column < len(wanted) and wanted[column] < below:
                wanted[column] -= left_out
                column += 1
        else:
            left_out += count
    return int(below - left_out)
