"""Layers: what of one image feeds which bands of one scene, and the reads that this takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arpent.model.item import Item
from arpent.model.raster import Raster
from arpent.model.request import Resampling, Source
from arpent.ports import AssetReader, Block
from arpent.raster.canvas import Canvas
from arpent.raster.index import NearestIndex
from arpent.raster.interpolate import Accumulation, InterpolationIndex
from arpent.raster.site import Index, Site
from arpent.raster.target import Target
from arpent.raster.units import Conversion
from arpent.raster.want import Want


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One image band that feeds bands of one scene, by one index."""

    href: str
    """The image."""
    band: int
    """Band of the file, from 0."""
    index: Index
    """Which of its pixels go where."""
    feeds: tuple[tuple[int, Conversion], ...]
    """Bands of the canvas it gives, and how; several when a script wants one band in two units."""

    def read(self, filled: NDArray[np.uint8]) -> tuple[tuple[int, Block], ...]:
        """(position in the index, block) of what is needed."""
        return tuple(self.index.needed(filled))

    def collectors(self, canvas: Canvas, scene: int) -> tuple[Nearest | Accumulation, ...]:
        """What takes the decoded blocks."""
        targets = [canvas.target(scene, band, conversion) for band, conversion in self.feeds]
        index = self.index
        if isinstance(index, InterpolationIndex):
            return tuple(Accumulation(index, target) for target in targets)
        return tuple(Nearest(index=index, target=target) for target in targets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearest:
    """Takes blocks straight to samples."""

    index: NearestIndex
    """Which pixels go where."""
    target: Target
    """Where the samples go."""

    def take(self, position: int, pixels: NDArray[np.generic]) -> None:
        """The samples of one block."""
        self.index.take(position, pixels, self.target)

    def finish(self) -> None:
        """Nothing is left to do."""


def layers(item: Item, wants: Sequence[Want], site: Site, reader: AssetReader, source: Source) -> tuple[Layer, ...]:
    """What the item's images give to the wants; none if the images do not reach any sample. Bands of different
    resolution lie on their own grids; classes are never interpolated."""
    found: dict[tuple[str, int, int], Layer] = {}
    for number, want in enumerate(wants):
        asset = item.assets[want.band.name]
        raster = reader.describe(asset.href)
        for index in _indices(want, raster, site, source):
            conversion = Conversion.of(
                want, raster, asset.harmonization, source.harmonize_values, isinstance(index, InterpolationIndex)
            )
            if not len(index.blocks):
                continue
            key = (asset.href, want.band.index, id(index))
            known = found[key].feeds if key in found else ()
            found[key] = Layer(href=asset.href, band=want.band.index, index=index, feeds=(*known, (number, conversion)))
    return tuple(found.values())


def _indices(want: Want, raster: Raster, site: Site, source: Source) -> tuple[Index, ...]:
    if want.band.categorical:
        return site.indices(raster, Resampling.NEAREST, Resampling.NEAREST)
    return site.indices(raster, source.upsampling, source.downsampling)
