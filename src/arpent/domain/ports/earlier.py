"""The port of earlier results: rows computed by an earlier request, which a later one need not compute again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from arpent.domain.calculation import Calculations
from arpent.domain.interval import Interval
from arpent.domain.result import IntervalResult


class EarlierRows(Protocol):
    """The results of an earlier request for the n features of a partition."""

    def known(self, interval: Interval, states: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """(n,): whether there are numbers for the feature in this interval, computed from the same imagery. `states`
        (n,): fingerprints of the imagery now. Raises nothing."""

    def results(self, interval: Interval, wanted: NDArray[np.bool_], items: Sequence[str]) -> Iterator[IntervalResult]:
        """The numbers of the `wanted` (n,) features, all of which must be known. `items`: ids of the interval's items,
        in mosaicking order. Raises nothing."""


class EarlierResults(Protocol):
    """The results of an earlier request."""

    def rows_of(
        self,
        request: str,
        features: NDArray[np.uint8],
        calculations: Calculations,
        integer: Callable[[str, str], bool],
    ) -> EarlierRows:
        """The rows of these features. `request`, `features` (n, 16): fingerprints of the new request; `integer`:
        whether the histogram edges of an (output, band) are integers. Rows with another request fingerprint are left
        out, and so are rows of tables that have changed since. Raises StorageDenied, StorageUnavailable."""
