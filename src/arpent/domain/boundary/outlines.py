"""Outlines from outside: which of them are valid, found in bounded time. What GEOS does with an outline takes time that
grows as the square of the edges that lie beside each other, or cross, and nothing stops it once it has begun."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
import shapely
from numba import njit
from numpy.typing import NDArray

from arpent.domain.boundary.kernel import inner

TOLERANCE = 1e-9
"""Share of the area by which parts may overlap: common edges differ by rounding."""
MOST_PAIRS = 20_000_000
"""Pairs of edges whose boxes overlap, in one outline: GEOS compares each of them, in some seconds altogether."""
FEW_EDGES = int((2 * MOST_PAIRS) ** 0.5)
"""So many edges cannot have more pairs."""
DENSE = f"more than {MOST_PAIRS:,} pairs of its edges lie next to each other, too many to check; simplify or divide it"
MOST_CORNERS = 250
"""Corners up to which every outline is shrunk at once."""
MOST_MEETINGS, MEETINGS_PER_CORNER = 50_000, 20
"""Of the edges of an outline, each moved inwards: GEOS takes up to 17 µs for one. A smooth outline has about 9 for each
corner, those of an edge with itself and its neighbours."""
_CROSSINGS_PER_EDGE = 10
"""Of parts that share edges: where many meet in one point, each meets the edges of all others."""
_NEIGHBOURS = 3
"""Edges that an edge of a ring always meets: itself, the one before and the one after."""
_FIRST = 64
"""Edges that are looked at first."""
_SLACK = 4
"""Times the most that a sample of the edges must promise before the rest is not looked at. One edge promises a fourth
of the first look's share at most: it may be the only one that lies along all others."""
_SAMPLE, _SHARE = 4096, 16
"""At least so many edges, and one of so many, are looked at before few meetings are believed of the rest. Half of all
meetings are those of edges that have no more than the others have on average, and there are thousands of these."""
MOST_VERTICES = 100
"""Vertices of an outline up to which each pair of its edges is compared: with more, GEOS's tree is faster."""
_TRIANGLE = 4
"""Vertices of the shortest ring; the last is the first."""
_SURE = 4 * np.finfo(np.float64).eps
"""Share of what is subtracted by which a difference of two products of differences may be wrong, at most (Shewchuk:
(3 + 16 eps) eps, where eps is half of numpy's)."""
_SINGLE = 3
"""Largest type number of a geometry that holds no others: points, lines, rings and polygons."""


def valid_outlines(outlines: NDArray[np.object_]) -> NDArray[np.bool_]:
    """(n,): which are valid as OGC defines it, except that rings may share edges. Missing ones are not, and what is
    too dense to be checked is not."""
    found = surely_valid(outlines)  # as fields mostly are
    rows = np.flatnonzero(~found & ~shapely.is_missing(outlines))
    many = shapely.get_num_coordinates(outlines[rows]) > FEW_EDGES
    dense = [row for row in rows[many].tolist() if is_dense(outlines[row])]
    rows = np.setdiff1d(rows, dense)
    found[rows] = shapely.is_valid(outlines[rows])
    for row in rows[~found[rows]]:
        found[row] = pieces_fit(outlines[row])
    return found


def surely_valid(outlines: NDArray[np.object_]) -> NDArray[np.bool_]:
    """(n,): polygons and multipolygons of one short ring that touches itself nowhere for sure, hence valid. False: it
    may be valid or not. Missing ones are not."""
    found = np.zeros(len(outlines), np.bool_)
    areal = np.isin(shapely.get_type_id(outlines), (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON))
    rows = np.flatnonzero(areal & (shapely.get_num_coordinates(outlines) <= MOST_VERTICES))
    begins = np.append(0, np.cumsum(shapely.get_num_coordinates(outlines[rows])))
    # Several rings in a row are not a simple one: each comes back to where it began.
    found[rows] = _are_simple(shapely.get_coordinates(outlines[rows]), begins)
    return found


