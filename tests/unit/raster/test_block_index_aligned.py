"""The fast way to an index gives what the general one gives."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine

from arpent.domain.grid import Grids, Samples
from arpent.domain.imagery.raster import Level
from arpent.raster.blocks.block_index import sort_by_block
from arpent.raster.blocks.block_index_aligned import AlignedIndex, index_aligned
from arpent.raster.reproject import _direct, to_pixels


def _samples(random: np.random.Generator, grids: Grids) -> Samples:
    """A random half of each grid's samples, row by row."""
    columns, rows, counts = [], [], []
    for width, height in zip(grids.width, grids.height, strict=True):
        row, column = np.nonzero(random.random((height, width)) < 0.5)
        columns.append(column)
        rows.append(row)
        counts.append(len(column))
    return Samples.of(
        offsets=np.concatenate(([0], np.cumsum(counts))),
        columns=np.concatenate(columns).astype(np.int32),
        rows=np.concatenate(rows).astype(np.int32),
    )


@pytest.mark.parametrize("pixel", [10.0, 20.0, 7.3, 9.6, 10.4, 10.001])
@pytest.mark.parametrize("snapped", [True, False], ids=["on the grid", "anywhere"])
def test_both_ways_give_the_same_index(pixel: float, snapped: bool):
    """Features inside a block, across blocks, over the image's edge and beyond it; samples exactly on pixels' edges."""
    random = np.random.default_rng(int(pixel * 10) + snapped)
    size = random.integers(1, 60, (300, 2))
    corner = random.random((300, 2)) * 9000 - 600
    if snapped:
        corner = np.round(corner / 5) * 5
    bounds = np.hstack((corner, corner + size * 10.0))
    grids = Grids(bounds=bounds, width=size[:, 0], height=size[:, 1])
    samples = _samples(random, grids)
    transform = Affine(pixel, 0, 35.0, 0, -pixel, 8000.0)
    shape = Level(width=700, height=650, block_width=128, block_height=96)

    x, y = np.empty(len(samples)), np.empty(len(samples))
    _direct(samples.offsets, samples.columns, samples.rows, grids.width, grids.height, bounds, x, y)
    slow = sort_by_block(0, shape, to_pixels(transform, (x, y)))
    fast = index_aligned(shape, transform, grids, samples)

    np.testing.assert_array_equal(fast.beyond, np.setdiff1d(np.arange(len(samples)), slow.order))
    assert len(slow.blocks) > 10
    assert 0 < len(slow.order) < len(samples)
    np.testing.assert_array_equal(fast.blocks, slow.blocks)
    nothing = np.zeros(len(samples), np.uint8)
    assert list(fast.needed(nothing)) == list(slow.needed(nothing))
    for position in range(len(slow.blocks)):
        np.testing.assert_array_equal(fast.samples_of(position), slow.samples_of(position))
        np.testing.assert_array_equal(
            _pixels(fast, position), slow.pixels[slice(*slow.starts[position : position + 2])]
        )
    filled = (random.random(len(samples)) < 0.97).astype(np.uint8)
    assert list(fast.needed(filled)) == list(slow.needed(filled))


def _pixels(index: AlignedIndex, position: int) -> list[int]:
    """The pixel of each sample of a block."""
    found: list[int] = []
    for _, count, pixel, table in index.pieces[slice(*index.starts[position : position + 2])].tolist():
        found += range(pixel, pixel + count) if table < 0 else (pixel + index.table[table : table + count]).tolist()
    return found
