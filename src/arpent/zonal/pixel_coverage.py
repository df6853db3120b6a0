"""Pixel coverage: which samples of its grid belong to a geometry, for many features at once."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

from arpent.domain.feature import Features
from arpent.domain.grid import Grids, Samples
from arpent.zonal.rasterize import WIDEST, scan


def pixel_coverage(features: Features, grids: Grids, windows: NDArray[np.int64] | None = None) -> Samples:
    """The samples inside each feature, row by row, by the calibrated rule (sentinelhub.md 4.2); only those in rows
    `windows` (n, 2), first and the one behind the last, if they are given.

    A sample is inside when at least 7 of its 8 x 256 sub-samples are: every sample that the polygon touches, except
    slivers below about 0.34 % of a sample. Holes and parts follow the even-odd rule over all rings. A geometry that is
    missing, empty or without area (points, lines) has no samples; one that reaches beyond its grid is clipped. Raises
    ValueError for a grid of more than WIDEST columns.
    """
    if (grids.width > WIDEST).any():
        raise ValueError(f"a grid may have at most {WIDEST} columns")
    vertices, rings, polygons = outlines(features.geometries)
    shapes = np.column_stack((grids.width, grids.height))
    bounds = np.ascontiguousarray(grids.bounds, np.float64)
    if windows is None:
        windows = np.column_stack((np.zeros_like(grids.height), grids.height))
    offsets, span_offsets, spans = scan(vertices, rings, polygons, bounds, shapes, windows)
    return Samples(offsets=offsets, span_offsets=span_offsets, spans=spans)


def outlines(
    geometries: NDArray[np.object_],
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """All rings, exterior and interior: vertices (V, 2), offsets where each ring begins (R + 1,), and offsets where the
    rings of each feature begin (n + 1,). Parts that are not polygons have none."""
    if (shapely.get_type_id(geometries) == shapely.GeometryType.POLYGON).all():
        parts, owners = geometries, np.arange(len(geometries))
    else:
        parts, owners = shapely.get_parts(geometries, return_index=True)
    if (shapely.get_type_id(parts) == shapely.GeometryType.GEOMETRYCOLLECTION).any():
        return outlines(_flat(geometries))
    areal = shapely.get_type_id(parts) == shapely.GeometryType.POLYGON
    if not areal.all():
        parts, owners = parts[areal], owners[areal]
    if len(parts) and shapely.get_num_interior_rings(parts).any():
        rings, of_part = shapely.get_rings(parts, return_index=True)
        owners = owners[of_part]
    else:
        rings = parts
    begins = np.append(0, np.cumsum(shapely.get_num_coordinates(rings)))
    of_feature = np.append(0, np.cumsum(np.bincount(owners, minlength=len(geometries))))
    return shapely.get_coordinates(rings), begins, of_feature


def _flat(geometries: NDArray[np.object_]) -> NDArray[np.object_]:
    """Nested collections flattened by one level; each row stays one geometry."""
    flat = geometries.copy()
    for row in np.flatnonzero(shapely.get_type_id(geometries) == shapely.GeometryType.GEOMETRYCOLLECTION):
        flat[row] = shapely.GeometryCollection(list(shapely.get_parts(shapely.get_parts([geometries[row]]))))
    return flat
