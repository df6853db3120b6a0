"""Degrees: transforms shapes from a CRS to longitude and latitude, each in one piece, and footprints back to the
CRS."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from arpent.raster.footprints.antimeridian import TURN, WORLD, around, nearby, period, valid

_SIDE_POINTS = 17
"""Points per side of a box when it is transformed to degrees."""
_WIDE = 10.0
"""Maximum width, in degrees of longitude, of a polygon that is compared in degrees: the sides of a wider polygon bend
too much."""
_LATTICE = 16
"""Points per side of a lattice that represents a polygon if a footprint cannot be transformed to the polygon's CRS."""
_STEP = 0.5
"""Degrees between the points of a footprint that is transformed to another CRS."""
_RETURNED = 1e-4
"""A point that is off by more than this, in degrees, after a transformation there and back does not exist in the
CRS."""


def sides(bounds: NDArray[np.float64], points: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """x and y, (n, 4 * (points - 1)) each, of points along the sides of the boxes (n, 4)."""
    step = np.linspace(0.0, 1.0, points)[:-1]
    zero, one = np.zeros(points - 1), np.ones(points - 1)
    along = np.concatenate((step, one, 1.0 - step, zero))
    across = np.concatenate((zero, step, one, 1.0 - step))
    extent = bounds[:, 2:] - bounds[:, :2]
    return bounds[:, :1] + along * extent[:, :1], bounds[:, 1:2] + across * extent[:, 1:]


class Degrees:
    """Transforms shapes of one CRS to degrees and back."""

    def __init__(self, crs: CRS) -> None:
        self.same = bool(crs.equals(WORLD, ignore_axis_order=True))
        self._flat = self.same or crs.is_geographic or period(crs) is not None
        """Whether x is longitude times a factor, so that no jumps occur and no pole lies inside a polygon."""
        self._crs = crs
        self._there = None if self.same else Transformer.from_crs(crs, WORLD, always_xy=True)
        self._back = None if self.same else Transformer.from_crs(WORLD, crs, always_xy=True)
        self._period = period(crs) or np.inf

    def boxes(self, bounds: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """(n, 4): boxes in degrees that contain the given boxes, each in one piece; and (n,): whether each is
        reliable."""
        if self.same:
            return bounds.copy(), np.asarray(np.isfinite(bounds).all(axis=1))
        x, y = sides(bounds, _SIDE_POINTS)
        longitude, latitude = self._transform(x, y)
        found = np.column_stack(
            (longitude.min(axis=1), latitude.min(axis=1), longitude.max(axis=1), latitude.max(axis=1))
        )
        known = np.isfinite(found).all(axis=1)
        if not self._flat:
            width = np.subtract(found[:, 2], found[:, 0], out=np.full(len(found), np.inf), where=known)
            known &= (width < _WIDE) & ~self._polar(bounds)
        return found, known

    def polygons(
        self, own: NDArray[np.object_], bounds: NDArray[np.float64]
    ) -> tuple[NDArray[np.object_], NDArray[np.bool_]]:
        """(n,): the polygons in degrees, each in one piece; and (n,): which are odd. Instead of an odd polygon there is
        a box that contains it, or None if PROJ cannot transform it."""
        if self.same:
            return own, np.zeros(len(own), np.bool_)
        points, owner = shapely.get_coordinates(own, return_index=True)
        longitude, latitude = self._transform(points[:, 0], points[:, 1], owner, bounds)
        shapes = shapely.set_coordinates(own.copy(), np.column_stack((longitude, latitude)))
        if self._flat:
            return shapes, np.zeros(len(own), np.bool_)
        box = shapely.bounds(shapes)
        whole = np.isfinite(box).all(axis=1)
        width = np.subtract(box[:, 2], box[:, 0], out=np.full(len(box), np.inf), where=whole)
        odd = ~whole | (width >= _WIDE) | self._polar(bounds)
        for row in np.flatnonzero(odd):
            shapes[row] = self._around(own[row])
        return shapes, odd

    def points(self, shape: shapely.Geometry) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Longitudes and latitudes of points on a polygon's outline and in it, as far as PROJ can transform them."""
        west, south, east, north = shapely.bounds(shape)
        step = max(east - west, north - south) / 64
        outline = shapely.get_coordinates(shapely.segmentize(shape, step) if np.isfinite(step) and step > 0 else shape)
        across, down = np.meshgrid(np.linspace(west, east, _LATTICE), np.linspace(south, north, _LATTICE))
        inside = shapely.contains_xy(shape, across, down)
        x, y = np.append(outline[:, 0], across[inside]), np.append(outline[:, 1], down[inside])
        longitude, latitude = (x, y) if self._there is None else self._there.transform(x, y)
        there = np.isfinite(longitude) & np.isfinite(latitude)
        return nearby(longitude[there], np.zeros(there.sum())), latitude[there]

    def back(self, footprint: shapely.Geometry) -> shapely.Geometry | None:
        """The footprint in the CRS; None if any part of it does not exist there."""
        assert self._back is not None
        assert self._there is not None
        fine = shapely.segmentize(footprint, _STEP)
        xy = shapely.get_coordinates(fine)
        x, y = self._back.transform(xy[:, 0], xy[:, 1])
        if not (np.isfinite(x).all() and np.isfinite(y).all()):
            return None
        longitude, latitude = self._there.transform(x, y)
        polar = np.abs(xy[:, 1]) > 90 - _RETURNED
        same = polar | (np.abs(nearby(longitude, xy[:, 0]) - xy[:, 0]) < _RETURNED)
        if not (same & (np.abs(latitude - xy[:, 1]) < _RETURNED)).all():
            return None
        carried_ = shapely.set_coordinates(shapely.from_wkb(shapely.to_wkb(fine)), np.column_stack((x, y)))
        return valid(carried_)

    def _transform(
        self,
        x: NDArray[np.float64],
        y: NDArray[np.float64],
        owner: NDArray[np.intp] | None = None,
        bounds: NDArray[np.float64] | None = None,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Longitude and latitude of points. Points of the same box (a row, or the same `owner`) stay within half a turn
        of each other."""
        assert self._there is not None
        longitude, latitude = self._there.transform(x, y)
        if self._flat:
            return longitude + np.round((x * (TURN / self._period) - longitude) / TURN) * TURN, latitude
        if owner is None:
            return nearby(longitude, longitude[:, :1]), latitude
        assert bounds is not None
        middle = self._there.transform(bounds[:, [0, 2]].mean(axis=1), bounds[:, [1, 3]].mean(axis=1))[0]
        return nearby(longitude, np.asarray(middle)[owner]), latitude

    def _polar(self, bounds: NDArray[np.float64]) -> NDArray[np.bool_]:
        """(n,): whether the box contains a pole."""
        assert self._back is not None
        held = np.zeros(len(bounds), np.bool_)
        for pole in (-90.0, 90.0):
            x, y = self._back.transform(0.0, pole)
            held |= (bounds[:, 0] <= x) & (x <= bounds[:, 2]) & (bounds[:, 1] <= y) & (y <= bounds[:, 3])
        return held

    def _around(self, shape: shapely.Geometry) -> shapely.Geometry | None:
        """A box in degrees that contains the polygon; if a pole is inside, the box spans all longitudes up to the
        pole."""
        longitude, latitude = self.points(shape)
        if not len(longitude):
            return None
        south, north = float(latitude.min()), float(latitude.max())
        west, east = around(np.column_stack((longitude, longitude)).tolist())
        assert self._back is not None
        for pole in (-90.0, 90.0):
            x, y = self._back.transform(0.0, pole)
            if np.isfinite(x) and np.isfinite(y) and shapely.intersects_xy(shape, x, y):
                west, east, south, north = -180.0, 180.0, min(south, pole), max(north, pole)
        return shapely.box(west, south, east + TURN if east < west else east, north)
