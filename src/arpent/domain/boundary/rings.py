"""Rings: all rings of many polygons as columns."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

Rings = tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]
"""Vertices (V, 2), offsets where each ring begins (R + 1,), offsets where the rings of each feature begin (n + 1,)."""


def rings_of(geometries: NDArray[np.object_]) -> Rings:
    """All rings, exterior and interior: vertices (V, 2), offsets where each ring begins (R + 1,), and offsets where the
    rings of each feature begin (n + 1,). Parts that are not polygons have none."""
    if (shapely.get_type_id(geometries) == shapely.GeometryType.POLYGON).all():
        parts, owners = geometries, np.arange(len(geometries))
    else:
        parts, owners = shapely.get_parts(geometries, return_index=True)
    if (shapely.get_type_id(parts) == shapely.GeometryType.GEOMETRYCOLLECTION).any():
        return rings_of(_flat(geometries))
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


def take_rings(rings: Rings, features: NDArray[np.intp]) -> Rings:
    """The rings of some features, in this order."""
    vertices, begins, of_feature = rings
    chosen, polygons = _ragged(of_feature, features)
    points, begins = _ragged(begins, chosen)
    return vertices[points], begins, polygons


def _ragged(begins: NDArray[np.int64], rows: NDArray[np.intp]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of the entries of some rows, and the offset where each of these rows begins in the result."""
    counts = np.diff(begins)[rows]
    offsets = np.append(0, np.cumsum(counts))
    return np.arange(offsets[-1]) + np.repeat(begins[rows] - offsets[:-1], counts), offsets


def _flat(geometries: NDArray[np.object_]) -> NDArray[np.object_]:
    """Nested collections flattened by one level; each row stays one geometry."""
    flat = geometries.copy()
    for row in np.flatnonzero(shapely.get_type_id(geometries) == shapely.GeometryType.GEOMETRYCOLLECTION):
        flat[row] = shapely.GeometryCollection(list(shapely.get_parts(shapely.get_parts([geometries[row]]))))
    return flat
