"""Sampling plan: where the samples of a partition lie on each source grid; computed once and used for all dates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from copy import copy
from functools import cached_property
from threading import RLock

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS

from arpent.domain.grid import Grids, Samples
from arpent.domain.imagery.item import Item
from arpent.domain.imagery.raster import MOST, Raster
from arpent.domain.request import Resampling
from arpent.raster.blocks.block_index import NearestIndex, sort_by_block
from arpent.raster.blocks.block_index_aligned import AlignedIndex, index_aligned
from arpent.raster.footprints.antimeridian import period
from arpent.raster.footprints.reach import Reach
from arpent.raster.interpolate import InterpolationIndex, index_neighbours
from arpent.raster.reproject import Coordinates, Reprojection, to_pixels
from arpent.raster.resample import ResamplingChoice, coarseness, resampling_choices

Index = NearestIndex | AlignedIndex | InterpolationIndex

_TOLERANCE = 2.5e-7
"""How far a sample may be from PROJ's result, in pixels of the source."""
_MOST_INDICES = 64
"""Maximum number of source grids that are cached. A partition usually meets a few; the limit protects the memory in
unusual cases."""


class SamplingPlan:
    """The samples of one partition. Thread-safe."""

    def __init__(self, crs: CRS, grids: Grids, samples: Samples, geometries: NDArray[np.object_] | None = None) -> None:
        """`samples`: samples inside the polygons, on each feature's own grid of `grids`. `geometries` (n,): polygons
        that are tested against footprints; None: the grids are. `crs`: CRS of both. Raises ValueError for more samples
        than int32 can number."""
        if len(samples) > MOST:
            raise ValueError(f"{len(samples)} samples are too many for one partition")
        self.crs = crs
        self.grids = grids
        self.samples = samples
        self._geometries = geometries
        self._known: Mapping[int, NDArray[np.bool_]] = {}
        self._lock = RLock()
        self._warps: dict[tuple[str, float], Reprojection] = {}
        self._indices: dict[object, tuple[Index, ...]] = {}

    def indices(self, raster: Raster, upsampling: Resampling, downsampling: Resampling) -> tuple[Index, ...]:
        """Indices that assign pixels of images on this raster's grid to samples; a sample is in at most one of them."""
        transform = tuple(raster.transform)
        key = (raster.crs.srs, transform, raster.levels, upsampling, downsampling)
        with self._lock:
            if key not in self._indices:
                if len(self._indices) >= _MOST_INDICES:
                    self._indices.pop(next(iter(self._indices)))
                self._indices[key] = self._build(raster, upsampling, downsampling)
            return self._indices[key]

    @cached_property
    def reach(self) -> Reach:
        """Tests which features a footprint meets."""
        return Reach(self.crs, self.grids, self._geometries)

    def knowing(self, items: Sequence[Item], reach: NDArray[np.bool_]) -> SamplingPlan:
        """The same plan, with known results (items, n) of `reached` for these items. The caller must keep the items for
        as long as the plan: they are identified as objects, since several may share an id."""
        plan = copy(self)
        plan._known = {id(item): row for item, row in zip(items, reach, strict=True)}
        return plan

    def reached(self, item: Item) -> NDArray[np.bool_]:
        """(n,): whether the item's footprint meets each polygon (or grid), without the part that newer processings
        supersede."""
        if (known := self._known.get(id(item))) is not None:
            return known
        reached = self.reach.of(item.footprint)
        if item.superseded is not None and reached.any():
            reached &= ~self.reach.of(item.superseded)
        return reached

    def _build(self, raster: Raster, upsampling: Resampling, downsampling: Resampling) -> tuple[Index, ...]:
        reprojection = self._reprojection(raster.crs, math.sqrt(abs(raster.transform.determinant)))
        transform = raster.transform
        nearest = upsampling is downsampling is Resampling.NEAREST
        turn = self._turn(raster, reprojection)
        if nearest and reprojection.identity and turn is None and transform.b == transform.d == 0.0:
            return (index_aligned(raster.levels[0], transform, self.grids, self.samples),)
        x, y = reprojection.coordinates(self.samples)
        coordinates = to_pixels(transform, (x if turn is None else _brought_in(x, raster, turn), y))
        if nearest:
            return (sort_by_block(0, raster.levels[0], coordinates),)
        ratio = coarseness(reprojection.corners, self.grids, transform)
        return tuple(
            self._indexed(raster, manner, chosen, coordinates)
            for manner, chosen in resampling_choices(ratio, raster.levels, upsampling, downsampling).items()
        )

    def _turn(self, raster: Raster, reprojection: Reprojection) -> float | None:
        """Length of one turn of the globe in the image's x; None if no sample can be a turn away from the image."""
        turn = period(raster.crs)
        if turn is None or not reprojection.identity:
            return turn
        ends = np.concatenate((_extent(raster), self.grids.bounds[:, 0], self.grids.bounds[:, 2]))
        return turn if (np.abs(ends) > turn / 2).any() else None

    def _indexed(
        self, raster: Raster, manner: ResamplingChoice, features: NDArray[np.bool_], coordinates: Coordinates
    ) -> Index:
        """The index of the samples of some features, on one level."""
        level = raster.levels[manner.level]
        chosen = np.repeat(features, self.samples.counts)
        columns = np.where(chosen, coordinates[0] * (level.width / raster.width), np.nan)
        rows = np.where(chosen, coordinates[1] * (level.height / raster.height), np.nan)
        if manner.resampling is Resampling.NEAREST:
            return sort_by_block(manner.level, level, (columns, rows))
        return index_neighbours(manner.level, level, (columns, rows), manner.resampling is Resampling.BICUBIC)

    def _reprojection(self, target: CRS, pixel: float) -> Reprojection:
        """The reprojection, shared by all images of a CRS whose pixel sizes are of the same order of magnitude."""
        decade = 10.0 ** math.floor(math.log10(pixel))
        key = (target.srs, decade)
        if key not in self._warps:
            self._warps[key] = Reprojection(self.crs, self.grids, target, decade * _TOLERANCE)
        return self._warps[key]


def _extent(raster: Raster) -> tuple[float, float]:
    """Smallest and largest x of an image's corners."""
    corners = [raster.transform @ (column, row) for column in (0, raster.width) for row in (0, raster.height)]
    return min(x for x, _ in corners), max(x for x, _ in corners)


def _brought_in(x: NDArray[np.float64], raster: Raster, turn: float) -> NDArray[np.float64]:
    """(N,): x, shifted by whole turns into the image's extent where possible."""
    left, right = _extent(raster)
    with np.errstate(invalid="ignore"):
        return np.where((x >= left) & (x < right), x, x - np.floor((x - left) / turn) * turn)
