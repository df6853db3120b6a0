"""Layer: which image supplies which bands of a scene, the blocks to read for this, and which items gave data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from arpent.domain.imagery.item import Item
from arpent.domain.imagery.raster import Raster
from arpent.domain.ports.imagery import AssetReader, Block
from arpent.domain.request import Resampling, Source
from arpent.raster.blocks.block_index import NearestIndex
from arpent.raster.blocks.block_index_aligned import AlignedIndex
from arpent.raster.calibrate import Tell, calibration_of, check_scale
from arpent.raster.canvas import Canvas, Target
from arpent.raster.conversion import BandRequest, Conversion
from arpent.raster.interpolate import Accumulation, InterpolationIndex
from arpent.raster.sampling_plan import Index, SamplingPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One band of an image that supplies one or more bands of a scene, through one index."""

    href: str
    """Href of the image."""
    band: int
    """Band of the file, counted from 0."""
    index: Index
    """Index that assigns the image's pixels to samples."""
    feeds: tuple[tuple[int, Conversion], ...]
    """(band of the canvas, conversion); several if a script asks for one band in two units."""

    def read(self, filled: NDArray[np.uint8]) -> tuple[tuple[int, Block], ...]:
        """(position in the index, block) of each block that is needed."""
        return tuple(self.index.needed(filled))

    def collectors(self, canvas: Canvas, scene: int) -> tuple[Nearest | Aligned | Accumulation, ...]:
        """One collector per supplied band; each takes the decoded blocks."""
        targets = [canvas.target(scene, band, conversion) for band, conversion in self.feeds]
        index = self.index
        if isinstance(index, InterpolationIndex):
            return tuple(Accumulation(index, target) for target in targets)
        if isinstance(index, AlignedIndex):
            return tuple(Aligned(index=index, target=target, whole=not len(target.filled)) for target in targets)
        return tuple(Nearest(index=index, target=target) for target in targets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearest:
    """Copies blocks to samples directly (NEAREST)."""

    index: NearestIndex
    """Index that assigns pixels to samples."""
    target: Target
    """Destination of the samples."""

    def take(self, position: int, pixels: NDArray[np.generic]) -> None:
        """Copy the pixels of the block at this position."""
        self.index.take(position, pixels, self.target)

    def finish(self) -> None:
        """Returns None: hits have been counted for all samples."""


@dataclass(slots=True, kw_only=True)
class Aligned:
    """Like Nearest, but hits are counted only if a sample has no data, which is rare."""

    index: AlignedIndex
    """Index that assigns pixels to samples."""
    target: Target
    """Destination of the samples."""
    whole: bool
    """Whether no sample was filled before, all samples taken so far have data, and hits are therefore not counted."""

    def take(self, position: int, pixels: NDArray[np.generic]) -> None:
        """Copy the pixels of the block at this position; if no sample is filled, all blocks are passed in order."""
        if self.whole:
            if self.index.take_data(position, pixels, self.target):
                return
            self.whole = False
            self.index.count(position, self.target.hits)
        self.index.take(position, pixels, self.target)

    def finish(self) -> NDArray[np.intp] | None:
        """Returns the samples without data if all others have data and no hits were counted; None if hits were
        counted."""
        return self.index.beyond if self.whole else None


def layers(
    item: Item, requests: Sequence[BandRequest], sampling: SamplingPlan, reader: AssetReader, source: Source, *,
    tell: Tell,
) -> tuple[Layer, ...]:  # fmt: skip
    """The layers through which the item's images supply the requested bands; empty if the images reach no sample. Bands
    of different resolution have their own grids; categorical bands are never interpolated."""
    found: dict[tuple[str, int, int], Layer] = {}
    for number, requested in enumerate(requests):
        asset = item.assets[requested.band.name]
        calibration_of(requested, item, tell)  # so that it raises before anything is read
        raster = reader.describe(asset.href, asset.georeference)
        check_scale(requested, raster, asset)
        for index in _indices(requested, raster, sampling, source):
            conversion = Conversion.of(
                requested, raster, asset, source.harmonize_values, isinstance(index, InterpolationIndex)
            )
            if not len(index.blocks):
                continue
            key = (asset.href, requested.band.index, id(index))
            known = found[key].feeds if key in found else ()
            found[key] = Layer(
                href=asset.href, band=requested.band.index, index=index, feeds=(*known, (number, conversion))
            )
    return tuple(found.values())


def _indices(requested: BandRequest, raster: Raster, sampling: SamplingPlan, source: Source) -> tuple[Index, ...]:
    if requested.band.categorical:
        return sampling.indices(raster, Resampling.NEAREST, Resampling.NEAREST)
    return sampling.indices(raster, source.upsampling, source.downsampling)


def provenance(used: NDArray[np.signedinteger], offsets: NDArray[np.int64], count: int) -> NDArray[np.bool_]:
    """(count, n): whether an item gave at least one sample to a feature. `used` (N,): index of each sample's item,
    below `count`, or -1; `offsets` (n + 1,): limits of the features' samples."""
    given = np.zeros((count, len(offsets) - 1), np.bool_)
    _mark(used, offsets, given)
    return given


@njit(cache=True, nogil=True)
def _mark(used, offsets, given):  # type: ignore[no-untyped-def]
    for feature in range(len(offsets) - 1):
        mine = used[offsets[feature] : offsets[feature + 1]]
        if len(mine) == 0:
            continue
        low = high = mine[0]
        for n in range(len(mine)):
            low, high = min(low, mine[n]), max(high, mine[n])
        if low >= 0:
            given[low, feature] = True
        if high >= 0:
            given[high, feature] = True
        if high - low > 1:  # more items are possible only then; usually there is one, or none
            for n in range(len(mine)):
                if mine[n] >= 0:
                    given[mine[n], feature] = True
