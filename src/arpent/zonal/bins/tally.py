"""Tally: how often each place comes, counted in several tables: neighbours are alike, and in one table each count would
wait for the one before."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arpent.domain.boundary.kernel import inner

TABLES = 4
"""Tables whose counts add up."""


@inner
def tally(places: NDArray[np.unsignedinteger], tables: NDArray[np.int64]) -> None:
    """Count places (n,) in `tables` (TABLES, m), by turns."""
    whole = len(places) - len(places) % TABLES
    for i in range(0, whole, TABLES):
        for table in range(TABLES):
            tables[table, places[i + table]] += 1
    for i in range(whole, len(places)):
        tables[0, places[i]] += 1
