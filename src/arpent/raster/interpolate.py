"""Interpolate: BILINEAR and BICUBIC resampling, with weighted pixels summed block by block and no-data pixels left out.

A sample has data if the pixel that contains it has data, so the mask is the same as with NEAREST. BILINEAR weights
those of the 2 x 2 pixels around it that have data; the containing pixel's weight is at least a quarter, so the weights
can be renormalised. BICUBIC (Catmull-Rom, a = -0.5) needs all 4 x 4 pixels; next to no data or the image's edge,
BILINEAR is used instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numba import njit
from numpy.typing import NDArray

from arpent.domain.imagery.raster import Level
from arpent.domain.ports.imagery import Block
from arpent.raster.canvas import Target
from arpent.raster.gather import flat, stored_no_data
from arpent.raster.reproject import Coordinates


@dataclass(frozen=True, slots=True, kw_only=True)
class InterpolationIndex:
    """For each block of one level of an image: which samples need any of its pixels."""

    level: int
    """Number of the level; 0 is the full resolution."""
    shape: Level
    """Size and block size of that level."""
    cubic: bool
    """Whether to use BICUBIC; otherwise BILINEAR."""
    columns: NDArray[np.float64]
    """(s,): column of each sample, in the level's pixels."""
    rows: NDArray[np.float64]
    """(s,): row of each sample, in the level's pixels."""
    samples: NDArray[np.int64]
    """(s,): index of each sample."""
    blocks: NDArray[np.int64]
    """(m,): numbers of the blocks needed, ascending."""
    starts: NDArray[np.int64]
    """(m + 1,): where each block's entries begin in `order`."""
    order: NDArray[np.int64]
    """Positions in `samples`, block by block; a sample that needs several blocks appears in each."""

    def needed(self, filled: NDArray[np.uint8]) -> Iterator[tuple[int, Block]]:
        """(position in `blocks`, block) of each block with samples still to be filled. `filled`: (N,), or empty if no
        sample is filled."""
        across = self.shape.blocks_across
        for position, number in enumerate(self.blocks):
            entries = self.order[self.starts[position] : self.starts[position + 1]]
            if not len(filled) or not filled[self.samples[entries]].all():
                row, column = divmod(int(number), across)
                yield position, Block(level=self.level, row=row, column=column)

    def samples_of(self, position: int) -> NDArray[np.int64]:
        """Indices of the samples that need a pixel of the block at this position."""
        return self.samples[self.order[self.starts[position] : self.starts[position + 1]]]


