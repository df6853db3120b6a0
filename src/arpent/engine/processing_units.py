"""Processing units: the price of a request, computed by the real service's formula (sentinelhub.md 7)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from arpent.domain.evalscript import DATA_MASK

REFERENCE_AREA = 512 * 512
"""Number of samples that cost one unit with REFERENCE_BANDS bands."""
LEAST_AREA = 0.01
"""Minimum of the area factor; it applies to this factor and not to the product of all (sentinelhub.md 7)."""
REFERENCE_BANDS = 3
"""Number of bands that cost one unit with REFERENCE_AREA samples."""
LEAST_REQUEST = 0.01
"""Minimum price of a synchronous request (sentinelhub.md 7)."""


def area(sample_count: NDArray[np.int64]) -> NDArray[np.float64]:
    """(n,): area factor of each feature; the whole grid counts, not only the samples inside the polygon."""
    return np.maximum(sample_count / REFERENCE_AREA, LEAST_AREA)


def band_samples(inputs: Iterable[tuple[Sequence[str], int]]) -> float:
    """Factor B x S of one interval, from (bands, samples per pixel) of each input. dataMask counts only if it is the
    only band."""
    return sum(_counted(bands) * samples for bands, samples in inputs) / REFERENCE_BANDS


def fusion(collections: Iterable[str]) -> int:
    """Factor of data fusion: the number of distinct collections (sentinelhub.md 7). All collections count as being in
    the same deployment."""
    return len(set(collections))


def _counted(bands: Sequence[str]) -> int:
    return sum(band != DATA_MASK for band in bands) or len(bands)


def processing_units(sample_count: NDArray[np.int64], weights: NDArray[np.float64]) -> float:
    """Processing units of n features; `weights` (n,) are their `band_samples`, summed over the intervals with data."""
    return float(np.sum(area(sample_count) * weights))
