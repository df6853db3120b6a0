"""Partitioning: divides features into partitions along the blocks of the imagery, so that few blocks are decoded
twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from arpent.domain.feature import Features
from arpent.domain.imagery.raster import Raster
from arpent.domain.partition import Partition
from arpent.engine.budget import KEPT_PER_SAMPLE, numbers_as_samples

PARTITIONS_PER_WORKER = 2
"""Partitions per worker of a small job if there are several workers, so that none is idle while another finishes."""
DECODING = 0.4
"""Cost of decoding a block, in samples per pixel of the block: decoding takes about as long as all other work on that
many samples."""
SLACK, LARGE_SLACK = 0.15, 0.5
"""How far from its equal share of the work a partition may end to avoid cutting a block, as a fraction of the share;
MANY says which of the two applies."""
LARGE_FEATURE = 0.25
"""A feature is large if its samples exceed this share of a block's pixels."""
MOST_BUDGETS, SCENE_BUDGETS, PLAIN_BUDGETS = 128, 8, 4
"""Maximum samples of a partition, in pixel budgets: of large features, of features that are read in many scenes, and of
others. Memory does not limit it (a partition is processed in chunks); it is the work that is lost if a worker dies …"""
FEW_NUMBERS = 500
"""… PLAIN_BUDGETS applies only up to this many numbers per feature in all intervals, since all are kept until they are
written; above, one budget. Features and their numbers count as samples, too (`engine.budget.numbers_as_samples`)."""
BLOCKS = 1 << 20
"""Blocks are numbered by counting if there are at most this many, plus four per feature; otherwise by sorting."""
MANY = 4
"""SLACK applies up to this many partitions per worker, LARGE_SLACK above: with more partitions differences even out."""


@dataclass(frozen=True, kw_only=True)
class BlockAssignment:
    """Which block of the imagery each feature belongs to."""

    block: NDArray[np.int64]
    """(n,): number of the feature's block; the blocks in one row of blocks have consecutive numbers."""
    centres: NDArray[np.float64]
    """(n, 2): centres of the features."""
    pixels: NDArray[np.int64]
    """(n,): number of pixels of that block; 0 if there is none."""
    inside: NDArray[np.bool_]
    """(n,): whether any image contains the feature."""

    @cached_property
    def order(self) -> NDArray[np.intp]:
        """(n,): rows of the features, sorted by block, and from north to south within a block."""
        southwards = np.argsort(-self.centres[:, 1], kind="stable")
        block = self.block[southwards]
        if block.max(initial=0) < 1 << 16:
            block = block.astype(np.uint16)  # numpy sorts these in a fifth of the time
        return southwards[np.argsort(block, kind="stable")]


def assign_blocks(
    centres: NDArray[np.float64],
    crs: CRS,
    rasters: Sequence[Raster],
    corners: NDArray[np.float64] | None = None,
) -> BlockAssignment:
    """Assign features to blocks. A feature belongs to the first image (one per source grid) that contains its centre
    (n, 2), and in it to the block that contains its north-western corner (n, 2; without `corners`, its centre).

    A feature that extends into the next row of blocks then needs only their first lines, after which decoding stops; if
    it belonged to the southern block, the northern blocks would be decoded as a whole for their last lines. Points are
    in `crs`.
    """
    corners = centres if corners is None else corners
    image = np.full(len(centres), len(rasters), np.int64)
    row = np.zeros(len(centres), np.int64)
    column = np.zeros(len(centres), np.int64)
    pixels = np.zeros(len(centres), np.int64)
    for number, raster in enumerate(rasters):
        transformer = None if raster.crs == crs else Transformer.from_crs(crs, raster.crs, always_xy=True)
        across, down = _pixels(raster, transformer, centres)
        mine = (across >= 0) & (across < raster.width) & (down >= 0) & (down < raster.height)
        mine &= image == len(rasters)
        if corners is not centres:
            across, down = _pixels(raster, transformer, corners)
        level = raster.levels[0]
        image[mine] = number
        pixels[mine] = level.block_width * level.block_height
        row[mine] = np.clip(down[mine], 0, raster.height - 1) // level.block_height
        column[mine] = np.clip(across[mine], 0, raster.width - 1) // level.block_width
    # One number per block: np.unique on rows of three takes fifty times as long, and more memory than the polygons.
    place = (image * (row.max(initial=0) + 1) + row) * (column.max(initial=0) + 1) + column
    return BlockAssignment(block=_ranks(place), centres=centres, pixels=pixels, inside=image < len(rasters))


