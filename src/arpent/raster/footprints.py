"""Footprints: which features an item's footprint meets, and boxes carried to EPSG:4326."""

from __future__ import annotations

from functools import cached_property
from threading import RLock

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from arpent.domain.grid import Grids

WORLD = CRS.from_epsg(4326)
EDGE_POINTS = 9
"""Points per side when a box is carried to another CRS: its sides are curves there."""
NARROW = 2_000.0
"""Sides up to so many units of a projected CRS bend by centimetres only: their ends and middles are enough."""


def geographic(bounds: NDArray[np.float64], crs: CRS) -> NDArray[np.float64]:
    """(n, 4): boxes of a CRS as boxes of EPSG:4326, longitude first; their sides are followed, not just corners."""
    if crs.is_geographic and crs.to_epsg() in (4326, None):
        return bounds
    moved = np.empty(bounds.shape)
    transformer = Transformer.from_crs(crs, WORLD, always_xy=True)
    narrow = np.max(bounds[:, 2:] - bounds[:, :2], axis=1, initial=0.0) <= (0.0 if crs.is_geographic else NARROW)
    for rows, points in ((np.flatnonzero(narrow), 3), (np.flatnonzero(~narrow), EDGE_POINTS)):
        if len(rows):
            moved[rows] = carried(bounds[rows], transformer, points)
    return moved


def carried(bounds: NDArray[np.float64], transformer: Transformer, points: int) -> NDArray[np.float64]:
    """(n, 4): the boxes around so many points of each side of the boxes (n, 4); not finite where PROJ has no answer."""
    step = np.linspace(0.0, 1.0, points)[:-1]
    zero, one = np.zeros(points - 1), np.ones(points - 1)
    along = np.concatenate((step, one, 1.0 - step, zero))
    across = np.concatenate((zero, step, one, 1.0 - step))
    extent = bounds[:, 2:] - bounds[:, :2]
    x = bounds[:, :1] + along * extent[:, :1]
    y = bounds[:, 1:2] + across * extent[:, 1:]
    longitude, latitude = transformer.transform(x, y)
    return np.column_stack((longitude.min(axis=1), latitude.min(axis=1), longitude.max(axis=1), latitude.max(axis=1)))


Box = tuple[float, float, float, float]

_GROUP = 256
"""Neighbours whose common box is asked first."""
_SIDE_POINTS = 17
"""Points per side of such a box when it is carried to degrees …"""
_MARGIN = 0.01
"""… and the share of its extent added all round, many times what the sides bend between those points."""
_HALF_WORLD = 180.0
"""A box as wide as this in degrees may lie across the antimeridian or around a pole: it says nothing."""


class Reach:
    """Polygons, or grids where there are none, against footprints in EPSG:4326. Thread-safe.

    Features come in an order that follows the imagery, so that a footprint holds or misses most groups of neighbours
    as a whole, and only polygons near its edge are carried to degrees.
    """

    def __init__(self, crs: CRS, grids: Grids, geometries: NDArray[np.object_] | None = None) -> None:
        """`geometries` (n,) decide; without them the grids do. Both are in `crs`."""
        self._crs = crs
        self._grids = grids
        self._geometries = geometries
        self._lock = RLock()
        self._shapes = np.full(len(grids), None, object)

    def of(self, footprint: shapely.Geometry | None) -> NDArray[np.bool_]:
        """(n,): whether the footprint meets each feature; everything, if it is not known."""
        count = len(self._grids)
        if footprint is None or shapely.is_empty(footprint) or not count:
            return np.ones(count, np.bool_)
        # Threads share items, and a prepared geometry works lazily inside: two threads at one crash the process.
        own = shapely.from_wkb(shapely.to_wkb(footprint))
        shapely.prepare(own)
        boxes, known = self._groups
        reached = np.repeat(known & shapely.covers(own, boxes), _GROUP)[:count]
        doubtful = np.repeat(~known | shapely.intersects(own, boxes), _GROUP)[:count] & ~reached
        rows = np.flatnonzero(doubtful)
        reached[rows] = shapely.intersects(own, self._carried(rows))
        return reached

    @cached_property
    def box(self) -> Box:
        """West, south, east, north of all features that PROJ has an answer for, at least; the world without any."""
        boxes, known = self._groups
        odd = np.flatnonzero(np.repeat(~known, _GROUP)[: len(self._grids)])
        each = geographic(self._grids.bounds[odd], self._crs)
        bounds = np.concatenate((shapely.bounds(boxes[known]), each[np.isfinite(each).all(axis=1)]))
        if not len(bounds):
            return -180.0, -90.0, 180.0, 90.0
        west, south = bounds[:, :2].min(axis=0).tolist()
        east, north = bounds[:, 2:].max(axis=0).tolist()
        return west, south, east, north

    @cached_property
    def _groups(self) -> tuple[NDArray[np.object_], NDArray[np.bool_]]:
        """(g,): boxes that hold each group of features, safely, and whether that is known."""
        bounds, starts = self._grids.bounds, np.arange(0, len(self._grids), _GROUP)
        around = np.hstack((np.minimum.reduceat(bounds[:, :2], starts), np.maximum.reduceat(bounds[:, 2:], starts)))
        if not self._crs.equals(WORLD, ignore_axis_order=True):
            around = carried(around, Transformer.from_crs(self._crs, WORLD, always_xy=True), _SIDE_POINTS)
        known = _known(around)
        around[~known] = 0.0
        margin = _MARGIN * np.tile(around[:, 2:] - around[:, :2], 2) * (-1, -1, 1, 1)
        safe = np.clip(around + margin, (-180, -90) * 2, (180, 90) * 2)
        return np.asarray(shapely.box(*safe.T), object), known

    def _carried(self, rows: NDArray[np.intp]) -> NDArray[np.object_]:
        """Polygons, or bounds where there are none, in degrees; the whole world where PROJ has no answer."""
        with self._lock:
            missing = rows[shapely.is_missing(self._shapes[rows])]
            if len(missing):
                self._shapes[missing] = self._in_degrees(missing)
            return self._shapes[rows]

    def _in_degrees(self, rows: NDArray[np.intp]) -> NDArray[np.object_]:
        own = self._geometries
        shapes = np.asarray(shapely.box(*self._grids.bounds[rows].T) if own is None else own[rows], object)
        if not self._crs.equals(WORLD, ignore_axis_order=True):
            change = Transformer.from_crs(self._crs, WORLD, always_xy=True).transform
            shapes = shapely.transform(shapes, lambda xy: np.column_stack(change(xy[:, 0], xy[:, 1])))
        known = _known(shapely.bounds(shapes))
        if not known.all():
            shapes = shapes.copy()
            shapes[~known] = shapely.box(-180.0, -90.0, 180.0, 90.0)
        return shapes


def _known(bounds: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(n,): which boxes in degrees say where something lies."""
    finite = np.isfinite(bounds).all(axis=1)
    width = np.subtract(bounds[:, 2], bounds[:, 0], out=np.full(len(bounds), np.inf), where=finite)
    return np.asarray(width < _HALF_WORLD)
