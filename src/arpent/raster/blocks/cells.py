"""Cells: cuts samples along the blocks of an image, so that they can be worked on in parts that share no block."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from pyproj import CRS

from arpent.domain.boundary.kernel import inner
from arpent.domain.grid import Grids, Samples
from arpent.domain.imagery.raster import Raster
from arpent.raster.reproject import Reprojection, to_pixels

SMALLEST = 256
"""A cell has at least so many pixels per side: strips of a few rows make no cells of their own."""
MOST_CELLS = 1 << 20
"""Cells are made larger until features meet no more than so many, counted once for each feature."""
TOLERANCE = 0.25
"""How far from its place a sample may be put, in pixels: it decides in which part a sample is worked on, no number."""
LOW = 128
"""Rows of a grid up to which all are looked at in each part: that is quicker than to find out which lie there."""
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
        wanted = (run.first, run.last, self._across, *self._origin, *self._size)
        ranges = (*self._first, *self._last)
        spans = (samples.span_offsets, samples.spans)
        if self._reprojection.identity and self._transform.b == self._transform.d == 0.0:
            origin = (self._transform.c, self._transform.a, self._transform.f, self._transform.e)
            grids = (self._grids.bounds, self._grids.width, self._grids.height)
            offsets, span_offsets, chosen = _choose_straight(*spans, grids, origin, ranges, wanted)
        else:
            pixels = to_pixels(self._transform, self._reprojection.coordinates(samples))
            offsets, span_offsets, chosen = _choose(*spans, pixels, ranges, wanted)
        return Samples(offsets=offsets, span_offsets=span_offsets, spans=chosen)

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
        for place in np.flatnonzero(~whole & self._smooth[features] & (height > LOW)).tolist():
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
        t = (np.arange(height) + 0.5) / height
        left, middle, right = nodes.T @ np.stack((2 * (t - 0.5) * (t - 1), 4 * t * (1 - t), 2 * t * (t - 0.5)))
        bend = MARGIN + np.abs(middle - (left + right) / 2) + 0.01 * np.ptp(nodes)
        low, high = np.minimum(np.minimum(left, middle), right), np.maximum(np.maximum(left, middle), right)
        return low - bend, high + bend


def _side(block: int) -> int:
    """Pixels of a cell whose blocks have so many."""
    return block * -(-SMALLEST // block)


@inner
def _place(pixel: float, origin: float, size: float, first: int, last: int) -> int:
    """Row or column of the cell of a pixel, never one that the sample's feature is not known to meet."""
    place = np.floor(pixel / size) - origin
    if not place > first:  # NaN, too
        return first
    return last if place > last else int(place)


@inner
def _append(spans: NDArray[np.int32], held: int, begun: int, row: int, column: int, count: int) -> int:
    """Write a span behind the `held` ones, or lengthen the last one, if it is the neighbour and not before `begun`;
    returns how many there are. There is room for one more."""
    last = held - 1
    if last >= begun and spans[last, 0] == row and spans[last, 1] + spans[last, 2] == column:
        spans[last, 2] += count
        return held
    spans[held, 0], spans[held, 1], spans[held, 2] = row, column, count
    return held + 1


@njit(cache=True, nogil=True, error_model="numpy")
def _longer(spans, least):  # type: ignore[no-untyped-def]
    """A copy with room for twice as many spans, and for `least`."""
    larger = np.empty((max(2 * len(spans), least), 3), np.int32)
    larger[: len(spans)] = spans
    return larger


@njit(cache=True, nogil=True, error_model="numpy")
def _choose(span_offsets, spans, pixels, ranges, wanted):  # type: ignore[no-untyped-def]
    """The samples that lie in the `wanted` cells, as fields of Samples. `pixels`: column and row of each sample in the
    image; `ranges`: first row and column of each feature's cells, and the last ones."""
    first_rows, first_columns, last_rows, last_columns = ranges
    first, last, across, top, left, high, wide = wanted
    offsets, chosen_offsets = np.zeros_like(span_offsets), np.zeros_like(span_offsets)
    chosen, held, n, total = np.empty((len(spans), 3), np.int32), 0, 0, 0
    for feature in range(len(span_offsets) - 1):
        begun = held
        for span in range(span_offsets[feature], span_offsets[feature + 1]):
            if held + spans[span, 2] > len(chosen):
                chosen = _longer(chosen, held + spans[span, 2])
            for i in range(spans[span, 2]):
                row = _place(pixels[1][n], top, high, first_rows[feature], last_rows[feature])
                column = _place(pixels[0][n], left, wide, first_columns[feature], last_columns[feature])
                n += 1
                if first <= row * across + column <= last:
                    held = _append(chosen, held, begun, spans[span, 0], spans[span, 1] + i, 1)
                    total += 1
        offsets[feature + 1], chosen_offsets[feature + 1] = total, held
    return offsets, chosen_offsets, chosen[:held].copy()


