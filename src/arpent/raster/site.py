"""Site: where the samples of one partition lie on each source grid; worked out once, used for every date and band."""

from __future__ import annotations

import math
from threading import RLock

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from arpent.model.grid import Grids
from arpent.model.raster import Raster
from arpent.model.request import Resampling
from arpent.model.samples import Samples
from arpent.raster.index import NearestIndex, sort_by_block
from arpent.raster.interpolate import InterpolationIndex, index_neighbours
from arpent.raster.locate import Coordinates, Warp, to_pixels
from arpent.raster.resample import Manner, coarseness, manners

Index = NearestIndex | InterpolationIndex

_WGS84 = CRS.from_epsg(4326)
_TOLERANCE = 2.5e-7
"""How far from PROJ a sample may land, in pixels of the source."""
_MOST_INDICES = 64
"""Source grids remembered; a partition meets a few, a job of odd images must not fill the memory."""


class Site:
    """The samples of one partition. Thread-safe."""

    def __init__(self, crs: CRS, grids: Grids, samples: Samples, geometries: NDArray[np.object_] | None = None) -> None:
        """`samples`: those inside the polygons, in each feature's own grid of `grids`; `crs`: that of the grids and of
        the polygons `geometries` (n,), which decide what is in reach; without them the grids do."""
        self.crs = crs
        self.grids = grids
        self.samples = samples
        self._geometries = geometries
        self._lock = RLock()
        self._warps: dict[tuple[str, float], Warp] = {}
        self._indices: dict[object, tuple[Index, ...]] = {}
        self._shapes: NDArray[np.object_] | None = None

    def indices(self, raster: Raster, upsampling: Resampling, downsampling: Resampling) -> tuple[Index, ...]:
        """How each sample is taken from images on this raster's grid; a sample appears in at most one of them."""
        transform = tuple(raster.transform)
        key = (raster.crs.srs, transform, raster.levels, upsampling, downsampling)
        with self._lock:
            if key not in self._indices:
                if len(self._indices) >= _MOST_INDICES:
                    self._indices.pop(next(iter(self._indices)))
                self._indices[key] = self._build(raster, upsampling, downsampling)
            return self._indices[key]

    def reached(self, footprint: shapely.Geometry | None) -> NDArray[np.bool_]:
        """(n,): whether the footprint (EPSG:4326) meets each polygon, or its grid; everything, if it is not known."""
        count = len(self.grids)
        if footprint is None or shapely.is_empty(footprint) or not count:
            return np.ones(count, np.bool_)
        with self._lock:
            if self._shapes is None:
                self._shapes = self._geographic_shapes()
            whole = shapely.box(*shapely.total_bounds(self._shapes))
        # Threads share items, and a prepared geometry works lazily inside: two threads at one crash the process.
        own = shapely.from_wkb(shapely.to_wkb(footprint))
        shapely.prepare(own)
        if shapely.covers(own, whole):
            return np.ones(count, np.bool_)
        reached: NDArray[np.bool_] = shapely.intersects(own, self._shapes)
        return reached

    def _build(self, raster: Raster, upsampling: Resampling, downsampling: Resampling) -> tuple[Index, ...]:
        warp = self._warp(raster.crs, math.sqrt(abs(raster.transform.determinant)))
        coordinates = to_pixels(raster.transform, warp.coordinates(self.samples))
        if upsampling is downsampling is Resampling.NEAREST:
            return (sort_by_block(0, raster.levels[0], coordinates),)
        ratio = coarseness(warp.corners, self.grids, raster.transform)
        return tuple(
            self._indexed(raster, manner, chosen, coordinates)
            for manner, chosen in manners(ratio, raster.levels, upsampling, downsampling).items()
        )

    def _indexed(self, raster: Raster, manner: Manner, features: NDArray[np.bool_], coordinates: Coordinates) -> Index:
        """The index of some of the features, on one level."""
        level = raster.levels[manner.level]
        chosen = np.repeat(features, self.samples.counts)
        columns = np.where(chosen, coordinates[0] * (level.width / raster.width), np.nan)
        rows = np.where(chosen, coordinates[1] * (level.height / raster.height), np.nan)
        if manner.resampling is Resampling.NEAREST:
            return sort_by_block(manner.level, level, (columns, rows))
        return index_neighbours(manner.level, level, (columns, rows), manner.resampling is Resampling.BICUBIC)

    def _warp(self, target: CRS, pixel: float) -> Warp:
        """Shared by all images of a CRS whose pixels are of the same order of magnitude."""
        decade = 10.0 ** math.floor(math.log10(pixel))
        key = (target.srs, decade)
        if key not in self._warps:
            self._warps[key] = Warp(self.crs, self.grids, target, decade * _TOLERANCE)
        return self._warps[key]

    def _geographic_shapes(self) -> NDArray[np.object_]:
        """(n,): polygons, or bounds where there are none, in degrees; the whole world where PROJ has no answer."""
        shapes = shapely.box(*self.grids.bounds.T) if self._geometries is None else self._geometries
        shapes = np.asarray(shapes, object)
        if not self.crs.equals(_WGS84, ignore_axis_order=True):
            change = Transformer.from_crs(self.crs, _WGS84, always_xy=True).transform
            shapes = shapely.transform(shapes, lambda xy: np.column_stack(change(xy[:, 0], xy[:, 1])))
        bounds = shapely.bounds(shapes)
        known = np.isfinite(bounds).all(axis=1) & (bounds[:, 2] - bounds[:, 0] < 180.0)
        if not known.all():
            shapes = shapes.copy()
            shapes[~known] = shapely.box(-180.0, -90.0, 180.0, 90.0)
        return shapes