def _ranks(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n,): how many distinct values are lower than each of `values` (n,), which are not negative."""
    most = int(values.max(initial=0))
    if most > 4 * len(values) + BLOCKS:
        return np.unique(values, return_inverse=True)[1].astype(np.int64)
    present = np.zeros(most + 1, np.bool_)
    present[values] = True
    ranks: NDArray[np.int64] = (np.cumsum(present) - 1)[values]
    return ranks


def _pixels(
    raster: Raster, transformer: Transformer | None, points: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Columns and rows (n,) of points (n, 2) in the image; outside any image if PROJ cannot transform a point."""
    x, y = points[:, 0], points[:, 1]
    if transformer is not None:
        x, y = transformer.transform(x, y)
    across, down = (~raster.transform) @ (np.asarray(x), np.asarray(y))
    return np.nan_to_num(across, nan=-1.0, posinf=-1.0), np.nan_to_num(down, nan=-1.0, posinf=-1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionSize:
    """Maximum size and minimum number of partitions."""

    samples: int
    """Maximum number of samples of a partition; they are processed in chunks (`engine.processing.chunks`)."""
    per_worker: int = PARTITIONS_PER_WORKER
    """Minimum number of partitions per worker."""
    results: int = 0
    """Number of samples that each feature's results count as, in addition to its own samples."""


def partition_size(
    weight: NDArray[np.int64],
    layout: BlockAssignment,
    pixel_budget: int,
    kept: int,
    *,
    scenes: bool = False,
    numbers: int = 0,
) -> PartitionSize:
    """The size of partitions for features of `weight` (n,) samples, of which `pixel_budget` fit into memory at once.

    Blocks at the edges of a partition are decoded twice. Partitions are larger where this costs most: for features as
    large as blocks, which share blocks with many neighbours, and for those read in many `scenes`, which are processed
    in chunks anyway.
    `kept`: how many numbers must be kept per sample and interval until all chunks of a partition are done (percentiles,
    histograms); those of one interval must fit into memory, too. `numbers`: how many numbers each feature has in all
    intervals; those of a whole partition must fit into one pixel budget, since they are not processed in chunks.
    """
    large = layout.inside & (weight > LARGE_FEATURE * layout.pixels)
    budgets, per_worker, least = PLAIN_BUDGETS if numbers <= FEW_NUMBERS else 1, PARTITIONS_PER_WORKER, pixel_budget
    if weight[large].sum() > weight.sum() / 2:
        budgets, per_worker, least = MOST_BUDGETS, 1, 1
    elif scenes:
        budgets, least = SCENE_BUDGETS, 1
    most = budgets * pixel_budget
    if kept:  # for plain features that fit into memory at once, none are kept
        most = max(least, min(most, pixel_budget * KEPT_PER_SAMPLE // kept))
    results = numbers_as_samples(numbers, -(-most // pixel_budget))
    return PartitionSize(samples=most, per_worker=per_worker, results=results)


def runs(
    weight: NDArray[np.int64], layout: BlockAssignment, size: PartitionSize, parallelism: int
) -> tuple[NDArray[np.intp], ...]:
    """Rows of the features of each partition, in block order. Partitions have about equal work and at most
    `size.samples` samples each, including those that results count as (a single feature may exceed it).

    `weight` (n,): samples of each feature. Partitions end between two blocks where possible, since a block shared by
    two partitions is decoded twice.
    """
    weight, block = weight[layout.order] + size.results, layout.block[layout.order]
    first = np.append(True, np.diff(block) != 0)[: len(block)]
    work = weight + first * layout.pixels[layout.order] * DECODING
    per_worker = size.per_worker if parallelism > 1 else 1
    fewest = max(parallelism * per_worker, -(-int(weight.sum()) // size.samples))
    slack = SLACK if fewest <= parallelism * MANY else LARGE_SLACK
    return tuple(layout.order[rows] for rows in _runs(weight, work, np.flatnonzero(first), size.samples, fewest, slack))


def cut_into_partitions(features: Features, parts: Sequence[NDArray[np.intp]]) -> Iterator[Partition]:
    """The partitions, numbered from 0, each with the features of one entry of `parts` (from `runs`)."""
    for number, rows in enumerate(parts):
        yield Partition(number=number, features=features.take(rows))


def _runs(
    weight: NDArray[np.int64],
    work: NDArray[np.float64],
    blocks: NDArray[np.intp],
    budget: int,
    parts: int,
    slack: float,
) -> Iterator[slice]:
    """Slices with about equal shares of the remaining `work` (n,). A slice ends where one of `blocks` begins if that
    point is at most `slack` of a share away. It leaves no more than the remaining parts can hold, since an additional
    small part would decode its neighbours' blocks again. The sum of `weight` (n,) in a slice is at most `budget`."""
    count = len(weight)
    held, done = np.append(0, np.cumsum(weight)), np.append(0.0, np.cumsum(work))
    ends = np.append(blocks, count)
    start = 0
    while start < count:
        share = (done[-1] - done[start]) / max(parts, 1)
        furthest = max(start + 1, int(np.searchsorted(held, held[start] + budget, side="right")) - 1)
        least = int(np.searchsorted(held, held[-1] - (parts - 1) * budget))
        wanted = min(furthest, max(start + 1, least, int(np.searchsorted(done, done[start] + share * (1 - 1e-9)))))
        near = ends[(ends > start) & (ends >= least) & (ends <= furthest)]
        away = np.abs(done[near] - done[wanted])
        end = int(near[np.argmin(away)]) if len(near) and away.min() <= slack * share else wanted
        yield slice(start, end)
        start, parts = end, parts - 1