def fault_of_outline(outline: shapely.Geometry) -> str:
    """Why an outline is none of the valid ones, in words."""
    return DENSE if is_dense(outline) else str(shapely.is_valid_reason(outline))


def is_dense(outline: shapely.Geometry, most: int = MOST_PAIRS) -> bool:
    """Whether the boxes of more than `most` pairs of its edges overlap. An edge and its neighbours count, too."""
    edges = _edges(outline)
    enough = max(_SAMPLE, len(edges) // _SHARE)
    return len(edges) > (2 * most) ** 0.5 and _exceeds(edges, 2 * most, None, enough)


def is_tangled(outline: shapely.Geometry, most: int) -> bool:
    """Whether its edges meet more than `most` times where none follows another."""
    edges = _edges(outline)
    return _exceeds(edges, _NEIGHBOURS * len(edges) + 2 * most, "intersects")


def shrinks_soon(outline: shapely.Geometry, distance: float) -> bool:
    """Whether GEOS makes a polygon smaller by this distance in about a second. Where parts of it are narrower than
    that, edges that are moved inwards cross those of the other side, and all of these crossings are found: for a comb
    of 2,000 teeth that takes half a minute, and nothing ends it."""
    corners = int(shapely.get_num_coordinates(outline))
    if corners <= MOST_CORNERS:
        return True
    moved = [_moved(points, distance) for points in _rings_inside_left(outline)]
    edges = np.asarray(shapely.linestrings(np.concatenate(moved)), np.object_)
    return not _exceeds(edges, MEETINGS_PER_CORNER * corners + MOST_MEETINGS, "intersects")


def _rings_inside_left(outline: shapely.Geometry) -> Iterator[NDArray[np.float64]]:
    """The corners (n, 2) of each ring of the polygons, turned so that their inside lies to the left."""
    for part in _polygons(outline):
        for number, ring in enumerate(shapely.get_rings(part)):
            points = shapely.get_coordinates(ring)
            yield points if bool(shapely.is_ccw(ring)) is (number == 0) else points[::-1]


def _moved(points: NDArray[np.float64], distance: float) -> NDArray[np.float64]:
    """(m, 2, 2): the edges of a closed ring, each moved to the left, and what joins them."""
    edges = np.diff(points, axis=0)
    lengths = np.hypot(edges[:, 0], edges[:, 1])
    there = lengths > 0
    to_left = np.column_stack((-edges[there, 1], edges[there, 0])) * (distance / lengths[there])[:, np.newaxis]
    begins, ends = points[:-1][there] + to_left, points[1:][there] + to_left
    return np.concatenate((np.stack((begins, ends), axis=1), np.stack((ends, np.roll(begins, -1, axis=0)), axis=1)))


def _edges(outline: shapely.Geometry) -> NDArray[np.object_]:
    parts = shapely.get_parts(outline)
    while len(inner := parts[shapely.get_type_id(parts) > _SINGLE]):  # collections of collections
        parts = np.concatenate((parts[shapely.get_type_id(parts) <= _SINGLE], shapely.get_parts(inner)))
    points, ring = shapely.get_coordinates(shapely.get_rings(parts), return_index=True)
    there = np.asarray(np.isfinite(points).all(axis=1))
    follows = (ring[1:] == ring[:-1]) & there[1:] & there[:-1]
    return np.asarray(shapely.linestrings(np.stack((points[:-1][follows], points[1:][follows]), axis=1)), np.object_)


def _exceeds(
    edges: NDArray[np.object_], most: int, predicate: Literal["intersects"] | None, enough: int | None = None
) -> bool:
    """Whether more than `most` (edge, edge) meet. Edges come in an order of chance, which nobody can foresee, each time
    as many as all before, so that none of the looks shows much more than the one before promised. `enough`: number of
    edges that are believed if they promise a quarter of `most` or less; None: all are looked at."""
    order = np.random.default_rng().permutation(len(edges))
    tree = shapely.STRtree(edges)
    meetings, promised, seen, step = 0, 0.0, 0, _FIRST
    while seen < len(order):
        some = edges[order[seen : seen + step]]
        found = np.bincount(tree.query(some, predicate=predicate)[0])
        meetings += int(found.sum())
        promised += float(np.minimum(found, most / _FIRST / _SLACK).sum())
        seen, step = seen + len(some), seen + len(some)
        if meetings > most or (seen < len(order) and promised > _SLACK * most * seen / len(order) + most / _FIRST):
            return True
        if enough is not None and seen >= enough and _SLACK * meetings < most * seen / len(order):
            return False
    return False


def pieces_fit(geometry: shapely.Geometry) -> bool:
    """Whether all parts and holes are valid polygons that lie side by side or within one another, without overlap. Then
    the even-odd rule over all rings finds the samples of the whole, even where rings share edges."""
    try:
        most = _CROSSINGS_PER_EDGE * int(shapely.get_num_coordinates(geometry))
        return not is_tangled(geometry, most) and _fit(geometry)
    except shapely.errors.GEOSException:  # coordinates that are none, or beyond all measure
        return False


def _fit(geometry: shapely.Geometry) -> bool:
    parts = [part for part in shapely.get_parts(geometry) if not shapely.is_empty(part)]
    if not parts or any(part.geom_type != "Polygon" for part in parts):
        return False
    plain = [part for part in parts if not part.interiors]  # mostly all; quicker than each by itself
    if not shapely.is_valid(plain).all():
        return False
    area = float(shapely.area(plain).sum())
    grounds = list(plain)
    for part in (part for part in parts if part.interiors):
        shell, holes = shapely.Polygon(part.exterior), [shapely.Polygon(ring) for ring in part.interiors]
        if not shapely.is_valid([shell, *holes]).all():
            return False
        taken = shapely.union_all(holes)
        lost = sum(shapely.area(hole) for hole in holes)
        slack = TOLERANCE * shapely.area(shell)
        if lost - shapely.area(taken) > slack or shapely.area(shapely.difference(taken, shell)) > slack:
            return False
        area += shapely.area(shell) - lost
        grounds.extend(_polygons(shapely.difference(shell, taken)))
    return bool(area > 0 and abs(area - shapely.area(shapely.union_all(grounds))) <= TOLERANCE * area)


def _polygons(geometry: shapely.Geometry) -> Iterator[shapely.Geometry]:
    """The parts of the geometry that are polygons."""
    yield from (part for part in shapely.get_parts(geometry) if part.geom_type == "Polygon")


@njit(cache=True, nogil=True, error_model="numpy")
def _are_simple(points: NDArray[np.float64], begins: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(n,): which rings of `points` (V, 2) are simple for sure; `begins` (n + 1,) delimits them."""
    found = np.zeros(len(begins) - 1, np.bool_)
    for ring in range(len(found)):
        found[ring] = is_simple(points[begins[ring] : begins[ring + 1]])
    return found


@inner
def is_simple(ring: NDArray[np.float64]) -> bool:
    """Whether a closed ring (n, 2) touches itself nowhere for sure."""
    count = len(ring) - 1
    if len(ring) < _TRIANGLE or ring[0, 0] != ring[count, 0] or ring[0, 1] != ring[count, 1]:
        return False
    for i in range(count):
        if not (np.isfinite(ring[i, 0]) and np.isfinite(ring[i, 1])):
            return False
    for i in range(count):
        if not _parts_after(ring, i, (i + 1) % count, (i + 2) % count):
            return False
        for j in range(i + 2, count if i > 0 else count - 1):
            if not _are_apart(ring, i, j):
                return False
    return True


@inner
def _parts_after(ring: NDArray[np.float64], a: int, b: int, c: int) -> bool:
    """Whether the edges from a to b and from b to c surely share nothing but b: they make an angle, or go on in about
    the same direction."""
    if _side(ring, a, b, c) != 0:
        return True
    along = (ring[b, 0] - ring[a, 0]) * (ring[c, 0] - ring[b, 0])
    across = (ring[b, 1] - ring[a, 1]) * (ring[c, 1] - ring[b, 1])
    forward: bool = along + across > _SURE * (abs(along) + abs(across))
    return forward


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
