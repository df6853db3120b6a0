"""Reach: which features a footprint meets."""

from __future__ import annotations

from functools import cached_property
from threading import RLock

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from arpent.model.grid import Grids
from arpent.raster.geographic import WORLD, carried, geographic

Box = tuple[float, float, float, float]

_SIDE_POINTS = 33
"""Points per side of the box around all features when it is carried to degrees …"""
_MARGIN = 0.01
"""… and the share of its extent added all round, many times what the sides bend between those points."""
_HALF_WORLD = 180.0
"""A box as wide as this in degrees may lie across the antimeridian or around a pole: it says nothing."""


class Reach:
    """Polygons, or grids where there are none, against footprints in EPSG:4326. Thread-safe.

    Most footprints hold all features of a partition: a box around them tells, and no polygon is carried to degrees.
    """

    def __init__(self, crs: CRS, grids: Grids, geometries: NDArray[np.object_] | None = None) -> None:
        """`geometries` (n,) decide; without them the grids do. Both are in `crs`."""
        self._crs = crs
        self._grids = grids
        self._geometries = geometries
        self._lock = RLock()

    def of(self, footprint: shapely.Geometry | None) -> NDArray[np.bool_]:
        """(n,): whether the footprint meets each feature; everything, if it is not known."""
        count = len(self._grids)
        if footprint is None or shapely.is_empty(footprint) or not count:
            return np.ones(count, np.bool_)
        # Threads share items, and a prepared geometry works lazily inside: two threads at one crash the process.
        own = shapely.from_wkb(shapely.to_wkb(footprint))
        if self._around is not None and shapely.covers(own, shapely.box(*self._around)):
            return np.ones(count, np.bool_)
        with self._lock:
            shapes = self._shapes
        shapely.prepare(own)
        reached: NDArray[np.bool_] = shapely.intersects(own, shapes)
        return reached

    @cached_property
    def box(self) -> Box:
        """West, south, east, north of all features, at least; the world where PROJ has no answer for any."""
        if self._around is not None:
            return self._around
        boxes = geographic(self._grids.bounds, self._crs)
        known = boxes[np.isfinite(boxes).all(axis=1)]
        if not len(known):
            return -180.0, -90.0, 180.0, 90.0
        return _box(np.concatenate((known[:, :2].min(axis=0), known[:, 2:].max(axis=0))))

    @cached_property
    def _around(self) -> Box | None:
        """A box that holds all features, safely; None if that is not known."""
        bounds = self._grids.bounds
        whole = np.concatenate((bounds[:, :2].min(axis=0), bounds[:, 2:].max(axis=0)))[np.newaxis]
        if not self._crs.equals(WORLD, ignore_axis_order=True):
            whole = carried(whole, Transformer.from_crs(self._crs, WORLD, always_xy=True), _SIDE_POINTS)
        extent = np.tile(whole[0, 2:] - whole[0, :2], 2)
        if not np.isfinite(whole).all() or extent[0] >= _HALF_WORLD:
            return None
        return _box(np.clip(whole[0] + _MARGIN * extent * (-1, -1, 1, 1), (-180, -90) * 2, (180, 90) * 2))

    @cached_property
    def _shapes(self) -> NDArray[np.object_]:
        """(n,): polygons, or bounds where there are none, in degrees; the whole world where PROJ has no answer."""
        shapes = shapely.box(*self._grids.bounds.T) if self._geometries is None else self._geometries
        shapes = np.asarray(shapes, object)
        if not self._crs.equals(WORLD, ignore_axis_order=True):
            change = Transformer.from_crs(self._crs, WORLD, always_xy=True).transform
            shapes = shapely.transform(shapes, lambda xy: np.column_stack(change(xy[:, 0], xy[:, 1])))
        bounds = shapely.bounds(shapes)
        known = np.isfinite(bounds).all(axis=1) & (bounds[:, 2] - bounds[:, 0] < _HALF_WORLD)
        if not known.all():
            shapes = shapes.copy()
            shapes[~known] = shapely.box(-180.0, -90.0, 180.0, 90.0)
        return shapes


def _box(bounds: NDArray[np.float64]) -> Box:
    west, south, east, north = bounds.tolist()
    return west, south, east, north
