"""Chunks: divide the samples of a partition into parts that fit into memory and share no block of the imagery."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from operator import itemgetter

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from arpent.domain.errors import AssetUnreadable
from arpent.domain.feature import Features
from arpent.domain.grid import AS_THE_SERVICE, Grids, PixelRule, Samples
from arpent.domain.imagery.item import Item
from arpent.domain.imagery.raster import Level, Raster
from arpent.domain.ports.imagery import AssetReader
from arpent.engine.band_bindings import BandBinding
from arpent.engine.processing.acquisitions import IntervalAcquisitions
from arpent.engine.processing.sample_geometry import SampleGeometry
from arpent.raster.blocks.cells import Cells
from arpent.zonal.pixel_rules import samples_inside

TRIED = 5
"""Maximum number of items whose headers are tried to find the images' blocks."""
SIDE = 1024
"""Samples per side of a block if no image header can be read."""


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Samples that are read and evaluated at once."""

    rows: NDArray[np.intp]
    """(k,): features that have samples in the chunk, as rows of the partition, ascending."""
    geometry: SampleGeometry
    """Geometry of those features, with only the samples of this chunk."""


def chunks(
    features: Features, grids: Grids, raster: Raster, most: int, rule: PixelRule = AS_THE_SERVICE
) -> Iterator[Chunk]:
    """Chunks of about `most` samples that together hold every sample inside a polygon once. Every feature is in at
    least one chunk, even if it has no samples. `raster`: the image along whose blocks the samples are divided."""
    cells, placed = Cells(features.crs, grids, raster), np.zeros(len(features), bool)
    rings = rule == AS_THE_SERVICE  # other rules turn or shrink the outlines first
    for run in cells.runs(most):
        mine, own = features.take(run.features, rings=rings), grids.take(run.features)
        found = samples_inside(mine, own, rule, run.windows)
        samples = cells.within(run, _of_all(found, run.features, len(features)))
        counts = samples.counts
        waiting = np.zeros(len(features), bool)
        waiting[run.features] = ~placed[run.features]
        rows = np.flatnonzero((counts > 0) | waiting)
        placed[rows] = True
        if len(rows) < len(run.features):
            mine, own = features.take(rows), grids.take(rows)
        geometry = SampleGeometry(features=mine, grids=own, samples=samples.take(rows), rule=rule)
        yield Chunk(rows=rows, geometry=geometry)


def _of_all(samples: Samples, rows: NDArray[np.intp], count: int) -> Samples:
    """The samples of the features at `rows`, arranged as samples of `count` features, of which the others have none."""
    counts, span_counts = np.zeros((2, count), np.int64)
    counts[rows], span_counts[rows] = samples.counts, np.diff(samples.span_offsets)
    offsets, span_offsets = (np.append(0, np.cumsum(each)) for each in (counts, span_counts))
    return Samples(offsets=offsets, span_offsets=span_offsets, spans=samples.spans)


def raster_of_blocks(
    bindings: Sequence[BandBinding],
    found: Sequence[IntervalAcquisitions],
    features: Features,
    grids: Grids,
    reader: AssetReader,
) -> Raster:
    """The image along whose blocks to divide: of the item that reaches the most features, the band with the largest
    blocks on the ground, into which the blocks of finer bands fit."""
    for binding, item in _most_useful(bindings, found):
        rasters = []
        for requested in binding.requests:
            with suppress(AssetUnreadable, KeyError):
                asset = item.assets[requested.band.name]
                rasters.append(reader.describe(asset.href, asset.georeference))
        if rasters:
            return max(rasters, key=_block_area)
    return _invented(features, grids)


def _most_useful(
    bindings: Sequence[BandBinding], found: Sequence[IntervalAcquisitions]
) -> Iterator[tuple[BandBinding, Item]]:
    """Up to TRIED items with their bindings; those that reach the most features come first."""
    counted = [
        (reached, binding, item)
        for one in found
        for binding, acquisitions in zip(bindings, one.inputs, strict=False)
        for item, reached in zip(acquisitions.items, acquisitions.reach.sum(axis=1).tolist(), strict=True)
    ]
    for _, binding, item in sorted(counted, key=itemgetter(0), reverse=True)[:TRIED]:
        yield binding, item


def _block_area(raster: Raster) -> float:
    level = raster.levels[0]
    return abs(raster.transform.determinant) * level.block_width * level.block_height


def _invented(features: Features, grids: Grids) -> Raster:
    """A substitute if no image header can be read: the features' own grid, with blocks of SIDE samples."""
    step = np.median(grids.pixel_size, axis=0)
    left, top = features.bounds[:, 0].min(), features.bounds[:, 3].max()
    return Raster(
        href="",
        crs=features.crs,
        transform=Affine(float(step[0]), 0.0, float(left), 0.0, -float(step[1]), float(top)),
        dtype=np.dtype(np.uint8),
        band_count=1,
        no_data=None,
        masked=False,
        levels=(Level(width=SIDE, height=SIDE, block_width=SIDE, block_height=SIDE),),
    )
