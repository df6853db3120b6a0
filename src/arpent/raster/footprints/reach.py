"""Reach: determines which features an item's footprint meets, and transforms boxes to EPSG:4326."""

from __future__ import annotations

from functools import cached_property
from threading import RLock

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from arpent.domain.grid import Grids
from arpent.raster.footprints.antimeridian import HALF_TURN, TURN, WORLD, around, shifted
from arpent.raster.footprints.degrees import Degrees, sides

EDGE_POINTS = 9
"""Points per side when a box is transformed to another CRS, in which its sides are curves."""
NARROW = 2_000.0
"""Up to this length, in units of a projected CRS, a side bends by only centimetres, so its ends and middle suffice."""


def geographic(bounds: NDArray[np.float64], crs: CRS) -> NDArray[np.float64]:
    """(n, 4): boxes of a CRS as boxes in EPSG:4326, longitude first; whole sides are transformed, not just corners."""
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
    """(n, 4): boxes around the transformed sides of the boxes (n, 4), with `points` points per side; not finite if PROJ
    cannot transform a box."""
    longitude, latitude = transformer.transform(*sides(bounds, points))
    return np.column_stack((longitude.min(axis=1), latitude.min(axis=1), longitude.max(axis=1), latitude.max(axis=1)))


Box = tuple[float, float, float, float]

_GROUP = 256
"""Number of neighbouring features whose common box is tested first …"""
_PART = 16
"""… and then number of features in each part of such a group along x, since a group is often as wide as a block."""
MOST_TURNS = 10
"""Maximum number of turns of the globe, to either side, in which features are searched for."""
_MARGIN = 0.01
"""Margin of a common box as a share of its extent: many times the bend of its sides between the transformed points."""
_NOWHERE = (0.0, 0.0, 0.001, 0.001)
"""Box to search if no feature can be transformed; a catalogue needs a box."""


