"""Outside: what the script returned for the samples of a grid that lie outside the polygon."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """One answer per feature: the script sees the same there everywhere, bands 0 and dataMask 0 (FACTS 3.3, 5.2)."""

    value: NDArray[np.float64]
    """(n,): raw script output of the band."""
    valid: NDArray[np.bool_]
    """(n,): the script's mask there; False unless it ignores the input's dataMask."""
