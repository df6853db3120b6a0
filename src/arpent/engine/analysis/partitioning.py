"""Partitioning: divides features into partitions that follow the imagery's blocks, so that few blocks are decoded
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
"""Partitions per worker of a small job, where there are several, so that none idles while another finishes."""
DECODING = 0.4
"""Decoding a block takes about as long as everything else does for this many samples per pixel of it."""
SLACK, LARGE_SLACK = 0.15, 0.5
"""How far from its equal share of the work a partition may end, for the sake of a whole block …"""
LARGE_FEATURE = 0.25
"""A feature is large if it has more samples than this share of a block's pixels."""
MOST_BUDGETS, SCENE_BUDGETS, PLAIN_BUDGETS = 128, 8, 4
"""A partition of large features, of features that are read in many scenes, or of others, has at most so many times the
pixel budget of samples (chunks are cut finer): it is what a worker that dies costs …"""
FEW_NUMBERS = 500
"""… others only if each feature has at most so many numbers in all intervals: all are kept until they are written.
Features and their numbers count, too (`engine.budget.numbers_as_samples`): small ones are many."""
BLOCKS = 1 << 20
"""So many blocks, and four per feature, are counted; where there may be more, those of the features are sorted."""
MANY = 4
"""SLACK applies up to this many partitions per worker, LARGE_SLACK above: with more partitions differences even out."""


@dataclass(frozen=True, kw_only=True)
class BlockAssignment:
    """Which block of the imagery each feature belongs to."""

    block: NDArray[np.int64]
    """(n,): number of the feature's block; blocks of one row of blocks have consecutive numbers."""
    centres: NDArray[np.float64]
    """(n, 2): centres of the features."""
    pixels: NDArray[np.int64]
    """(n,): number of pixels of that block; 0 if there is none."""
    inside: NDArray[np.bool_]
    """(n,): whether any image contains the feature."""

    @cached_property
    def order(self) -> NDArray[np.intp]:
        """(n,): rows of the features sorted by block, and inside a block from north to south."""
        southwards = np.argsort(-self.centres[:, 1], kind="stable")
        block = self.block[southwards]
        if block.max(initial=0) < 1 << 16:
            block = block.astype(np.uint16)  # which numpy sorts in a fifth of the time
        return southwards[np.argsort(block, kind="stable")]


def assign_blocks(
    centres: NDArray[np.float64],
    crs: CRS,
    rasters: Sequence[Raster],
    corners: NDArray[np.float64] | None = None,
) -> BlockAssignment:
    """Assign features to blocks. A feature belongs to the first image (one per source grid) that contains its centre
    (n, 2), and there to the block that contains its north-western corner (n, 2; without `corners`, its centre).

    So a feature that reaches into the next row of blocks needs only the first lines of those, after which decoding
    stops; assigned the other way it would need whole blocks for their last lines. Points are in `crs`.
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
    # One number per block: unique over rows of three takes fifty times as long, and more memory than the polygons.
    place = (image * (row.max(initial=0) + 1) + row) * (column.max(initial=0) + 1) + column
    return BlockAssignment(block=_ranks(place), centres=centres, pixels=pixels, inside=image < len(rasters))


def _ranks(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n,): how many different values are lower than each of `values` (n,), which are not negative."""
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
    """(n,) columns and rows of points (n, 2); outside every image where PROJ cannot transform."""
    x, y = points[:, 0], points[:, 1]
    if transformer is not None:
        x, y = transformer.transform(x, y)
    across, down = (~raster.transform) @ (np.asarray(x), np.asarray(y))
    return np.nan_to_num(across, nan=-1.0, posinf=-1.0), np.nan_to_num(down, nan=-1.0, posinf=-1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionSize:
    """How large partitions may be, and how many there are at least."""

    samples: int
    """Samples of a partition, at most; they are worked on in chunks (`engine.processing.chunks`)."""
    per_worker: int = PARTITIONS_PER_WORKER
    """Partitions for each worker, at least."""
    results: int = 0
    """Samples that the results of each feature count for, beside its own."""


def partition_size(
    weight: NDArray[np.int64],
    layout: BlockAssignment,
    pixel_budget: int,
    kept: int,
    *,
    scenes: bool = False,
    numbers: int = 0,
) -> PartitionSize:
    """The size for features of `weight` (n,) samples, of which `pixel_budget` fit into memory at once.

    Features as large as blocks share blocks with many neighbours: the fewer partitions, the fewer blocks are decoded
    twice. So do those that are read in many `scenes`, which are worked on in chunks, however few they are; and a few
    features at the edges of every partition do.
    `kept`: numbers that each sample leaves behind in an interval until all chunks of a partition are done (percentiles,
    histograms); those of one interval must fit into memory, too. `numbers`: of each feature in all intervals, which are
    not done in chunks: those of a partition fit into one pixel budget, however many it has.
    """
    large = layout.inside & (weight > LARGE_FEATURE * layout.pixels)
    budgets, per_worker, least = PLAIN_BUDGETS if numbers <= FEW_NUMBERS else 1, PARTITIONS_PER_WORKER, pixel_budget
    if weight[large].sum() > weight.sum() / 2:
        budgets, per_worker, least = MOST_BUDGETS, 1, 1
    elif scenes:
        budgets, least = SCENE_BUDGETS, 1
    most = budgets * pixel_budget
    if kept:  # of plain features nothing is kept where they fit into memory at once
        most = max(least, min(most, pixel_budget * KEPT_PER_SAMPLE // kept))
    results = numbers_as_samples(numbers, -(-most // pixel_budget))
    return PartitionSize(samples=most, per_worker=per_worker, results=results)


def runs(
    weight: NDArray[np.int64], layout: BlockAssignment, size: PartitionSize, parallelism: int
) -> tuple[NDArray[np.intp], ...]:
    """Rows of the features of each partition, in block order, about equal in work and of at most `size.samples` each,
    results included (a single feature may exceed it).

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
    """The partitions with the features of each of `runs`, numbered from 0."""
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
    """Slices with about equal shares of the remaining `work` (n,). A slice ends where one of `blocks` begins if that is
    at most `slack` of a share away, and leaves no more than the other parts can hold: a small one too many would decode
    its neighbours' blocks again. The sum of `weight` (n,) in a slice is at most the budget."""
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
