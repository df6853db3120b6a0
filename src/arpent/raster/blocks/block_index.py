"""Block index: samples sorted by the image block they lie in, so that every block is decoded once and gathered in one
call."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from arpent.domain.imagery.raster import Level
from arpent.domain.ports.imagery import Block
from arpent.raster.canvas import Target
from arpent.raster.gather import gather
from arpent.raster.reproject import Coordinates


@dataclass(frozen=True, slots=True, kw_only=True)
class NearestIndex:
    """For each block of one level of an image: which samples lie in it, and on which of its pixels."""

    level: int
    """Number of the level; 0 is the full resolution."""
    shape: Level
    """Size and block size of that level."""
    blocks: NDArray[np.int64]
    """(m,): numbers of the blocks that hold samples, counted row by row, ascending."""
    starts: NDArray[np.int64]
    """(m + 1,): where each block's samples begin in `order` and `pixels`."""
    order: NDArray[np.int32]
    """(s,): indices of samples, block by block, ascending within a block. The kernels use them as indices of arrays of
    all samples, and `pixels` as indices of a block, unchecked: only `sort_by_block` may fill these arrays."""
    pixels: NDArray[np.int32]
    """(s,): index of each sample's pixel in its block, counted row by row."""
    depths: NDArray[np.int64]
    """(m,): number of rows of each block, from the top, that samples need."""

    def needed(self, filled: NDArray[np.uint8]) -> Iterator[tuple[int, Block]]:
        """(position in `blocks`, block) of each block with samples still to be filled; `Block.rows` is the number of
        rows that suffice. `filled`: (N,), or empty if no sample is filled."""
        depths = self.depths
        if filled.any():
            depths = _depths(self.order, self.pixels, self.starts, filled, self.shape.block_width)
        return needed_blocks(self.level, self.shape, self.blocks, depths)

    def samples_of(self, position: int) -> NDArray[np.int32]:
        """Indices of the samples in the block at this position."""
        return self.order[self.starts[position] : self.starts[position + 1]]

    def take(self, position: int, pixels: NDArray[np.generic], target: Target) -> None:
        """Copy the pixels of one block to the target's values where they are data and the sample is not filled.
        `pixels` has the level's block width and at least the requested rows."""
        part = slice(self.starts[position], self.starts[position + 1])
        gather(pixels, self.order[part], self.pixels[part], target)


def needed_blocks(
    level: int, shape: Level, blocks: NDArray[np.int64], depths: NDArray[np.int64]
) -> Iterator[tuple[int, Block]]:
    """(position, block) of each of `blocks` (m,) that is needed; `depths` (m,): how many rows are needed from the top,
    0 if none."""
    across = shape.blocks_across
    for position in np.flatnonzero(depths):
        row, column = divmod(int(blocks[position]), across)
        yield int(position), Block(level=level, row=row, column=column, rows=int(depths[position]))


def sort_by_block(level: int, shape: Level, coordinates: Coordinates) -> NearestIndex:
    """The index of samples, given their columns and rows on the level; samples outside the image are left out."""
    across, down = shape.blocks_across, shape.blocks_down
    tables = tables_of(shape)
    counts = np.zeros(across * down + 1, np.int64)
    _count(*coordinates, tables, counts)
    blocks = np.flatnonzero(counts[1:])
    starts = np.cumsum(counts)
    order = np.empty(starts[-1], np.int32)
    pixels = np.empty(starts[-1], np.int32)
    _sort(*coordinates, tables, starts[:-1].copy(), order, pixels)
    starts = np.append(starts[blocks], starts[-1])
    nothing = np.zeros(len(coordinates[0]), np.uint8)
    return NearestIndex(
        level=level, shape=shape, blocks=blocks, starts=starts, order=order, pixels=pixels,
        depths=_depths(order, pixels, starts, nothing, shape.block_width),
    )  # fmt: skip


def tables_of(shape: Level) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """Four tables: column → block column and pixel column in the block, row → block row and pixel row in the block. The
    number of a block or pixel is the sum of two entries; a division per sample would cost more than everything else."""
    across = shape.blocks_across
    columns, rows = np.arange(shape.width), np.arange(shape.height)
    return (
        (columns // shape.block_width).astype(np.int32),
        (columns % shape.block_width).astype(np.int32),
        (rows // shape.block_height * across).astype(np.int32),
        (rows % shape.block_height * shape.block_width).astype(np.int32),
    )


@njit(cache=True, nogil=True)
def _count(columns, rows, tables, counts):  # type: ignore[no-untyped-def]
    block_columns, _, block_rows, _ = tables
    width, height = len(block_columns), len(block_rows)
    for n in range(len(columns)):
        if 0.0 <= columns[n] < width and 0.0 <= rows[n] < height:
            counts[block_rows[int(rows[n])] + block_columns[int(columns[n])] + 1] += 1


@njit(cache=True, nogil=True)
def _sort(columns, rows, tables, cursor, order, pixels):  # type: ignore[no-untyped-def]
    block_columns, pixel_columns, block_rows, pixel_rows = tables
    width, height = len(block_columns), len(block_rows)
    for n in range(len(columns)):
        # Exactly the same condition as in `_count`, so that `cursor` stays within the counted numbers.
        if 0.0 <= columns[n] < width and 0.0 <= rows[n] < height:
            column, row = int(columns[n]), int(rows[n])
            block = block_rows[row] + block_columns[column]
            place = cursor[block]
            cursor[block] = place + 1
            order[place] = n
            pixels[place] = pixel_rows[row] + pixel_columns[column]


@njit(cache=True, nogil=True)
def _depths(order, pixels, starts, filled, block_width):  # type: ignore[no-untyped-def]
    """(m,): number of rows of each block, from the top, that unfilled samples need; 0 if there are none."""
    depths = np.zeros(len(starts) - 1, np.int64)
    for block in range(len(depths)):
        deepest = -1
        for n in range(starts[block], starts[block + 1]):
            if filled[order[n]] == 0 and pixels[n] > deepest:
                deepest = pixels[n]
        if deepest >= 0:
            depths[block] = deepest // block_width + 1
    return depths
