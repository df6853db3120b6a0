"""Site: where the samples of one partition lie on each source grid; worked out once, used for every date and band."""

from __future__ import annotations

import math
from threading import RLock

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS

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
_BOX_MARGIN = 0.01
"""Share by which a feature's box in degrees is widened: its sides are curves, known at three points."""
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
        self._boxes: NDArray[np.object_] | None = None

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
        """(n,): whether the footprint (EPSG:4326) meets the box of each feature; everything, if it is not known."""
        count = len(self.grids)
        if footprint is None or shapely.is_empty(footprint) or not count:
            return np.ones(count, np.bool_)
        with self._lock:
            if self._boxes is None:
                self._boxes = self._geographic_boxes()
            whole = shapely.box(*shapely.total_bounds(self._boxes))
        shapely.prepare(footprint)
        if shapely.covers(footprint, whole):
            return np.ones(count, np.bool_)
        reached: NDArray[np.bool_] = shapely.intersects(footprint, self._boxes)
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

    def _geographic_boxes(self) -> NDArray[np.object_]:
        corners = Warp(self.crs, self.grids, _WGS84, math.inf).corners.reshape(-1, 9, 2)
        low, high = corners.min(axis=1), corners.max(axis=1)
        margin = (high - low) * _BOX_MARGIN
        low, high = low - margin, high + margin
        known = np.isfinite(low).all(axis=1) & np.isfinite(high).all(axis=1) & (high[:, 0] - low[:, 0] < 180.0)
        low[~known], high[~known] = (-180.0, -90.0), (180.0, 90.0)
        boxes: NDArray[np.object_] = shapely.box(low[:, 0], low[:, 1], high[:, 0], high[:, 1])
        return boxes
