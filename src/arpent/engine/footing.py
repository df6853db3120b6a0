"""Footing: the geometry work of one partition, done once and reused for every date and band."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from arpent.model.feature import Features
from arpent.model.grid import Grids
from arpent.model.samples import Samples
from arpent.raster.site import Site
from arpent.zonal.coverage import cover

WORLD = CRS.from_epsg(4326)
MOST_PARTS = 8
"""Groups of features whose geometry work is kept."""
EDGE_POINTS = 9
"""Points per side when a box is carried to another CRS: its sides are curves there."""
NARROW = 2_000.0
"""Sides up to so many units of a projected CRS bend by centimetres only: their ends and middles are enough."""


@dataclass(frozen=True, kw_only=True)
class Footing:
    """Features that have a usable geometry, their grids and the samples inside them."""

    features: Features
    """Usable features of the partition."""
    grids: Grids
    """(n,): their grids."""
    samples: Samples
    """Samples inside each."""

    @cached_property
    def site(self) -> Site:
        """Where the samples lie on each source grid; remembers what it has worked out."""
        return Site(crs=self.features.crs, grids=self.grids, samples=self.samples, geometries=self.features.geometries)

    def take(self, rows: NDArray[np.intp]) -> Footing:
        """The same for some of the features; remembered, because the same groups come back every interval."""
        key = rows.tobytes()
        if key not in self._parts:
            if len(self._parts) >= MOST_PARTS:
                self._parts.pop(next(iter(self._parts)))
            self._parts[key] = stand(self.features.take(rows), self.grids.take(rows))
        return self._parts[key]

    @cached_property
    def _parts(self) -> dict[bytes, Footing]:
        return {}

    @cached_property
    def boxes(self) -> NDArray[np.float64]:
        """(n, 4): west, south, east, north of each grid in EPSG:4326."""
        return geographic(self.grids.bounds, self.features.crs)

    @property
    def box(self) -> tuple[float, float, float, float]:
        """West, south, east, north of all of them."""
        west, south = self.boxes[:, :2].min(axis=0)
        east, north = self.boxes[:, 2:].max(axis=0)
        return float(west), float(south), float(east), float(north)

    def reached(self, footprint: shapely.Geometry) -> NDArray[np.bool_]:
        """(n,): whose polygon the footprint (EPSG:4326) meets; the same answer that the mosaic goes by."""
        return self.site.reached(footprint)


def stand(features: Features, grids: Grids) -> Footing:
    """Work out which samples lie inside."""
    return Footing(features=features, grids=grids, samples=cover(features, grids))


def geographic(bounds: NDArray[np.float64], crs: CRS) -> NDArray[np.float64]:
    """(n, 4): boxes of a CRS as boxes of EPSG:4326, longitude first; their sides are followed, not just corners."""
    if crs.is_geographic and crs.to_epsg() in (4326, None):
        return bounds
    moved = np.empty(bounds.shape)
    transformer = Transformer.from_crs(crs, WORLD, always_xy=True)
    narrow = np.max(bounds[:, 2:] - bounds[:, :2], axis=1, initial=0.0) <= (0.0 if crs.is_geographic else NARROW)
    for rows, points in ((np.flatnonzero(narrow), 3), (np.flatnonzero(~narrow), EDGE_POINTS)):
        if len(rows):
            moved[rows] = _carried(bounds[rows], transformer, points)
    return moved


def _carried(bounds: NDArray[np.float64], transformer: Transformer, points: int) -> NDArray[np.float64]:
    """The boxes round so many points of each side."""
    step = np.linspace(0.0, 1.0, points)[:-1]
    zero, one = np.zeros(points - 1), np.ones(points - 1)
    along = np.concatenate((step, one, 1.0 - step, zero))
    across = np.concatenate((zero, step, one, 1.0 - step))
    extent = bounds[:, 2:] - bounds[:, :2]
    x = bounds[:, :1] + along * extent[:, :1]
    y = bounds[:, 1:2] + across * extent[:, 1:]
    longitude, latitude = transformer.transform(x, y)
    return np.column_stack((longitude.min(axis=1), latitude.min(axis=1), longitude.max(axis=1), latitude.max(axis=1)))
