"""The port of earlier results: rows that an earlier request computed, so that a later one need not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from arpent.domain.calculation import Calculations
from arpent.domain.interval import Interval
from arpent.domain.result import IntervalResult


class EarlierRows(Protocol):
    """What an earlier request computed for the n features of a partition."""

    def known(self, interval: Interval, states: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """(n,): whether there are numbers of the feature in this interval, made of the same imagery: `states` (n,).
        Raises nothing."""

    def results(self, interval: Interval, wanted: NDArray[np.bool_], items: Sequence[str]) -> Iterator[IntervalResult]:
        """The numbers of the features `wanted` (n,), all of them known. `items`: ids of the interval's items, in
        mosaicking order. Raises nothing."""


class EarlierResults(Protocol):
    """The results of an earlier request."""

    def rows_of(
        self,
        request: str,
        features: NDArray[np.uint8],
        calculations: Calculations,
        integer: Callable[[str, str], bool],
    ) -> EarlierRows:
        """Of these features. `request`, `features` (n, 16): fingerprints; `integer`: whether the edges of a histogram
        are integers, by output and band. What another request computed, or whose table has changed since, is not among
        them. Raises StorageDenied, StorageUnavailable."""
