"""Aligned block index: sorts samples by block if grid and image have the same CRS and the image is not rotated.

A sample's column in the image then depends only on its column in the grid, and the same holds for rows, so a feature
needs width + height coordinates instead of two per sample, and adjacent samples of a row are copied as one piece.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from affine import Affine
from numba import njit
from numpy.typing import NDArray

from arpent.domain.grid import Grids, Samples
from arpent.domain.imagery.raster import Level
from arpent.domain.ports.imagery import Block
from arpent.raster.blocks.block_index import needed_blocks, tables_of
from arpent.raster.canvas import Target
from arpent.raster.gather import copy_pieces, count_pieces, gather_pieces

FIRST, COUNT = range(2)
"""The first two of the four columns of a piece, which are: index of its first sample; number of its samples, which are
adjacent in a row; pixel in the block of the first sample if the pixels are adjacent too, else first pixel of their row;
and -1 if the pixels are adjacent, else where in `table` the list of their pixel columns begins."""
ALIKE = 0.1
"""If the widths of samples and pixels differ by less than this share, long runs of samples have adjacent pixels."""
CLEAR = 1e-6
"""Distance from a pixel's edge, in pixels, above which rounding cannot move a sample across the edge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignedIndex:
    """For each block of level 0 of an image: which samples lie in it, and on which of its pixels."""

    shape: Level
    """Size and block size of the level."""
    blocks: NDArray[np.int64]
    """(m,): numbers of the blocks that hold samples, counted row by row, ascending."""
    starts: NDArray[np.int64]
    """(m + 1,): where each block's pieces begin."""
    pieces: NDArray[np.int32]
    """(p, 4): pieces of rows of samples, block by block, ascending within a block; see FIRST. The kernels use them as
    indices of arrays of all samples and of a block, unchecked: only `index_aligned` may fill these arrays."""
    table: NDArray[np.int32]
    """Pixel columns, in their blocks, of samples whose pixels are not adjacent in the image."""
    every: tuple[tuple[int, Block], ...]
    """Result of `needed` while no sample is filled: each block, with the number of rows from the top that samples
    need."""
    beyond: NDArray[np.intp]
    """Indices of the samples that lie outside the image, ascending."""

    def needed(self, filled: NDArray[np.uint8]) -> Iterator[tuple[int, Block]]:
        """(position in `blocks`, block) of each block with samples still to be filled; see `NearestIndex.needed`."""
        if not filled.any():
            return iter(self.every)
        depths = _depths(self.pieces, self.starts, filled, self.shape.block_width)
        return needed_blocks(0, self.shape, self.blocks, depths)

    def samples_of(self, position: int) -> NDArray[np.int32]:
        """Indices of the samples in the block at this position."""
        pieces = self.pieces[self.starts[position] : self.starts[position + 1]]
        ends = np.cumsum(pieces[:, COUNT], dtype=np.int32)
        return np.arange(ends[-1], dtype=np.int32) + np.repeat(
            pieces[:, FIRST] - ends + pieces[:, COUNT], pieces[:, COUNT]
        )

    def take(self, position: int, pixels: NDArray[np.generic], target: Target) -> None:
        """Copy the pixels of one block; see `NearestIndex.take`."""
        gather_pieces(pixels, self.pieces[self.starts[position] : self.starts[position + 1]], self.table, target)

    def take_data(self, position: int, pixels: NDArray[np.generic], target: Target) -> bool:
        """Like `take`, but without counting hits; returns whether all samples of the block have data. If it returns
        False, `take` must follow."""
        return copy_pieces(pixels, self.pieces[self.starts[position] : self.starts[position + 1]], self.table, target)

    def count(self, blocks: int, hits: NDArray[np.unsignedinteger]) -> None:
        """Count a hit for each sample in the first `blocks` blocks."""
        count_pieces(self.pieces[: self.starts[blocks]], hits)


