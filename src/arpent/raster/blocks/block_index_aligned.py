"""Aligned block index: samples sorted by block where grid and image have the same CRS and the image is not rotated.

A sample's column in the image then depends on its column in the grid alone, and likewise for rows, so that a feature
needs width + height coordinates instead of two per sample; and most features lie in a single block.
"""

from __future__ import annotations

import numpy as np
from affine import Affine
from numba import njit

from arpent.domain.grid import Grids, Samples
from arpent.domain.imagery.raster import Level
from arpent.raster.blocks.block_index import NearestIndex, tables_of


def sort_straight(shape: Level, transform: Affine, grids: Grids, samples: Samples) -> NearestIndex:
    """The same index as `sort_by_block` makes on level 0, bit for bit."""
    tables = tables_of(shape)
    across, down = shape.blocks_across, shape.blocks_down
    features = (samples.offsets, samples.columns, samples.rows, np.ascontiguousarray(grids.bounds))
    sides, origin = (grids.width, grids.height), (transform.c, transform.a, transform.f, transform.e)
    homes = np.empty(len(grids), np.int64)
    counts = np.zeros(across * down + 1, np.int64)
    _count(*features, sides, origin, tables, homes, counts)
    blocks = np.flatnonzero(counts[1:])
    starts = np.cumsum(counts)
    order, pixels = np.empty(starts[-1], np.int32), np.empty(starts[-1], np.int32)
    deepest = np.full(across * down, -1, np.int64)
    _sort(*features, sides, origin, tables, homes, starts[:-1].copy(), order, pixels, deepest)
    return NearestIndex(
        level=0, shape=shape, blocks=blocks, starts=np.append(starts[blocks], starts[-1]), order=order, pixels=pixels,
        depths=deepest[blocks] // shape.block_width + 1,
    )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy")
def _line(edge, step, count, origin, pixel, table, places, blocks, pixels):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    """Block and pixel of each column (or row) of a grid, -1 outside the image; returns the block that holds all of
    them, or -1."""
    same = np.int64(-1)
    for i in range(count):
        place = (edge + (i + 0.5) * step - origin) / pixel
        blocks[i] = -1
        if 0.0 <= place < len(table):
            blocks[i] = table[int(place)]
            pixels[i] = places[int(place)]
        if i == 0:
            same = np.int64(blocks[0])
        elif blocks[i] != same:
            same = np.int64(-1)
    return same


@njit(cache=True, nogil=True, error_model="numpy")
def _lines(k, bounds, sides, origin, tables, scratch):  # type: ignore[no-untyped-def]
    """Columns and rows of one feature; returns the block that holds its whole grid, or -1."""
    columns, column_pixels, rows, row_pixels = scratch
    width, height = sides[0][k], sides[1][k]
    step_x = (bounds[k, 2] - bounds[k, 0]) / width
    step_y = (bounds[k, 3] - bounds[k, 1]) / height
    x = _line(bounds[k, 0], step_x, width, origin[0], origin[1], tables[0], tables[1], columns, column_pixels)
    y = _line(bounds[k, 3], -step_y, height, origin[2], origin[3], tables[2], tables[3], rows, row_pixels)
    return x + y if x >= 0 and y >= 0 else np.int64(-1)


@njit(cache=True, nogil=True, error_model="numpy")
def _scratch(sides):  # type: ignore[no-untyped-def]
    width, height = 1, 1
    for k in range(len(sides[0])):
        width, height = max(width, sides[0][k]), max(height, sides[1][k])
    return np.empty(width, np.int32), np.empty(width, np.int32), np.empty(height, np.int32), np.empty(height, np.int32)


@njit(cache=True, nogil=True, error_model="numpy")
def _count(offsets, columns, rows, bounds, sides, origin, tables, homes, counts):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    """Count samples per block, shifted by one; `homes` (n,): the block that holds the whole feature, or -1. Samples lie
    in their feature's grid (`zonal.rasterize`), so that their columns and rows are valid indices of `scratch`."""
    scratch = _scratch(sides)
    for k in range(len(homes)):
        home = _lines(k, bounds, sides, origin, tables, scratch)
        homes[k] = home
        if home >= 0:
            counts[home + 1] += offsets[k + 1] - offsets[k]
            continue
        for n in range(offsets[k], offsets[k + 1]):
            across, down = scratch[0][columns[n]], scratch[2][rows[n]]
            if across >= 0 and down >= 0:
                counts[across + down + 1] += 1


@njit(cache=True, nogil=True, error_model="numpy")
def _sort(offsets, columns, rows, bounds, sides, origin, tables, homes, cursor, order, pixels, deepest):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    """Fill `order` and `pixels`; `deepest` (blocks,): the highest pixel of each block. It makes the same decisions as
    `_count`, so that `cursor` stays within the counts."""
    scratch = _scratch(sides)
    block_columns, pixel_columns, block_rows, pixel_rows = scratch
    for k in range(len(homes)):
        home = homes[k]
        _lines(k, bounds, sides, origin, tables, scratch)
        if home >= 0:
            place, deep = cursor[home], deepest[home]
            for n in range(offsets[k], offsets[k + 1]):
                pixel = pixel_rows[rows[n]] + pixel_columns[columns[n]]
                order[place] = n
                pixels[place] = pixel
                deep = max(deep, pixel)
                place += 1
            cursor[home], deepest[home] = place, deep
            continue
        for n in range(offsets[k], offsets[k + 1]):
            across, down = block_columns[columns[n]], block_rows[rows[n]]
            if across >= 0 and down >= 0:
                block = across + down
                pixel = pixel_rows[rows[n]] + pixel_columns[columns[n]]
                place = cursor[block]
                order[place] = n
                pixels[place] = pixel
                deepest[block] = max(deepest[block], pixel)
                cursor[block] = place + 1
