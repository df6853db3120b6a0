"""Mask: which pixels of an image are valid, by pages of its file, by the `.msk` or `.aux.xml` beside it, or by an alpha
band.

A mask lies on the image's own grid, but may have other blocks.
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
from arpent.adapters.images.origin.file_version import Version
from arpent.adapters.images.table import Table
from arpent.domain.imagery.raster import Level
from arpent.domain.ports.imagery import Block

Payload = Callable[[Range], Buffer]
"""(offset, length) of a block of the mask → its bytes."""
MOST_AUXILIARY = 1 << 20
"""Maximum bytes of the `.aux.xml` beside an image, in which GDAL stores what the format cannot."""
_AUXILIARY_BAND = re.compile(rb'<PAMRasterBand\b[^>]*\bband="(\d{1,5})"[^>]*>(.*?)</PAMRasterBand>', re.DOTALL)
_AUXILIARY_NUMBER = re.compile(rb"<NoDataValue\b[^>]*>\s*([^<\s]{1,40})\s*<")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mask:
    """One mask of an image and where its blocks lie. Pixels where it is 0 are not valid."""

    href: str
    """Href of the file that holds it."""
    version: Version
    """Version of that file."""
    tables: tuple[Table, ...]
    """One table of blocks per level of the image."""
    band: int | None = None
    """Band of the image that it is (alpha), from 0; None: it is not a band."""
    each: bool = False
    """Whether it has a plane for every band of the image, not one for all."""

    @property
    def shared(self) -> bool:
        """Whether its blocks are those of the other bands too, so that no more bytes are needed."""
        return self.band is not None and self.tables[0].samples > 1

    @property
    def most_packed(self) -> int:
        """Maximum bytes that a stored block of it can have."""
        return max(table.most_packed for table in self.tables)

    def concerns(self, band: int) -> bool:
        """Whether it applies to this band of the image: alpha applies to all other bands."""
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
        """Row and column of each block of the mask that meets one block of the image."""
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
    """Indices of the blocks of `own` pixels that the block `number` of `size` pixels meets, along one axis."""
    start = number * size
    end = min(start + (min(enough, size) if enough else size), whole)
    return range(start // own, -(-end // own))


def masked(pixels: NDArray[np.generic], valid: Sequence[NDArray[np.bool_]]) -> NDArray[np.generic]:
    """The pixels; as a numpy masked array if some are not valid."""
    counts = np.logical_and.reduce(valid) if len(valid) > 1 else valid[0]
    return pixels if counts.all() else np.ma.MaskedArray(pixels, ~counts)


def has_auxiliary_metadata(path: Path) -> bool:
    """Whether the `.aux.xml` beside an image names no-data numbers by band."""
    return bool(numbers_beside(path))


def numbers_beside(path: Path) -> dict[int, float]:
    """Band (from 0) → no-data number, from the `.aux.xml` beside an image. GDAL does not read that file itself, because
    it could name others that GDAL would open. Links are not followed."""
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