@njit(cache=True, nogil=True, error_model="numpy")
def _choose_straight(span_offsets, spans, grids, origin, ranges, wanted):  # type: ignore[no-untyped-def]
    """Like `_choose`, for grids that lie straight on the image, where a row of samples has one row of pixels, and a
    column one column."""
    first_rows, first_columns, last_rows, last_columns = ranges
    offsets, chosen_offsets = np.zeros_like(span_offsets), np.zeros_like(span_offsets)
    chosen, held, total = np.empty((len(spans), 3), np.int32), 0, 0
    cells = np.empty((2, 1), np.int64)
    for feature in range(len(span_offsets) - 1):
        begun, count = held, span_offsets[feature + 1] - span_offsets[feature]
        most = held + count * (last_columns[feature] - first_columns[feature] + 1)
        if most > len(chosen):
            chosen = _longer(chosen, most)
        if count > 0:
            if cells.shape[1] < grids[1][feature]:
                cells = np.empty((2, 2 * grids[1][feature]), np.int64)
            mine = (first_rows[feature], first_columns[feature], last_rows[feature], last_columns[feature])
            place = (feature, span_offsets[feature], span_offsets[feature + 1])
            held = _choose_of(place, spans, grids, origin, mine, wanted, cells, chosen, held)
        for span in range(begun, held):
            total += chosen[span, 2]
        offsets[feature + 1], chosen_offsets[feature + 1] = total, held
    return offsets, chosen_offsets, chosen[:held].copy()


@inner
def _choose_of(  # noqa: PLR0913, PLR0917
    place: Any, spans: Any, grids: Any, origin: Any, mine: Any, wanted: Any, cells: Any, chosen: Any, held: int
) -> int:
    """Write what is chosen of one feature's spans behind the `held` ones; returns how many there are. `place`: the
    feature, its first span and the one behind its last; `mine`: its ranges; `cells`: room for its columns."""
    (feature, begin, end), begun = place, held
    first_row, first_column, last_row, last_column = mine
    first, last, across, top, left, high, wide = wanted
    if first <= first_row * across + first_column and last_row * across + last_column <= last:  # so are those between
        for span in range(begin, end):
            held = _append(chosen, held, begun, spans[span, 0], spans[span, 1], spans[span, 2])
        return held
    (bounds, width, height), edges = grids, (first_column, last_column)
    step_x = (bounds[feature, 2] - bounds[feature, 0]) / width[feature]
    step_y = (bounds[feature, 3] - bounds[feature, 1]) / height[feature]
    side = (bounds[feature, 0], step_x, origin[0], origin[1])
    _cells_of_columns(width[feature], side, left, wide, edges, cells)
    for span in range(begin, end):
        pixel = (bounds[feature, 3] - (spans[span, 0] + 0.5) * step_y - origin[2]) / origin[3]
        row = _place(pixel, top, high, first_row, last_row)
        column, behind = spans[span, 1], spans[span, 1] + spans[span, 2]
        while column < behind:
            stop = min(cells[1, column], behind)
            if first <= row * across + cells[0, column] <= last:
                held = _append(chosen, held, begun, spans[span, 0], column, stop - column)
            column = stop
    return held


@inner
def _cells_of_columns(width: int, side: Any, left: float, wide: float, edges: Any, cells: NDArray[np.int64]) -> None:
    """Fill `cells` (2, width or more): column of the cell in which each column of a grid lies, and the next column that
    lies in another one. `side`: where the grid begins and its step, where the image begins and its step; `edges`: the
    first and the last column of the cells."""
    edge, step, origin, size = side
    for column in range(width):
        cells[0, column] = _place((edge + (column + 0.5) * step - origin) / size, left, wide, edges[0], edges[1])
    for column in range(width - 1, -1, -1):
        same = column + 1 < width and cells[0, column + 1] == cells[0, column]
        cells[1, column] = cells[1, column + 1] if same else column + 1
