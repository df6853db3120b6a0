"""Cells: cuts samples along the blocks of an image, so that they can be worked on in parts that share no block."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numba import njit
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
class CellRun:
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

    def runs(self, most: int) -> Iterator[CellRun]:
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
            yield CellRun(
                first=int(cells[starts[begin]]),
                last=int(cells[behind - 1]),
                features=members,
                windows=self._windows(members, int(cells[starts[begin]]), int(cells[behind - 1])),
            )
            begin = end

    def within(self, run: CellRun, samples: Samples) -> Samples:
        """Those of the samples, found in the windows of the run for each of all n features, that lie in its cells."""
        first, last = self._first, self._last
        wanted = (run.first, run.last, self._across, self._origin[0], self._origin[1], self._size[0], self._size[1])
        ranges = (samples.offsets, first[0], last[0], first[1], last[1])
        chosen = (np.zeros_like(samples.offsets), np.empty_like(samples.columns), np.empty_like(samples.rows))
        if self._reprojection.identity and self._transform.b == self._transform.d == 0.0:
            origin = (self._transform.c, self._transform.a, self._transform.f, self._transform.e)
            grids = (self._grids.bounds, self._grids.width, self._grids.height)
            _choose_straight(samples.columns, samples.rows, grids, origin, ranges, wanted, chosen)
        else:
            pixels = to_pixels(self._transform, self._reprojection.coordinates(samples))
            _choose(samples.columns, samples.rows, pixels, ranges, wanted, chosen)
        offsets, columns, rows = chosen
        return Samples(offsets=offsets, columns=columns[: offsets[-1]], rows=rows[: offsets[-1]])

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


@njit(cache=True, nogil=True, error_model="numpy")
def _place(pixel: float, origin: float, size: float, first: int, last: int) -> int:
    """Row or column of the cell of a pixel, never one that the sample's feature is not known to meet."""
    place = np.floor(pixel / size) - origin
    if not place > first:  # NaN, too
        return first
    return last if place > last else int(place)


@njit(cache=True, nogil=True, error_model="numpy")
def _choose(columns, rows, pixels, ranges, wanted, chosen):  # type: ignore[no-untyped-def]
    """Copy the samples that lie in the `wanted` cells to `chosen` (offsets, columns, rows). `pixels`: column and row of
    each in the image; `ranges`: offsets of the features, and the first and last row and column of their cells."""
    offsets, first_rows, last_rows, first_columns, last_columns = ranges
    first, last, across, top, left, high, wide = wanted
    total = 0
    for feature in range(len(offsets) - 1):
        for n in range(offsets[feature], offsets[feature + 1]):
            row = _place(pixels[1][n], top, high, first_rows[feature], last_rows[feature])
            column = _place(pixels[0][n], left, wide, first_columns[feature], last_columns[feature])
            if first <= row * across + column <= last:
                chosen[1][total], chosen[2][total] = columns[n], rows[n]
                total += 1
        chosen[0][feature + 1] = total


@njit(cache=True, nogil=True, error_model="numpy")
def _choose_straight(columns, rows, grids, origin, ranges, wanted, chosen):  # type: ignore[no-untyped-def]
    """Like `_choose`, for grids that lie straight on the image, where a row of samples has one row of pixels."""
    offsets, first_rows, last_rows, first_columns, last_columns = ranges
    first, last, across, top, left, high, wide = wanted
    bounds, width, height = grids
    total = 0
    for feature in range(len(offsets) - 1):
        step_x = (bounds[feature, 2] - bounds[feature, 0]) / width[feature]
        step_y = (bounds[feature, 3] - bounds[feature, 1]) / height[feature]
        before, row = -1, 0
        for n in range(offsets[feature], offsets[feature + 1]):
            if rows[n] != before:
                before = rows[n]
                pixel = (bounds[feature, 3] - (before + 0.5) * step_y - origin[2]) / origin[3]
                row = _place(pixel, top, high, first_rows[feature], last_rows[feature])
            pixel = (bounds[feature, 0] + (columns[n] + 0.5) * step_x - origin[0]) / origin[1]
            column = _place(pixel, left, wide, first_columns[feature], last_columns[feature])
            if first <= row * across + column <= last:
                chosen[1][total], chosen[2][total] = columns[n], rows[n]
                total += 1
        chosen[0][feature + 1] = total
