"""Sorting inside kernels: what NumPy sorts likewise, and nothing beside it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numba import njit
from numpy.typing import NDArray

from arpent.zonal.sort import MANY, sort_few, sort_many


@njit
def few(values: NDArray[np.number[Any]], begin: int, end: int) -> None:
    sort_few(values, begin, end)


@njit
def many(values: NDArray[np.number[Any]], begin: int, end: int) -> None:
    sort_many(values, begin, end)


@pytest.mark.parametrize("sort", [few, many])
@pytest.mark.parametrize("count", [0, 1, 2, 3, MANY, MANY + 1, MANY + 2, 200, 1_001])
def test_as_numpy_sorts(sort: Any, count: int) -> None:
    draw = np.random.default_rng(count)
    for largest in (2, 50, 1 << 30):  # many alike, some, none
        values = draw.integers(-largest, largest, count + 9, np.int32)
        expected = values.copy()
        expected[4 : 4 + count].sort()
        sort(values, 4, 4 + count)
        assert values.tolist() == expected.tolist()
