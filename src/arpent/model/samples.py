"""Samples: the pixels of many features as one ragged array."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """The samples inside each feature: those of feature k are `[offsets[k]:offsets[k + 1]]`, row by row."""

    offsets: NDArray[np.int64]
    """(n + 1,): where each feature's samples begin."""
    columns: NDArray[np.int32]
    """(N,): column in the feature's own grid."""
    rows: NDArray[np.int32]
    """(N,): row in the feature's own grid; 0 is the north."""

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def counts(self) -> NDArray[np.int64]:
        """(n,): samples inside each feature (wire: geometryPixelCount)."""
        return np.diff(self.offsets)
