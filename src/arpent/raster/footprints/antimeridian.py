"""Antimeridian: normalises outlines in degrees to longitudes from -180 to 180, divided where they cross 180."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import radians

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from arpent.domain.boundary.outlines import is_tangled

WORLD = CRS.from_epsg(4326)
TURN = 360.0
HALF_TURN = 180.0
POLE = 90.0
EDGE_POINTS = 33
"""Points per side of an image when its outline is transformed to degrees, in which its sides are curves."""
MOST_TANGLES = 500
"""Maximum number of times that the lines of an outline may cross each other; beyond, it is not untangled."""
_HALF_EQUATOR = 20037508.342789244
"""x of the 180th meridian in EPSG:3857, in metres."""


def canonical(outline: shapely.Geometry) -> shapely.Geometry:
    """The same area as valid polygons between -180 and 180 degrees.

    Longitudes outside this range are wrapped. A ring that jumps across the antimeridian (from 179 to -179 in one step)
    is assumed to go the short way; a ring around a pole contains the pole. Geometries that are not polygons are
    returned unchanged.
    """
    parts = [part for part in shapely.get_parts(outline) if part.geom_type == "Polygon"]
    if not parts or not np.isfinite(shapely.get_coordinates(outline)).all():
        return outline
    west, south, east, north = shapely.bounds(outline)
    inside = west >= -HALF_TURN and east <= HALF_TURN and south >= -POLE and north <= POLE
    if inside and not is_doubtful(outline):
        return valid(outline)
    whole: shapely.Geometry = shapely.MultiPolygon([_unwrapped(part) for part in parts])
    if is_tangled(whole, MOST_TANGLES):
        whole = shapely.convex_hull(whole)
    return valid(shapely.union_all([piece for part in shapely.get_parts(whole) for piece in _cut(valid(part))]))


def is_doubtful(outline: shapely.Geometry) -> bool:
    """Whether a side of a ring spans half the globe or more, so that it could go around the globe either way."""
    return any(
        bool((np.abs(np.diff(shapely.get_coordinates(ring)[:, 0])) > HALF_TURN).any())
        for part in shapely.get_parts(outline) if part.geom_type == "Polygon"
        for ring in (part.exterior, *part.interiors)
    )  # fmt: skip


def image_outline(crs: CRS, transform: Affine, width: int, height: int) -> shapely.Geometry | None:
    """The area of an image in EPSG:4326, including a pole that lies inside; None if PROJ cannot transform it."""
    step = np.linspace(0.0, 1.0, EDGE_POINTS)[:-1]
    columns = np.concatenate((step, np.ones_like(step), 1 - step, np.zeros_like(step))) * width
    rows = np.concatenate((np.zeros_like(step), step, np.ones_like(step), 1 - step)) * height
    x = transform.a * columns + transform.b * rows + transform.c
    y = transform.d * columns + transform.e * rows + transform.f
    longitude, latitude = (
        (x, y) if crs.is_geographic else Transformer.from_crs(crs, WORLD, always_xy=True).transform(x, y)
    )
    if not (np.isfinite(longitude).all() and np.isfinite(latitude).all()):
        return None
    ring = np.column_stack((np.append(longitude, longitude[0]), np.append(latitude, latitude[0])))
    return canonical(shapely.Polygon(ring))


def short_steps(longitudes: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,): the same longitudes, shifted by whole turns so that no step is longer than half a turn."""
    steps = np.diff(longitudes)
    with np.errstate(invalid="ignore"):
        jumps = np.where(np.abs(steps) > HALF_TURN, np.round(steps / TURN) * TURN, 0.0)
    return np.asarray(longitudes - np.append(0.0, np.cumsum(jumps)))


def nearby(x: NDArray[np.float64], middle: NDArray[np.float64], turn: float = TURN) -> NDArray[np.float64]:
    """The same x, shifted by whole turns to within half a turn of `middle`, whose shape must be broadcastable. Values
    that are not finite stay unchanged."""
    with np.errstate(invalid="ignore"):
        turned = x - np.round((x - middle) / turn) * turn
    return np.where(np.isnan(turned), x, turned)


