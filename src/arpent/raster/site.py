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
_EDGE_POINTS = 9
"""Points per side of a grid's outline in degrees, where its sides are curves."""
_MOST_INDICES = 64
"""Source grids remembered; a partition meets a few, a job of odd images must not fill the memory."""


class Site:
    """The samples of one partition. Thread-safe."""

    def __init__(self, crs: CRS, grids: Grids, samples: Samples) -> None:
        """`samples`: those inside the polygons, in each feature's own grid of `grids`; `crs`: that of the grids."""
        self.crs = crs
        self.grids = grids
        self.samples = samples
        self._lock = RLock()
        self._warps: dict[tuple[str, float], Warp] = {}
        self._indices: dict[object, tuple[Index, ...]] = {}
        self._outlines: NDArray[np.object_] | None = None

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
        """(n,): whether the footprint (EPSG:4326) meets the grid of each feature; everything, if it is not known."""
        count = len(self.grids)
        if footprint is None or shapely.is_empty(footprint) or not count:
            return np.ones(count, np.bool_)
        with self._lock:
            if self._outlines is None:
                self._outlines = self._geographic_outlines()
            whole = shapely.box(*shapely.total_bounds(self._outlines))
        shapely.prepare(footprint)
        if shapely.covers(footprint, whole):
            return np.ones(count, np.bool_)
        reached: NDArray[np.bool_] = shapely.intersects(footprint, self._outlines)
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

    def _geographic_outlines(self) -> NDArray[np.object_]:
        """(n,): the grids' bounds in degrees; the whole world for one that PROJ cannot place."""
        step, ones = np.linspace(0.0, 1.0, _EDGE_POINTS)[:-1], np.ones(_EDGE_POINTS - 1)
        along = np.concatenate((step, ones, 1.0 - step, 0.0 * ones))
        across = np.concatenate((0.0 * ones, step, ones, 1.0 - step))
        low, extent = self.grids.bounds[:, None, :2], np.diff(self.grids.bounds.reshape(-1, 2, 2), axis=1)
        x, y = low[..., 0] + along * extent[..., 0], low[..., 1] + across * extent[..., 1]
        if not self.crs.equals(_WGS84, ignore_axis_order=True):
            x, y = Transformer.from_crs(self.crs, _WGS84, always_xy=True).transform(x, y)
        known = np.isfinite(x).all(axis=1) & np.isfinite(y).all(axis=1) & (np.ptp(x, axis=1) < 180.0)
        outlines = np.full(len(x), shapely.box(-180.0, -90.0, 180.0, 90.0), object)
        outlines[known] = shapely.polygons(np.stack((x[known], y[known]), axis=-1))
        return outlines
