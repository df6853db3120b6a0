"""Percentiles: which sample of a sorted segment is the k-th percentile, exactly."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

LARGEST = 2**62
"""Products up to here fit int64."""


def ranks(counts: NDArray[np.int64], percentiles: Sequence[float]) -> NDArray[np.int64]:
    """(n, k): 0-based rank `min(n - 1, floor(n * k / 100))` in segments of `counts` (n,) samples (FACTS 3.3).

    k is taken as the decimal number that was written (33.3, not its nearest double), so that 99.9 of 1000 samples is
    rank 999 and never 998.
    """
    out = np.empty((len(counts), len(percentiles)), np.int64)
    largest = int(counts.max(initial=0))
    for column, k in enumerate(percentiles):
        share = Fraction(repr(float(k))) / 100
        if largest * share.numerator < LARGEST and share.denominator < LARGEST:
            rank = counts * share.numerator // share.denominator
        else:
            rank = np.array([int(n) * share.numerator // share.denominator for n in counts], np.int64)
        out[:, column] = np.minimum(rank, counts - 1)
    return out
