"""Givers: which item gave samples to which feature."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray


def givers(used: NDArray[np.int16], offsets: NDArray[np.int64], count: int) -> NDArray[np.bool_]:
    """(count, n): whether an item gave at least one sample to a feature; `used` (N,) is an item per sample or -1,
    `offsets` (n + 1,) cut it by feature."""
    given = np.zeros((count, len(offsets) - 1), np.bool_)
    _mark(used, offsets, given)
    return given


@njit(cache=True, nogil=True)
def _mark(used, offsets, given):  # type: ignore[no-untyped-def]
    for feature in range(len(offsets) - 1):
        last = -1
        for n in range(offsets[feature], offsets[feature + 1]):
            if used[n] != last:
                last = used[n]
                if last >= 0:
                    given[last, feature] = True
