"""Target: where the samples of one band of one scene go, and what they become on the way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arpent.raster.units import Conversion


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Destination of one band of one item."""

    values: NDArray[np.generic]
    """(N,): digital numbers; written wherever this band has data, final once all bands have."""
    filled: NDArray[np.uint8]
    """(N,): not 0 where an earlier item of the scene has given data; such samples are left alone."""
    hits: NDArray[np.uint8]
    """(N,): how many bands of the item at hand have data at the sample."""
    conversion: Conversion
    """What becomes of a stored number."""
