"""Mask: which pixels of an image are valid, by mask pages of its file, the `.msk` next to it, or an alpha band; and the
no-data numbers in the `.aux.xml` next to it.

A mask has the same grid of pixels as its image, but may be divided into other blocks.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from arpent.adapters.images.byte_source import Range
from arpent.adapters.images.decode import Buffer, decode, decode_bits
from arpent.adapters.images.table import Table
from arpent.domain.imagery.file_version import Version
from arpent.domain.imagery.raster import Level
from arpent.domain.ports.imagery import Block

Payload = Callable[[Range], Buffer]
"""(offset, length) of a block of the mask → its bytes."""
MOST_AUXILIARY = 1 << 20
"""Maximum bytes of the `.aux.xml` next to an image, where GDAL stores metadata that the image's format cannot hold."""
_AUXILIARY_BAND = re.compile(rb'<PAMRasterBand\b[^>]*\bband="(\d{1,5})"[^>]*>(.*?)</PAMRasterBand>', re.DOTALL)
_AUXILIARY_NUMBER = re.compile(rb"<NoDataValue\b[^>]*>\s*([^<\s]{1,40})\s*<")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mask:
    """One mask of an image, and where its blocks lie. Pixels where the mask is 0 are not valid."""

    href: str
    """Href of the file that holds the mask."""
    version: Version
    """Version of that file."""
    tables: tuple[Table, ...]
    """One table of blocks per level of the image."""
    band: int | None = None
    """Index of the alpha band that serves as mask, from 0; None: the mask is not a band of the image."""
    each: bool = False
    """Whether it has one plane for each band of the image, instead of one for all."""

    @property
    def shared(self) -> bool:
        """Whether the mask is stored in the same blocks as the other bands, so that no further bytes are needed."""
        return self.band is not None and self.tables[0].samples > 1

    @property
    def most_packed(self) -> int:
        """Maximum bytes that a stored block of the mask can have."""
        return max(table.most_packed for table in self.tables)

    def concerns(self, band: int) -> bool:
        """Whether the mask applies to this band of the image: alpha applies to all bands but itself."""
        return band != self.band

    def ranges(self, shape: Level, block: Block, band: int) -> list[Range]:
        """Byte ranges of the mask's blocks over one block of the image, without those that were never written."""
        table, plane = self.tables[block.level], self._plane(band)
        return [
            entry for row, column in self._places(shape, block)
            if min(entry := table.entry(row, column, plane)) > 0
        ]  # fmt: skip

    def valid(self, shape: Level, block: Block, band: int, rows: int, payload: Payload) -> NDArray[np.bool_]:
        """(rows, block_width): which pixels of one block of the image are valid; False beyond the image's edges. Raises
        ValueError if the mask's bytes are damaged."""
        table, plane = self.tables[block.level], self._plane(band)
        valid = np.zeros((rows, shape.block_width), np.bool_)
        top, left = block.row * shape.block_height, block.column * shape.block_width
        bottom, right = min(top + rows, shape.height), min(left + shape.block_width, shape.width)
        for row, column in self._places(shape, block):
            up, west = row * table.shape.block_height, column * table.shape.block_width
            low, high = max(top, up), min(bottom, up + table.rows(row))
            near, far = max(left, west), min(right, west + table.shape.block_width)
            entry = table.entry(row, column, plane)
            if low >= high or near >= far or min(entry) <= 0:
                continue
            part = self._decoded(payload(entry), table, row, high - up, plane)[low - up :, near - west : far - west]
            valid[low - top : high - top, near - left : far - left] = part
        return valid

    def _plane(self, band: int) -> int:
        return self.band if self.band is not None else band if self.each else 0

    def _places(self, shape: Level, block: Block) -> Iterator[tuple[int, int]]:
        """Row and column of each block of the mask that overlaps one block of the image."""
        own = self.tables[block.level].shape
        for row in _spanned(block.row, shape.block_height, shape.height, own.block_height, block.rows):
            for column in _spanned(block.column, shape.block_width, shape.width, own.block_width):
                yield row, column

    def _decoded(self, payload: Buffer, table: Table, row: int, rows: int, plane: int) -> NDArray[np.bool_]:
        sides = (table.rows(row), table.shape.block_width)
        if table.dtype.kind == "b":
            return decode_bits(payload, table, sides, rows, plane)
        return np.asarray(decode(payload, table, sides, rows, plane) != 0)


def _spanned(number: int, size: int, whole: int, own: int, enough: int | None = None) -> range:
    """Along one axis, the indices of the blocks of `own` pixels that overlap block `number` of `size` pixels. `whole`:
    pixels of the image; `enough`: how many pixels of the block are needed; None: all."""
    start = number * size
    end = min(start + (min(enough, size) if enough else size), whole)
    return range(start // own, -(-end // own))


def masked(pixels: NDArray[np.generic], valid: Sequence[NDArray[np.bool_]]) -> NDArray[np.generic]:
    """The pixels, as a numpy masked array if some are not valid in one of the masks."""
    counts = np.logical_and.reduce(valid) if len(valid) > 1 else valid[0]
    return pixels if counts.all() else np.ma.MaskedArray(pixels, ~counts)


def has_auxiliary_metadata(path: Path) -> bool:
    """Whether the `.aux.xml` next to an image gives no-data numbers of bands."""
    return bool(numbers_beside(path))


def numbers_beside(path: Path) -> dict[int, float]:
    """Band (from 0) → no-data number, from the `.aux.xml` next to an image. GDAL must not read that file, since it can
    name other files, which GDAL would open. Links are not followed."""
    try:
        with open(os.open(f"{path}.aux.xml", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            content = file.read(MOST_AUXILIARY)
    except OSError:
        return {}
    found = {}
    for band, inner in _AUXILIARY_BAND.findall(content):
        if (number := _AUXILIARY_NUMBER.search(inner)) is not None:
            with suppress(ValueError):
                found[int(band) - 1] = float(number[1])
    return found
