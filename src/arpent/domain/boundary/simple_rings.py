"""Simple rings: those that touch themselves nowhere, found without GEOS where that is certain."""

from __future__ import annotations

import numpy as np
import shapely
from numba import njit
from numpy.typing import NDArray

from arpent.domain.boundary.kernel import inner

MOST_VERTICES = 100
"""Vertices of a ring up to which each pair of its edges is compared: with more, GEOS's tree is faster."""
_TRIANGLE = 4
"""Vertices of the shortest ring; the last is the first."""
_SURE = 4 * np.finfo(np.float64).eps
"""Share of what is subtracted by which a difference of two products of differences may be wrong, at most (Shewchuk:
(3 + 16 eps) eps, where eps is half of numpy's)."""


def surely_valid(outlines: NDArray[np.object_]) -> NDArray[np.bool_]:
    """(n,): polygons and multipolygons of one ring that is simple for sure, hence valid. False: it may be valid or not.
    Missing ones are not."""
    areal = np.isin(shapely.get_type_id(outlines), (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON))
    begins = np.append(0, np.cumsum(shapely.get_num_coordinates(outlines)))
    # Several rings in a row are not a simple one: each comes back to where it began.
    simple: NDArray[np.bool_] = _are_simple(shapely.get_coordinates(outlines), begins)
    return simple & areal


@njit(cache=True, nogil=True, error_model="numpy")
def _are_simple(points: NDArray[np.float64], begins: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(n,): which rings of `points` (V, 2) are simple for sure; `begins` (n + 1,) delimits them."""
    found = np.zeros(len(begins) - 1, np.bool_)
    for ring in range(len(found)):
        found[ring] = _is_simple(points[begins[ring] : begins[ring + 1]])
    return found


@inner
def _is_simple(ring: NDArray[np.float64]) -> bool:
    count = len(ring) - 1
    if not _TRIANGLE <= len(ring) <= MOST_VERTICES or ring[0, 0] != ring[count, 0] or ring[0, 1] != ring[count, 1]:
        return False
    for i in range(count):
        if not (np.isfinite(ring[i, 0]) and np.isfinite(ring[i, 1])):
            return False
    for i in range(count):
        if not _parts_after(ring, i, (i + 1) % count, (i + 2) % count, count):
            return False
        for j in range(i + 2, count if i > 0 else count - 1):
            if not _are_apart(ring, i, j):
                return False
    return True


@inner
def _parts_after(ring: NDArray[np.float64], a: int, b: int, c: int, count: int) -> bool:
    """Whether the edges from a to b and from b to c surely share nothing but b: they make an angle, or go on in about
    the same direction."""
    if _side(ring, a, b, c) != 0:
        return True
    along = (ring[b, 0] - ring[a, 0]) * (ring[c, 0] - ring[b, 0])
    across = (ring[b, 1] - ring[a, 1]) * (ring[c, 1] - ring[b, 1])
    return count > _TRIANGLE - 1 and along + across > _SURE * (abs(along) + abs(across))


@inner
def _are_apart(ring: NDArray[np.float64], i: int, j: int) -> bool:
    """Whether the edges that begin at i and j, which are no neighbours, surely share no point: their boxes do not, or
    one lies on one side of the other."""
    for axis in range(2):
        a, b, c, d = ring[i, axis], ring[i + 1, axis], ring[j, axis], ring[j + 1, axis]
        if max(a, b) < min(c, d) or max(c, d) < min(a, b):
            return True
    return (
        _side(ring, i, i + 1, j) * _side(ring, i, i + 1, j + 1) > 0
        or _side(ring, j, j + 1, i) * _side(ring, j, j + 1, i + 1) > 0
    )


@inner
def _side(ring: NDArray[np.float64], a: int, b: int, c: int) -> int:
    """1 if c lies surely to the left of the line from a to b, -1 to the right, 0 if that is not certain."""
    left = (ring[a, 0] - ring[c, 0]) * (ring[b, 1] - ring[c, 1])
    right = (ring[a, 1] - ring[c, 1]) * (ring[b, 0] - ring[c, 0])
    difference, doubt = left - right, _SURE * (abs(left) + abs(right))
    if difference > doubt:
        return 1
    return -1 if difference < -doubt else 0
