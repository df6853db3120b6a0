"""Sample geometry: the grids and samples of a partition, computed once and used for all dates and bands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from arpent.domain.feature import Features
from arpent.domain.grid import AS_THE_SERVICE, Grids, PixelRule, Samples
from arpent.domain.imagery.item import Item
from arpent.raster.sampling_plan import SamplingPlan
from arpent.zonal.pixel_rules import covered_shares, samples_inside

MOST_PARTS = 8
"""Maximum number of groups of features whose geometry is cached."""


@dataclass(frozen=True, kw_only=True)
class SampleGeometry:
    """Features with a usable geometry, their grids and the samples inside them."""

    features: Features
    """Usable features of the partition."""
    grids: Grids
    """One grid per feature."""
    samples: Samples
    """Samples inside each feature's polygon."""
    rule: PixelRule = AS_THE_SERVICE
    """The rule that determines which samples are inside."""

    @cached_property
    def sampling(self) -> SamplingPlan:
        """Plan of where the samples lie on each source grid; its results are cached."""
        return SamplingPlan(
            crs=self.features.crs, grids=self.grids, samples=self.samples, geometries=self.features.geometries
        )

    def take(self, rows: NDArray[np.intp]) -> SampleGeometry:
        """The geometry of some of the features; cached, because the same groups occur in every interval."""
        key = rows.tobytes()
        if key not in self._parts:
            if len(self._parts) >= MOST_PARTS:
                self._parts.pop(next(iter(self._parts)))
            self._parts[key] = SampleGeometry(
                features=self.features.take(rows),
                grids=self.grids.take(rows),
                samples=self.samples.take(rows),
                rule=self.rule,
            )
        return self._parts[key]

    def anew(self) -> SampleGeometry:
        """A copy of this geometry without cached results, which may take more memory than its samples."""
        return replace(self, samples=replace(self.samples))

    @cached_property
    def _parts(self) -> dict[bytes, SampleGeometry]:
        return {}

    @cached_property
    def shares(self) -> NDArray[np.float64]:
        """(N,): share of each sample that its polygon covers."""
        return covered_shares(self.features, self.grids, self.samples, self.rule)

    @property
    def box(self) -> tuple[float, float, float, float]:
        """(west, south, east, north) in EPSG:4326 of a box that contains all features."""
        return self.sampling.reach.box

    def reached(self, item: Item) -> NDArray[np.bool_]:
        """(n,): whether the item reaches the feature's polygon, by the same test as in the mosaic."""
        return self.sampling.reached(item)


def sample_geometry(features: Features, grids: Grids, rule: PixelRule = AS_THE_SERVICE) -> SampleGeometry:
    """The geometry of these features, with the samples inside each polygon."""
    samples = samples_inside(features, grids, rule)
    return SampleGeometry(features=features, grids=grids, samples=samples, rule=rule)


def without_samples(features: Features, grids: Grids) -> SampleGeometry:
    """The geometry of features whose samples are computed later, in chunks. It suffices to determine which items reach
    them."""
    nothing = np.zeros(len(features) + 1, np.int64)
    samples = Samples(offsets=nothing, span_offsets=nothing, spans=np.zeros((0, 3), np.int32))
    return SampleGeometry(features=features, grids=grids, samples=samples)
