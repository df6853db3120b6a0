"""Partition: cut features into pieces of work that follow the imagery, so that few blocks are decoded twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from arpent.model.feature import Features
from arpent.model.partition import Partition
from arpent.model.raster import Raster

PARTITIONS_PER_WORKER = 2
"""A small job is cut into so many partitions per worker, so that none idles while another ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where features lie among the blocks of the imagery."""

    block: NDArray[np.int64]
    """(n,): number of the feature's home block; blocks of one image row follow each other."""
    order: NDArray[np.intp]
    """(n,): features sorted by block, and by position inside it."""
    inside: NDArray[np.bool_]
    """(n,): whether any image holds the feature at all."""


def lay_out(
    centres: NDArray[np.float64],
    crs: CRS,
    rasters: Sequence[Raster],
    corners: NDArray[np.float64] | None = None,
) -> Layout:
    """Each feature belongs to the first of the images (one per source grid) that holds its centre (n, 2), and there to
    the block that holds its north-western corner (n, 2; without them, its centre). So what reaches into the next row of
    blocks needs only the first lines of those, where decoding stops; the other way round it would need the last ones,
    and the whole block before them. Points are in `crs`."""
    corners = centres if corners is None else corners
    image = np.full(len(centres), len(rasters), np.int64)
    row = np.zeros(len(centres), np.int64)
    column = np.zeros(len(centres), np.int64)
    for number, raster in enumerate(rasters):
        transformer = Transformer.from_crs(crs, raster.crs, always_xy=True)
        across, down = _pixels(raster, transformer, centres)
        mine = (across >= 0) & (across < raster.width) & (down >= 0) & (down < raster.height)
        mine &= image == len(rasters)
        if corners is not centres:
            across, down = _pixels(raster, transformer, corners)
        level = raster.levels[0]
        image[mine] = number
        row[mine] = np.clip(down[mine], 0, raster.height - 1) // level.block_height
        column[mine] = np.clip(across[mine], 0, raster.width - 1) // level.block_width
    keys = (centres[:, 0], -centres[:, 1], column, row, image)
    order = np.lexsort(keys)
    place = np.column_stack((image, row, column))
    _, block = np.unique(place, axis=0, return_inverse=True)
    return Layout(block=block.ravel().astype(np.int64), order=order, inside=image < len(rasters))


def _pixels(
    raster: Raster, transformer: Transformer, points: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n,) columns and rows of points (n, 2); beyond every image where PROJ has no answer."""
    x, y = transformer.transform(points[:, 0], points[:, 1])
    across, down = (~raster.transform) @ (np.asarray(x), np.asarray(y))
    return np.nan_to_num(across, nan=-1.0, posinf=-1.0), np.nan_to_num(down, nan=-1.0, posinf=-1.0)


def runs(weight: NDArray[np.int64], layout: Layout, budget: int, parallelism: int) -> tuple[NDArray[np.intp], ...]:
    """Rows of the features of each partition, in layout order, each of at most `budget` samples (one feature may
    exceed it alone).

    `weight` (n,) counts the samples a feature holds in memory at once. A cut falls between two blocks wherever
    the budget allows: a block shared by two partitions is decoded twice.
    """
    goal = min(budget, -(-int(weight.sum()) // max(1, parallelism * PARTITIONS_PER_WORKER)))
    slices = _runs(weight[layout.order], layout.block[layout.order], max(1, goal))
    return tuple(layout.order[rows] for rows in slices)


def cut(features: Features, parts: Sequence[NDArray[np.intp]]) -> Iterator[Partition]:
    """The features of each of `runs`."""
    for number, rows in enumerate(parts):
        yield Partition(number=number, features=features.take(rows))


def _runs(weight: NDArray[np.int64], block: NDArray[np.int64], goal: int) -> Iterator[slice]:
    """Slices that end at a block's end once they hold half the goal, and anywhere before they exceed it."""
    starts_block = np.append(np.flatnonzero(np.diff(block)) + 1, len(block))
    total = np.concatenate(([0], np.cumsum(weight)))
    start = 0
    while start < len(weight):
        furthest = int(np.searchsorted(total, total[start] + goal, side="right")) - 1
        furthest = max(start + 1, min(furthest, len(weight)))
        least = int(np.searchsorted(total, total[start] + goal // 2))
        position = int(np.searchsorted(starts_block, furthest, side="right")) - 1
        at_block = int(starts_block[position]) if position >= 0 else 0
        end = at_block if max(least, start + 1) <= at_block <= furthest else furthest
        yield slice(start, end)
        start = end
