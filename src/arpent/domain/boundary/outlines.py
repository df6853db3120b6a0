"""Outlines from outside: finds in bounded time which of them are valid. The time that GEOS needs for an outline grows
with the square of the number of edges that lie close to each other, or cross, and a call of GEOS cannot be stopped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
import shapely
from numba import njit
from numpy.typing import NDArray

from arpent.domain.boundary.kernel import inner

TOLERANCE = 1e-9
"""Share of the area by which parts may overlap, since shared edges differ by rounding."""
MOST_PAIRS = 20_000_000
"""Maximum number of pairs of edges with overlapping boxes in one outline: GEOS compares each pair, which takes a few
seconds for this many."""
FEW_EDGES = int((2 * MOST_PAIRS) ** 0.5)
"""An outline with at most this many edges cannot have more than MOST_PAIRS pairs."""
DENSE = f"more than {MOST_PAIRS:,} pairs of its edges have overlapping boxes, too many to check; simplify or divide it"
MOST_CORNERS = 250
"""An outline with at most this many corners may be shrunk without a check."""
MOST_MEETINGS, MEETINGS_PER_CORNER = 50_000, 20
"""Limit, constant and per corner, on how often the edges of an outline meet once each is moved inwards: GEOS takes up
to 17 µs per meeting. A smooth outline has about 9 per corner: those of each edge with itself and its neighbours."""
_CROSSINGS_PER_EDGE = 10
"""Maximum crossings per edge of parts that share edges: where many parts meet in a point, each edge meets all others.
"""
_NEIGHBOURS = 3
"""Number of edges that an edge of a ring always meets: itself, the one before and the one after."""
_FIRST = 64
"""Number of edges in the first sample."""
_SLACK = 4
"""The check ends early if a sample of the edges suggests more than this many times the limit. In that estimate, one
edge counts for at most a quarter of the limit's share of the first sample: it may be the only one that meets all."""
_SAMPLE, _SHARE = 4096, 16
"""Minimum sample, as a number of edges and as one edge in so many, before few meetings in it are taken to mean few in
all. Half of all meetings are those of edges with no more than the average number, and there are thousands of these."""
MOST_VERTICES = 100
"""Up to this many vertices of an outline, each pair of its edges is compared; with more, GEOS's tree is faster."""
_TRIANGLE = 4
"""Number of vertices of the shortest ring; the last vertex equals the first."""
_SURE = 4 * np.finfo(np.float64).eps
"""Maximum error of a difference of two products of differences, as a share of the sum of the products' absolute values
(Shewchuk: (3 + 16 eps) eps, where eps is half of numpy's)."""
_SINGLE = 3
"""Largest type id of geometries that are not collections: points, lines, rings and polygons."""


def valid_outlines(outlines: NDArray[np.object_]) -> NDArray[np.bool_]:
    """(n,): which outlines are valid as OGC defines it, except that rings may share edges. Outlines that are missing,
    or too dense to be checked, are not."""
    found = surely_valid(outlines)  # true of most fields
    rows = np.flatnonzero(~found & ~shapely.is_missing(outlines))
    many = shapely.get_num_coordinates(outlines[rows]) > FEW_EDGES
    dense = [row for row in rows[many].tolist() if is_dense(outlines[row])]
    rows = np.setdiff1d(rows, dense)
    found[rows] = shapely.is_valid(outlines[rows])
    for row in rows[~found[rows]]:
        found[row] = pieces_fit(outlines[row])
    return found


def surely_valid(outlines: NDArray[np.object_]) -> NDArray[np.bool_]:
    """(n,): True for polygons and multipolygons of one short ring that certainly does not touch itself, and is
    therefore valid. False: the outline is missing, or may be valid or not."""
    found = np.zeros(len(outlines), np.bool_)
    areal = np.isin(shapely.get_type_id(outlines), (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON))
    rows = np.flatnonzero(areal & (shapely.get_num_coordinates(outlines) <= MOST_VERTICES))
    begins = np.append(0, np.cumsum(shapely.get_num_coordinates(outlines[rows])))
    # Several rings taken as one are never found simple, since each returns to where it began.
    found[rows] = _are_simple(shapely.get_coordinates(outlines[rows]), begins)
    return found


def fault_of_outline(outline: shapely.Geometry) -> str:
    """Why an outline is not valid, in words."""
    return DENSE if is_dense(outline) else str(shapely.is_valid_reason(outline))