class Reach:
    """Tests which features meet a footprint in EPSG:4326, on the sphere. Features are polygons or, without these,
    grids. Thread-safe.

    Features are in an order that follows the imagery, so that a footprint contains or misses most groups of neighbours
    as a whole; only polygons near its edge are transformed to degrees, each in one piece, even beyond 180. Polygons at
    a pole or wider than `_WIDE` are compared in their own CRS. A feature that PROJ cannot transform meets nothing.
    """

    def __init__(self, crs: CRS, grids: Grids, geometries: NDArray[np.object_] | None = None) -> None:
        """`geometries` (n,): polygons to test; None: the grids are tested. Both are in `crs`."""
        self._crs = crs
        self._grids = grids
        self._geometries = geometries
        self._lock = RLock()
        self._degrees = Degrees(crs)
        self._shapes = np.full(len(grids), None, object)
        self._odd = np.zeros(len(grids), np.bool_)
        groups, parts = -(-len(grids) // _GROUP), _GROUP // _PART
        self._rows = np.full((groups, _GROUP), -1, np.intp)
        self._boxes, self._known = np.full((groups, parts), None, object), np.zeros((groups, parts), np.bool_)

    def of(self, footprint: shapely.Geometry | None) -> NDArray[np.bool_]:
        """(n,): whether the footprint meets each feature; all True if there is no footprint."""
        count = len(self._grids)
        if footprint is None or shapely.is_empty(footprint) or not count:
            return np.ones(count, np.bool_)
        # A copy, since threads share items: two threads that use one prepared geometry crash the process.
        own = shapely.from_wkb(shapely.to_wkb(footprint))
        if self._turns != (0,):
            own = shapely.union_all([shifted(own, turn * TURN) for turn in self._turns])
        shapely.prepare(own)
        covered, near = _met(own, *self._groups)
        reached, rows = np.repeat(covered, _GROUP)[:count], np.flatnonzero(np.repeat(near, _GROUP)[:count])
        if len(rows) > _GROUP:
            parts, boxes, known = self._parts(np.flatnonzero(near))
            covered, near = _met(own, boxes, known)
            reached[parts[covered]] = True
            rows = np.unique(parts[near])
        shapes = self._carried(rows)
        reached[rows] = shapely.intersects(own, shapes)
        if (odd := rows[self._odd[rows]]).size:
            reached[odd] = self._meets(footprint, self._own(odd))
        return reached

    @cached_property
    def box(self) -> Box:
        """(west, south, east, north) of a box that contains all features that PROJ can transform; west > east if the
        shorter way crosses 180."""
        boxes, known = self._groups
        common = shapely.bounds(boxes)
        known = known & (common[:, 2] - common[:, 0] <= HALF_TURN)
        strays = np.flatnonzero(np.repeat(~known, _GROUP)[: len(self._grids)])
        there = shapely.bounds(shapely.get_parts(self._carried(strays)))
        bounds = np.concatenate((common[known], there[np.isfinite(there).all(axis=1)]))
        if not len(bounds):
            return _NOWHERE
        west, east = around(bounds[:, [0, 2]].tolist())
        return west, float(bounds[:, 1].min()), east, float(bounds[:, 3].max())

    @cached_property
    def _turns(self) -> tuple[int, ...]:
        """The turns of the globe in which features may lie, derived from groups; 0 is the turn from -180 to 180. A
        feature near 180 may lie in either turn, independently of its group."""
        boxes, known = self._groups
        bounds = shapely.bounds(boxes[known])
        first = int((bounds[:, 0].min(initial=0.0) + HALF_TURN) // TURN)
        last = -int((HALF_TURN - bounds[:, 2].max(initial=0.0)) // TURN)
        if known.all() and first == last == 0:
            return (0,)
        return tuple(range(max(min(first, -1), -MOST_TURNS), min(max(last, 1), MOST_TURNS) + 1))

    @cached_property
    def _groups(self) -> tuple[NDArray[np.object_], NDArray[np.bool_]]:
        """(g,): a box that safely contains each group of features, and whether it is reliable."""
        bounds, starts = self._grids.bounds, np.arange(0, len(self._grids), _GROUP)
        return self._safe(
            np.hstack((np.minimum.reduceat(bounds[:, :2], starts), np.maximum.reduceat(bounds[:, 2:], starts)))
        )

    def _parts(self, groups: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.object_], NDArray[np.bool_]]:
        """(p, _PART): rows of the features of some groups (k,), in parts that are adjacent along x (a row is repeated
        to fill the last group); boxes that safely contain each part; and whether each box is reliable."""
        with self._lock:
            new = groups[self._rows[groups, 0] < 0]
            if len(new):
                bounds = self._grids.bounds
                rows = np.minimum(new[:, np.newaxis] * _GROUP + np.arange(_GROUP), len(bounds) - 1)
                rows = np.take_along_axis(rows, np.argsort(bounds[rows, 0], axis=1), axis=1)
                parts = bounds[rows.reshape(-1, _PART)]
                boxes, known = self._safe(np.hstack((parts[..., :2].min(axis=1), parts[..., 2:].max(axis=1))))
                shape = (len(new), _GROUP // _PART)
                self._rows[new], self._boxes[new], self._known[new] = rows, boxes.reshape(shape), known.reshape(shape)
            return self._rows[groups].reshape(-1, _PART), self._boxes[groups].ravel(), self._known[groups].ravel()

    def _safe(self, own: NDArray[np.float64]) -> tuple[NDArray[np.object_], NDArray[np.bool_]]:
        """(g,): boxes in degrees that safely contain the boxes (g, 4) of the CRS, and whether each is reliable."""
        around_, known = self._degrees.boxes(own)
        around_[~known] = 0.0
        margin = _MARGIN * np.tile(around_[:, 2:] - around_[:, :2], 2) * (-1, -1, 1, 1)
        safe = around_ + margin
        safe[:, [1, 3]] = np.clip(safe[:, [1, 3]], -90, 90)
        if self._degrees.same:
            safe[:, [0, 2]] = np.clip(safe[:, [0, 2]], np.minimum(own[:, :1], -180), np.maximum(own[:, 2:3], 180))
        return np.asarray(shapely.box(*safe.T), object), known

    def _own(self, rows: NDArray[np.intp]) -> NDArray[np.object_]:
        """The polygons in their own CRS or, if there are no polygons, the bounds of the grids."""
        geometries = self._geometries
        return np.asarray(shapely.box(*self._grids.bounds[rows].T) if geometries is None else geometries[rows], object)

    def _carried(self, rows: NDArray[np.intp]) -> NDArray[np.object_]:
        """The polygons in degrees, each in one piece; instead of an odd polygon a box that contains it, or None if PROJ
        cannot transform it."""
        with self._lock:
            missing = rows[shapely.is_missing(self._shapes[rows])]
            if len(missing):
                self._shapes[missing], self._odd[missing] = self._degrees.polygons(
                    self._own(missing), self._grids.bounds[missing]
                )
            return self._shapes[rows]

    def _meets(self, footprint: shapely.Geometry, own: NDArray[np.object_]) -> NDArray[np.bool_]:
        """(n,): whether the footprint meets each feature, tested in the features' CRS if the footprint can be
        transformed to it, otherwise with points of the features."""
        carried_ = self._degrees.back(footprint)
        if carried_ is not None:
            return np.asarray(shapely.intersects(carried_, own))
        met = np.zeros(len(own), np.bool_)
        for row, shape in enumerate(own):
            longitude, latitude = self._degrees.points(shape)
            met[row] = bool(shapely.contains_xy(footprint, longitude, latitude).any())
        return met


def _met(
    own: shapely.Geometry, boxes: NDArray[np.object_], known: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(g,): whether the footprint covers everything in each box; and (g,): whether it may meet part of it, so that each
    feature in the box has to be tested."""
    covered = known & shapely.covers(own, boxes)
    return covered, ~covered & (~known | shapely.intersects(own, boxes))
