"""Tally: counts how often each place occurs, in several tables: neighbouring samples often have the same place, and in
a single table each increment would have to wait for the one before."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arpent.domain.boundary.kernel import inner

TABLES = 4
"""Number of tables; the count of a place is the sum over all tables."""


@inner
def tally(places: NDArray[np.unsignedinteger], tables: NDArray[np.int64]) -> None:
    """Count places (n,) in `tables` (TABLES, m), which are used in turn."""
    whole = len(places) - len(places) % TABLES
    for i in range(0, whole, TABLES):
        for table in range(TABLES):
            tables[table, places[i + table]] += 1
    for i in range(whole, len(places)):
        tables[0, places[i]] += 1