def is_dense(outline: shapely.Geometry, most: int = MOST_PAIRS) -> bool:
    """Whether the boxes of more than `most` pairs of edges overlap, including pairs of neighbouring edges."""
    edges = _edges(outline)
    enough = max(_SAMPLE, len(edges) // _SHARE)
    return len(edges) > (2 * most) ** 0.5 and _exceeds(edges, 2 * most, None, enough)


def is_tangled(outline: shapely.Geometry, most: int) -> bool:
    """Whether edges that are not neighbours meet more than `most` times."""
    edges = _edges(outline)
    return _exceeds(edges, _NEIGHBOURS * len(edges) + 2 * most, "intersects")


def shrinks_soon(outline: shapely.Geometry, distance: float) -> bool:
    """Whether GEOS can shrink the polygon by this distance in about a second. Where the polygon is too narrow, edges
    that are moved inwards cross those of the opposite side, and GEOS finds all of these crossings: for a comb with
    2,000 teeth that takes half a minute, and cannot be interrupted."""
    corners = int(shapely.get_num_coordinates(outline))
    if corners <= MOST_CORNERS:
        return True
    moved = [_moved(points, distance) for points in _rings_inside_left(outline)]
    edges = np.asarray(shapely.linestrings(np.concatenate(moved)), np.object_)
    return not _exceeds(edges, MEETINGS_PER_CORNER * corners + MOST_MEETINGS, "intersects")


def _rings_inside_left(outline: shapely.Geometry) -> Iterator[NDArray[np.float64]]:
    """The corners (n, 2) of each ring of the polygons, ordered so that the interior lies to the left."""
    for part in _polygons(outline):
        for number, ring in enumerate(shapely.get_rings(part)):
            points = shapely.get_coordinates(ring)
            yield points if bool(shapely.is_ccw(ring)) is (number == 0) else points[::-1]


def _moved(points: NDArray[np.float64], distance: float) -> NDArray[np.float64]:
    """(m, 2, 2): the edges of a closed ring, each moved to the left, and the edges that connect them."""
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
    """Whether more than `most` pairs (edge, edge) meet. Edges are examined in random, unpredictable order, each sample
    as large as all before it, so that none holds far more meetings than the earlier ones suggest. `enough`: number of
    edges after which an estimate of a quarter of `most` or less is trusted; None: all edges are examined."""
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
    """Whether all parts and holes are valid polygons that lie next to or within one another without overlapping. If so,
    the even-odd rule over all rings finds the right samples, even where rings share edges."""
    try:
        most = _CROSSINGS_PER_EDGE * int(shapely.get_num_coordinates(geometry))
        return not is_tangled(geometry, most) and _fit(geometry)
    except shapely.errors.GEOSException:  # coordinates that are not finite, or huge
        return False


def _fit(geometry: shapely.Geometry) -> bool:
    parts = [part for part in shapely.get_parts(geometry) if not shapely.is_empty(part)]
    if not parts or any(part.geom_type != "Polygon" for part in parts):
        return False
    plain = [part for part in parts if not part.interiors]  # usually all of them; faster than checking each one
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
    """(n,): which rings of `points` (V, 2) are certainly simple; `begins` (n + 1,) delimits the rings."""
    found = np.zeros(len(begins) - 1, np.bool_)
    for ring in range(len(found)):
        found[ring] = is_simple(points[begins[ring] : begins[ring + 1]])
    return found


@inner
def is_simple(ring: NDArray[np.float64]) -> bool:
    """Whether a closed ring (n, 2) certainly does not touch itself."""
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
    """Whether the edges from a to b and from b to c certainly share only b: they form an angle, or continue in the same
    direction."""
    if _side(ring, a, b, c) != 0:
        return True
    along = (ring[b, 0] - ring[a, 0]) * (ring[c, 0] - ring[b, 0])
    across = (ring[b, 1] - ring[a, 1]) * (ring[c, 1] - ring[b, 1])
    forward: bool = along + across > _SURE * (abs(along) + abs(across))
    return forward


@inner
def _are_apart(ring: NDArray[np.float64], i: int, j: int) -> bool:
    """Whether the edges that begin at i and j, which are not neighbours, certainly share no point: their boxes do not
    overlap, or one edge lies entirely on one side of the other."""
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
    """1 if c certainly lies to the left of the line from a to b, -1 if to the right, 0 if that is uncertain."""
    left = (ring[a, 0] - ring[c, 0]) * (ring[b, 1] - ring[c, 1])
    right = (ring[a, 1] - ring[c, 1]) * (ring[b, 0] - ring[c, 0])
    difference, doubt = left - right, _SURE * (abs(left) + abs(right))
    if difference > doubt:
        return 1
    return -1 if difference < -doubt else 0