def index_aligned(shape: Level, transform: Affine, grids: Grids, samples: Samples) -> AlignedIndex:
    """The index of the samples on level 0; samples outside the image are left out."""
    tables = tables_of(shape)
    across, down = shape.blocks_across, shape.blocks_down
    features = (samples.offsets, samples.span_offsets, samples.spans, np.ascontiguousarray(grids.bounds))
    sides, origin = (grids.width, grids.height), (transform.c, transform.a, transform.f, transform.e)
    counts = np.zeros(across * down + 1, np.int64)
    columns, outside = _count(*features, sides, origin, tables, counts)
    blocks = np.flatnonzero(counts[1:])
    starts = np.cumsum(counts)
    pieces, table = np.empty((starts[-1], 4), np.int32), np.empty(columns, np.int32)
    deepest, beyond = np.zeros(across * down, np.int64), np.empty(outside, np.intp)
    _sort(*features, sides, origin, tables, starts[:-1].copy(), (pieces, table, deepest, beyond))
    every = tuple(needed_blocks(0, shape, blocks, deepest[blocks] // shape.block_width + 1))
    return AlignedIndex(
        shape=shape, blocks=blocks, starts=np.append(starts[blocks], starts[-1]), pieces=pieces, table=table,
        every=every, beyond=beyond,
    )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy")
def _places(edge, step, count, origin, pixel, table, inside, blocks, pixels):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    """Block and pixel of each column (or row) of a grid; block -1 outside the image."""
    for i in range(count):
        place = (edge + (i + 0.5) * step - origin) / pixel
        blocks[i] = -1
        if 0.0 <= place < len(table):
            blocks[i] = table[int(place)]
            pixels[i] = inside[int(place)]


@njit(cache=True, nogil=True, error_model="numpy")
def _ends(edge, step, count, origin, pixel, size):  # type: ignore[no-untyped-def]
    """Pixels of the first and last column (or row) of a grid, -1 if either lies outside the image; and whether the
    pixels of all its columns (or rows) are certain to be adjacent in the image."""
    first = (edge + 0.5 * step - origin) / pixel
    last = (edge + (count - 1 + 0.5) * step - origin) / pixel
    if not (0.0 <= first < size and 0.0 <= last < size):
        return -1, -1, False
    begin, end = int(first), int(last)
    clear = min(first - begin, last - end) > CLEAR and max(first - begin, last - end) < 1.0 - CLEAR
    return begin, end, clear and end - begin == count - 1


@njit(cache=True, nogil=True, error_model="numpy")
def _within(k, bounds, sides, origin, tables):  # type: ignore[no-untyped-def]
    """Returns the block that contains the whole grid of a feature, or -1; the pixel column in it of the grid's first
    column; and whether columns are about as wide as pixels. In that case the block is -1, too, unless the columns are
    certain to be adjacent in the image."""
    width, height = sides[0][k], sides[1][k]
    step_x, step_y = (bounds[k, 2] - bounds[k, 0]) / width, (bounds[k, 3] - bounds[k, 1]) / height
    alike = abs(step_x / origin[1] - 1.0) < ALIKE
    left, right, follow = _ends(bounds[k, 0], step_x, width, origin[0], origin[1], len(tables[0]))
    top, bottom, _ = _ends(bounds[k, 3], -step_y, height, origin[2], origin[3], len(tables[2]))
    if left < 0 or top < 0 or tables[0][left] != tables[0][right] or tables[2][top] != tables[2][bottom]:
        return -1, 0, alike
    return (-1 if alike and not follow else tables[0][left] + tables[2][top]), tables[1][left], alike


@njit(cache=True, nogil=True, error_model="numpy")
def _prepare(k, bounds, sides, origin, tables, scratch):  # type: ignore[no-untyped-def]
    """Fill `scratch`: blocks and pixels of a feature's columns and rows, and for each column, after which column a
    piece that begins there ends. Returns whether the columns of such a piece are adjacent in the image."""
    columns, column_pixels, ends, rows, row_pixels = scratch
    width, height = sides[0][k], sides[1][k]
    step_x = (bounds[k, 2] - bounds[k, 0]) / width
    step_y = (bounds[k, 3] - bounds[k, 1]) / height
    _places(bounds[k, 0], step_x, width, origin[0], origin[1], tables[0], tables[1], columns, column_pixels)
    _places(bounds[k, 3], -step_y, height, origin[2], origin[3], tables[2], tables[3], rows, row_pixels)
    alike = abs(step_x / origin[1] - 1.0) < ALIKE
    for i in range(width - 1, -1, -1):
        follows = i + 1 < width and columns[i + 1] == columns[i]
        if follows and alike:
            follows = column_pixels[i + 1] == column_pixels[i] + 1
        ends[i] = ends[i + 1] if follows else i + 1
    return alike


@njit(cache=True, nogil=True, error_model="numpy")
def _prepare_within(k, bounds, sides, origin, tables, scratch, alike):  # type: ignore[no-untyped-def]
    """Like `_prepare`, for a grid in one block: only pixels of its rows and, unless these are `alike`, its columns."""
    columns, column_pixels, _, rows, row_pixels = scratch
    width, height = sides[0][k], sides[1][k]
    step_x, step_y = (bounds[k, 2] - bounds[k, 0]) / width, (bounds[k, 3] - bounds[k, 1]) / height
    if not alike:
        _places(bounds[k, 0], step_x, width, origin[0], origin[1], tables[0], tables[1], columns, column_pixels)
    _places(bounds[k, 3], -step_y, height, origin[2], origin[3], tables[2], tables[3], rows, row_pixels)


@njit(cache=True, nogil=True, error_model="numpy")
def _scratch(sides):  # type: ignore[no-untyped-def]
    width, height = 1, 1
    for k in range(len(sides[0])):
        width, height = max(width, sides[0][k]), max(height, sides[1][k])
    across, down = np.empty((3, width), np.int32), np.empty((2, height), np.int32)
    return across[0], across[1], across[2], down[0], down[1]


# Spans lie in their feature's grid (see `zonal.rasterize`), so their columns and rows are valid indices of `scratch`.


@njit(cache=True, nogil=True, error_model="numpy")
def _count(offsets, span_offsets, spans, bounds, sides, origin, tables, counts):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    """Count the pieces of each block in `counts`, shifted by one entry; returns the number of columns to be listed in
    `table`, and the number of samples outside the image."""
    scratch, listed, outside = _scratch(sides), np.int64(0), np.int64(0)
    for k in range(len(offsets) - 1):
        if span_offsets[k] == span_offsets[k + 1]:
            continue
        block, _, alike = _within(k, bounds, sides, origin, tables)
        if not alike:
            listed += sides[0][k]
        if block >= 0:  # each span is one piece
            counts[block + 1] += span_offsets[k + 1] - span_offsets[k]
            continue
        _prepare(k, bounds, sides, origin, tables, scratch)
        for span in range(span_offsets[k], span_offsets[k + 1]):
            column, down = spans[span, 1], scratch[3][spans[span, 0]]
            end = column + spans[span, 2]
            while column < end:
                if down >= 0 and scratch[0][column] >= 0:
                    counts[down + scratch[0][column] + 1] += 1
                else:
                    outside += min(scratch[2][column], end) - column
                column = scratch[2][column]
    return listed, outside


@njit(cache=True, nogil=True, error_model="numpy")
def _sort(offsets, span_offsets, spans, bounds, sides, origin, tables, cursor, filled):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    """Fill `pieces`, `table`, `beyond` and `deepest` (blocks,): first pixel of the lowest row that is needed of each
    block. All decisions are those of `_count`, so that `cursor`, `listed` and `left` stay within the counts."""
    (pieces, table, deepest, beyond), scratch, listed, left = filled, _scratch(sides), 0, 0
    block_columns, pixel_columns, ends, block_rows, pixel_rows = scratch
    for k in range(len(offsets) - 1):
        if span_offsets[k] == span_offsets[k + 1]:
            continue
        sample, begun = offsets[k], listed
        within, pixel, alike = _within(k, bounds, sides, origin, tables)
        if within < 0:
            _prepare(k, bounds, sides, origin, tables, scratch)
        else:
            _prepare_within(k, bounds, sides, origin, tables, scratch, alike)
        if not alike:
            listed += sides[0][k]
            table[begun:listed] = pixel_columns[: sides[0][k]]
        if within >= 0:
            place = cursor[within]
            cursor[within] = place + span_offsets[k + 1] - span_offsets[k]
            for span in range(span_offsets[k], span_offsets[k + 1]):
                row, column = spans[span, 0], spans[span, 1]
                pieces[place, 0], pieces[place, 1] = sample, spans[span, 2]
                pieces[place, 2] = pixel_rows[row] + (pixel + column if alike else 0)
                pieces[place, 3] = -1 if alike else begun + column
                deepest[within] = max(deepest[within], pixel_rows[row])
                sample, place = sample + spans[span, 2], place + 1
            continue
        for span in range(span_offsets[k], span_offsets[k + 1]):
            row, first = spans[span, 0], spans[span, 1]
            column, end, down = first, first + spans[span, 2], block_rows[row]
            while column < end:
                count = min(ends[column], end) - column
                if down >= 0 and block_columns[column] >= 0:
                    block = down + block_columns[column]
                    place = cursor[block]
                    cursor[block] = place + 1
                    pieces[place, 0], pieces[place, 1] = sample + column - first, count
                    pieces[place, 2] = pixel_rows[row] + (pixel_columns[column] if alike else 0)
                    pieces[place, 3] = -1 if alike else begun + column
                    deepest[block] = max(deepest[block], pixel_rows[row])
                else:
                    for i in range(count):
                        beyond[left + i] = sample + column - first + i
                    left += count
                column = ends[column]
            sample += spans[span, 2]


@njit(cache=True, nogil=True)
def _depths(pieces, starts, filled, block_width):  # type: ignore[no-untyped-def]
    """(m,): number of rows of each block, from the top, that unfilled samples need; 0 if there are none."""
    depths = np.zeros(len(starts) - 1, np.int64)
    for block in range(len(depths)):
        deepest = np.int64(0)
        for piece in range(starts[block], starts[block + 1]):
            depth = pieces[piece, 2] // block_width + 1
            if depth > deepest:
                first = pieces[piece, 0]
                for n in range(first, first + pieces[piece, 1]):
                    if filled[n] == 0:
                        deepest = depth
                        break
        depths[block] = deepest
    return depths