def period(crs: CRS) -> float | None:
    """The length by which x can be shifted without changing the location, in units of the CRS: 360 degrees, 400 grads,
    or the length of the equator; None for other CRSs."""
    if crs.is_geographic:
        return radians(1) / crs.axis_info[0].unit_conversion_factor * TURN
    return 2 * _HALF_EQUATOR if crs.to_epsg() == 3857 else None


def around(intervals: Iterable[tuple[float, float]]) -> tuple[float, float]:
    """West and east, in degrees, of the shortest arc that contains all given arcs (whose west <= east). West > east if
    it crosses 180; (-180, 180) for the whole circle."""
    arcs = sorted(
        (west - turns, east - turns)
        for west, east in intervals
        for turns in [np.floor((west + HALF_TURN) / TURN) * TURN]
    )
    gaps, reach = [], arcs[0][0]
    for west, east in arcs:
        if west > reach:
            gaps.append((west - reach, reach, west))
        reach = max(reach, east)
    first = arcs[0][0] + TURN
    if first > reach:
        gaps.append((first - reach, reach, arcs[0][0]))
    if not gaps:
        return -HALF_TURN, HALF_TURN
    _, east, west = max(gaps)
    return float(west), float(east - TURN if east > HALF_TURN else east)


def boxes_of(box: tuple[float, float, float, float]) -> tuple[tuple[float, float, float, float], ...]:
    """A box (west, south, east, north) as boxes that do not cross 180: two if west > east."""
    west, south, east, north = box
    if west <= east:
        return (box,)
    return (west, south, HALF_TURN, north), (-HALF_TURN, south, east, north)


def _unwrapped(polygon: shapely.Polygon) -> shapely.Polygon:
    """The polygon with rings without jumps, and holes in the same turn as their shell."""
    shell = _ring(shapely.get_coordinates(polygon.exterior))
    middle = (shell[:, 0].min() + shell[:, 0].max()) / 2
    holes = []
    for interior in polygon.interiors:
        hole = _ring(shapely.get_coordinates(interior))
        hole[:, 0] -= np.round((hole[:, 0].mean() - middle) / TURN) * TURN
        holes.append(hole)
    return shapely.Polygon(shell, holes)


def _ring(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """The ring in short steps; a step of a whole turn is kept. A ring around a pole is closed over the pole."""
    x = points[:, 0]
    steps = np.diff(x)
    if (np.abs(steps) >= TURN).any() or not (np.abs(steps) > HALF_TURN).any():
        return points.copy()
    turned = np.column_stack((short_steps(x), points[:, 1]))
    if abs(turned[-1, 0] - turned[0, 0]) < HALF_TURN:
        return turned
    pole = POLE if points[:, 1].mean() > 0 else -POLE
    corners = [(turned[-1, 0], pole), (turned[0, 0], pole), tuple(turned[0])]
    return np.vstack((turned, corners))


def _cut(outline: shapely.Geometry) -> Iterator[shapely.Geometry]:
    """The parts of the outline in each turn of the globe, shifted to between -180 and 180."""
    west, _, east, _ = shapely.bounds(outline)
    first, last = np.floor((west + HALF_TURN) / TURN), np.floor((east + HALF_TURN) / TURN)
    for turn in range(int(max(first, -10)), int(min(last, 10)) + 1):
        window = shapely.box(turn * TURN - HALF_TURN, -POLE, turn * TURN + HALF_TURN, POLE)
        for piece in shapely.get_parts(shapely.intersection(outline, window)):
            if piece.geom_type == "Polygon" and not piece.is_empty:
                yield shifted(piece, -turn * TURN)


def shifted(outline: shapely.Geometry, degrees: float) -> shapely.Geometry:
    """The outline moved east by this many degrees."""
    return shapely.transform(outline, lambda xy: xy + np.array((degrees, 0.0)))


def valid(outline: shapely.Geometry) -> shapely.Geometry:
    """The outline, made valid: an invalid one becomes everything that any of its parts covers, also where parts or
    turns of a ring overlap. If its lines cross more than MOST_TANGLES times, it becomes its convex hull, since
    untangling 300 random corners takes a minute."""
    if shapely.is_valid(outline):
        return outline
    return (
        shapely.convex_hull(outline)
        if is_tangled(outline, MOST_TANGLES)
        else shapely.make_valid(outline, method="structure")
    )
