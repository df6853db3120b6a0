"""Sample geometry: the grids and samples of one partition, worked out once and reused for every date and band."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import shapely
from numpy.typing import NDArray

from arpent.domain.feature import Features
from arpent.domain.grid import Grids, Samples
from arpent.raster.sampling_plan import Site
from arpent.zonal.pixel_coverage import pixel_coverage

MOST_PARTS = 8
"""Groups of features whose geometry work is kept."""


@dataclass(frozen=True, kw_only=True)
class SampleGeometry:
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

    def take(self, rows: NDArray[np.intp]) -> SampleGeometry:
        """The same for some of the features; remembered, because the same groups come back every interval."""
        key = rows.tobytes()
        if key not in self._parts:
            if len(self._parts) >= MOST_PARTS:
                self._parts.pop(next(iter(self._parts)))
            self._parts[key] = SampleGeometry(
                features=self.features.take(rows), grids=self.grids.take(rows), samples=self.samples.take(rows)
            )
        return self._parts[key]

    @cached_property
    def _parts(self) -> dict[bytes, SampleGeometry]:
        return {}

    @property
    def box(self) -> tuple[float, float, float, float]:
        """West, south, east, north of all of them, at least."""
        return self.site.reach.box

    def reached(self, footprint: shapely.Geometry) -> NDArray[np.bool_]:
        """(n,): whose polygon the footprint (EPSG:4326) meets; the same answer that the mosaic goes by."""
        return self.site.reached(footprint)


def sample_geometry(features: Features, grids: Grids) -> SampleGeometry:
    """Work out which samples lie inside."""
    return SampleGeometry(features=features, grids=grids, samples=pixel_coverage(features, grids))
