"""Cells: cuts samples along the blocks of an image, so that they can be worked on in parts that share no block."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS

from arpent.domain.grid import Grids, Samples
from arpent.domain.imagery.raster import Raster
from arpent.raster.reproject import Reprojection, to_pixels

SMALLEST = 256
"""A cell has at least so many pixels per side: strips of a few rows make no cells of their own."""
MOST_CELLS = 1 << 20
"""Cells are made larger until features meet no more than so many, counted once for each feature."""
TOLERANCE = 0.25
"""How far from its place a sample may be put, in pixels: it decides in which part a sample is worked on, no number."""
MARGIN = 2.0
"""Pixels that a row of samples may lie beyond what its ends and its middle say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Cells that follow each other, row by row."""

    first: int
    """Number of the first cell."""
    last: int
    """Number of the last cell."""
    features: NDArray[np.intp]
    """(k,): features that may have samples there, ascending."""
    windows: NDArray[np.int64]
    """(k, 2): rows of their grids that may lie there: the first, and the one behind the last."""


class Cells:
    """Where the samples of some features lie among the blocks of one image; beyond its edges the blocks go on."""

    def __init__(self, crs: CRS, grids: Grids, raster: Raster) -> None:
        """`crs`: of the features' n grids."""
        self._grids, self._transform = grids, raster.transform
        pixel = math.sqrt(abs(raster.transform.determinant))
        self._reprojection = Reprojection(crs, grids, raster.crs, TOLERANCE * pixel)
        nodes = self._reprojection.corners
        columns, rows = to_pixels(raster.transform, (nodes[..., 0].copy(), nodes[..., 1].copy()))
        self._rows = rows
        """(n, 3, 3): rows of the image at corners, edge middles and centre of each grid."""
        corners = np.stack((rows.reshape(-1, 9), columns.reshape(-1, 9)))
        lost = np.logical_not(np.isfinite(corners).all(axis=(0, 2)))  # all of their samples stay together
        corners[:, lost] = 0.0
        self._smooth = self._reprojection.smooth & ~lost
        """(n,): features whose rows can be told from nine points."""
        low, high = corners.min(axis=2), corners.max(axis=2)
        bend = MARGIN + 0.05 * (high - low)
        level = raster.levels[0]
        size = np.array([[_side(level.block_height)], [_side(level.block_width)]], np.float64)
        while True:
            first, last = np.floor((low - bend) / size), np.floor((high + bend) / size)
            last[:, lost] = first[:, lost]
            if np.prod(last - first + 1, axis=0).sum() <= MOST_CELLS + len(grids):
                break
            size *= 2
        self._size = size.ravel()
        self._origin = first.min(axis=1, initial=0.0)
        self._across = int(last[1].max(initial=0.0) - self._origin[1]) + 1
        self._first = (first - self._origin[:, np.newaxis]).astype(np.int64)
        self._last = (last - self._origin[:, np.newaxis]).astype(np.int64)

    def runs(self, most: int) -> Iterator[Run]:
        """All samples, in parts of about `most` samples at the most; a cell that holds more is not divided."""
        cells, features, shares = self._pairs()
        order = np.argsort(cells, kind="stable")
        cells, features, shares = cells[order], features[order], shares[order]
        starts = np.flatnonzero(np.append(True, np.diff(cells) != 0)[: len(cells)])
        held = np.append(0.0, np.cumsum(np.add.reduceat(shares, starts))) if len(starts) else np.zeros(1)
        begin = 0
        while begin < len(starts):
            end = max(begin + 1, int(np.searchsorted(held, held[begin] + most, side="right")) - 1)
            behind = starts[end] if end < len(starts) else len(cells)
            members = np.unique(features[starts[begin] : behind])
            yield Run(
                first=int(cells[starts[begin]]),
                last=int(cells[behind - 1]),
                features=members,
                windows=self._windows(members, int(cells[starts[begin]]), int(cells[behind - 1])),
            )
            begin = end

    def within(self, run: Run, samples: Samples) -> Samples:
        """Those of the samples, found in the windows of the run for each of all n features, that lie in its cells."""
        numbers = self._numbers(samples)
        inside = (numbers >= run.first) & (numbers <= run.last)
        if inside.all():
            return samples
        kept = np.append(0, np.cumsum(inside))
        return Samples(offsets=kept[samples.offsets], columns=samples.columns[inside], rows=samples.rows[inside])

    def _numbers(self, samples: Samples) -> NDArray[np.int64]:
        """(N,): number of each sample's cell, never one that its feature is not known to meet."""
        columns, rows = to_pixels(self._transform, self._reprojection.coordinates(samples))
        owner = np.repeat(np.arange(len(self._grids)), samples.counts)
        down = self._places(0, rows, owner)
        return down * self._across + self._places(1, columns, owner)

    def _places(self, axis: int, pixels: NDArray[np.float64], owner: NDArray[np.intp]) -> NDArray[np.int64]:
        """(N,): row or column of each sample's cell."""
        with np.errstate(invalid="ignore"):
            places = np.nan_to_num(np.floor(pixels / self._size[axis]) - self._origin[axis], posinf=0.0, neginf=0.0)
        first, last = self._first[axis][owner], self._last[axis][owner]
        clipped: NDArray[np.int64] = np.clip(places, first, last).astype(np.int64)
        return clipped

    def _pairs(self) -> tuple[NDArray[np.int64], NDArray[np.intp], NDArray[np.float64]]:
        """Number of the cell, feature and share of its samples, of every cell that a feature may meet."""
        down, across = self._last - self._first + 1
        counts = down * across
        features = np.repeat(np.arange(len(counts)), counts)
        place = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
        rows = self._first[0][features] + place // across[features]
        columns = self._first[1][features] + place % across[features]
        return rows * self._across + columns, features, (self._grids.sample_count / counts)[features]

    def _windows(self, features: NDArray[np.intp], first: int, last: int) -> NDArray[np.int64]:
        """(k, 2): rows of the features' grids that may lie in cells `first` to `last`."""
        height = self._grids.height[features]
        windows = np.column_stack((np.zeros_like(height), height))
        top, bottom = first // self._across, last // self._across
        whole = (self._first[0][features] >= top) & (self._last[0][features] <= bottom)
        for place in np.flatnonzero(~whole & self._smooth[features]).tolist():
            feature = features[place]
            low, high = self._extent_of_rows(feature)
            inside = np.ones(len(low), bool)
            if self._first[0][feature] < top:
                inside &= high >= (top + self._origin[0]) * self._size[0]
            if self._last[0][feature] > bottom:
                inside &= low < (bottom + 1 + self._origin[0]) * self._size[0]
            rows = np.flatnonzero(inside)
            windows[place] = (rows[0], rows[-1] + 1) if len(rows) else (0, 0)
        return windows

    def _extent_of_rows(self, feature: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(height,): between which rows of the image each row of a feature's grid lies, with a margin."""
        nodes, height = self._rows[feature], int(self._grids.height[feature])
        t = ((np.arange(height) + 0.5) / height)[:, np.newaxis]
        weights = np.hstack((2 * (t - 0.5) * (t - 1), 4 * t * (1 - t), 2 * t * (t - 0.5)))
        lines = weights @ nodes
        bend = MARGIN + np.abs(lines[:, 1] - (lines[:, 0] + lines[:, 2]) / 2) + 0.01 * np.ptp(nodes)
        return lines.min(axis=1) - bend, lines.max(axis=1) + bend


def _side(block: int) -> int:
    """Pixels of a cell whose blocks have so many."""
    return block * -(-SMALLEST // block)