@dataclass(frozen=True, slots=True)
class Accumulation:
    """Weighted sums of one band of one scene, from which samples are computed."""

    index: InterpolationIndex
    """Index that assigns pixels to samples."""
    target: Target
    """Destination of the samples."""
    sums: NDArray[np.float64] = field(init=False)
    """(s, 4): linear sum, linear weight, cubic sum, number of pixels with data."""
    near: NDArray[np.uint8] = field(init=False)
    """(s,): 1 where the containing pixel has data."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "sums", np.zeros((len(self.index.samples), 4)))
        object.__setattr__(self, "near", np.zeros(len(self.index.samples), np.uint8))

    def take(self, position: int, pixels: NDArray[np.generic]) -> None:
        """Add the pixels of the block at this position to the sums."""
        index = self.index
        row, column = divmod(int(index.blocks[position]), index.shape.blocks_across)
        check, no_data = stored_no_data(self.target.conversion, pixels.dtype)
        stored, mask = flat(pixels)
        _accumulate(
            stored.reshape(pixels.shape), mask, column * index.shape.block_width, row * index.shape.block_height,
            index.shape.width, index.shape.height,
            index.order[index.starts[position] : index.starts[position + 1]],
            index.columns, index.rows, index.cubic, check, no_data, self.sums, self.near,
        )  # fmt: skip

    def finish(self) -> None:
        """Write the samples and count their hits; call this after all blocks have been taken."""
        conversion = self.target.conversion
        sums, samples = self.sums, self.index.samples
        filled, mine = self.target.filled, self.near == 1
        if len(filled):
            mine &= filled[samples] == 0
        sums, samples = sums[mine], samples[mine]
        values = np.where(sums[:, 3] == 16, sums[:, 2], sums[:, 0] / sums[:, 1])
        with np.errstate(over="ignore"):  # a value too large for the type becomes infinite
            own = np.clip(values + conversion.offset, conversion.low, conversion.high).astype(self.target.dtype)
            self.target.values[samples] = own
        self.target.hits[samples] += 1


def index_neighbours(level: int, shape: Level, coordinates: Coordinates, cubic: bool) -> InterpolationIndex:
    """The index of samples, given their columns and rows on the level; samples outside the image are left out."""
    columns, rows = coordinates
    inside = (columns >= 0) & (columns < shape.width) & (rows >= 0) & (rows < shape.height)
    samples = np.flatnonzero(inside)
    columns, rows = columns[samples], rows[samples]
    reach = 1 if cubic else 0
    left, right = _touched(columns, reach, shape.width, shape.block_width)
    top, bottom = _touched(rows, reach, shape.height, shape.block_height)
    across = shape.blocks_across
    pairs = []
    for down in range(int((bottom - top).max(initial=-1)) + 1):
        for along in range(int((right - left).max(initial=-1)) + 1):
            entries = np.flatnonzero((top + down <= bottom) & (left + along <= right))
            pairs.append(((top[entries] + down) * across + left[entries] + along, entries))
    numbers = np.concatenate([number for number, _ in pairs]) if pairs else np.zeros(0, np.int64)
    order = np.concatenate([entries for _, entries in pairs]) if pairs else np.zeros(0, np.int64)
    sorting = np.lexsort((order, numbers))
    blocks, starts = np.unique(numbers[sorting], return_index=True)
    return InterpolationIndex(
        level=level, shape=shape, cubic=cubic, columns=columns, rows=rows, samples=samples, blocks=blocks,
        starts=np.append(starts, len(sorting)), order=order[sorting],
    )  # fmt: skip


def _touched(
    place: NDArray[np.float64], reach: int, size: int, block: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and last block, along one axis, that contain a pixel of each sample's window."""
    first = np.floor(place - 0.5).astype(np.int64)
    return np.maximum(first - reach, 0) // block, np.minimum(first + 1 + reach, size - 1) // block


@njit(cache=True, nogil=True)
def _weight(distance):  # type: ignore[no-untyped-def]
    d = abs(distance)
    if d < 1.0:
        return (1.5 * d - 2.5) * d * d + 1.0
    return ((-0.5 * d + 2.5) * d - 4.0) * d + 2.0 if d < 2.0 else 0.0


@njit(cache=True, nogil=True)
def _accumulate(block, mask, left, top, width, height, order, columns, rows, cubic, check, no_data, sums, near):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    reach = 1 if cubic else 0
    # Only pixels inside the given block are accessed, whatever its size; `order` comes from the index.
    right = min(left + block.shape[1], width)
    bottom = min(top + block.shape[0], height)
    for k in range(len(order)):
        n = order[k]
        u, v = columns[n] - 0.5, rows[n] - 0.5
        i, j = int(np.floor(u)), int(np.floor(v))
        for row in range(max(j - reach, top), min(j + 2 + reach, bottom)):
            for column in range(max(i - reach, left), min(i + 2 + reach, right)):
                number = block[row - top, column - left]
                if len(mask) != 0 and mask[(row - top) * block.shape[1] + column - left]:
                    continue
                if (check and number == no_data) or number != number:  # noqa: PLR0124 - NaN
                    continue
                linear = max(0.0, 1.0 - abs(u - column)) * max(0.0, 1.0 - abs(v - row))
                if linear > 0.0:  # 0 times infinity would be NaN
                    sums[n, 0] += linear * number
                    sums[n, 1] += linear
                if cubic:
                    weight = _weight(u - column) * _weight(v - row)
                    if weight != 0.0:
                        sums[n, 2] += weight * number
                    sums[n, 3] += 1.0
                if column == int(columns[n]) and row == int(rows[n]):
                    near[n] = 1
