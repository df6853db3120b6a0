"""Pixel coverage: determines which samples of each feature's grid belong to its geometry, for many features at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arpent.domain.feature import Features
from arpent.domain.grid import Grids, Samples
from arpent.zonal.rasterize import WIDEST, scan


def pixel_coverage(features: Features, grids: Grids, windows: NDArray[np.int64] | None = None) -> Samples:
    """The samples inside each feature, row by row, by the rule that was calibrated on the real service (sentinelhub.md
    4.2). `windows` (n, 2): first row and the one after the last, to which the samples are limited; None: all rows.

    A sample is inside if at least 7 of its 8 x 256 sub-samples are, so every sample that the polygon touches is inside,
    except slivers below about 0.34 % of a sample. Holes and parts follow the even-odd rule over all rings. A geometry
    that is missing, empty or without area (points, lines) has no samples; one that extends beyond its grid is clipped.
    Raises ValueError for a grid of more than WIDEST columns.
    """
    if (grids.width > WIDEST).any():
        raise ValueError(f"a grid may have at most {WIDEST} columns")
    vertices, rings, polygons = features.rings
    shapes = np.column_stack((grids.width, grids.height))
    bounds = np.ascontiguousarray(grids.bounds, np.float64)
    if windows is None:
        windows = np.column_stack((np.zeros_like(grids.height), grids.height))
    offsets, span_offsets, spans = scan(vertices.copy(), rings, polygons, bounds, shapes, windows)
    return Samples(offsets=offsets, span_offsets=span_offsets, spans=spans)
