"""Cells: divides samples along the blocks of an image, so that they can be processed in parts that share no block."""

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
"""Minimum number of pixels per side of a cell, so that strips of a few rows do not become cells of their own."""
MOST_CELLS = 1 << 20
"""Cells are enlarged until there are at most about this many pairs of a feature and a cell that it may meet."""
TOLERANCE = 0.25
"""Accuracy of the positions of samples, in pixels. It affects only the part in which a sample is processed, and no
statistic."""
LOW = 128
"""Up to this height, all rows of a grid are examined in each part: that is faster than finding the rows concerned."""
MARGIN = 2.0
"""Number of pixels by which a row of samples may extend beyond the rows computed for its ends and its middle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellRun:
    """Consecutive cells, counted row by row."""

    first: int
    """Number of the first cell."""
    last: int
    """Number of the last cell."""
    features: NDArray[np.intp]
    """(k,): features that may have samples in these cells, ascending."""
    windows: NDArray[np.int64]
    """(k, 2): rows of the features' grids that may lie in these cells: the first, and the one after the last."""


class Cells:
    """Locates samples in cells, which consist of whole blocks of an image; the pattern continues beyond its edges."""

    def __init__(self, crs: CRS, grids: Grids, raster: Raster) -> None:
        """`crs`: the CRS of the features' n grids."""
        self._grids, self._transform = grids, raster.transform
        pixel = math.sqrt(abs(raster.transform.determinant))
        self._reprojection = Reprojection(crs, grids, raster.crs, TOLERANCE * pixel)
        nodes = self._reprojection.corners
        columns, rows = to_pixels(raster.transform, (nodes[..., 0].copy(), nodes[..., 1].copy()))
        self._rows = rows
        """(n, 3, 3): image row at the corners, edge middles and centre of each grid."""
        corners = np.stack((rows.reshape(-1, 9), columns.reshape(-1, 9)))
        lost = np.logical_not(np.isfinite(corners).all(axis=(0, 2)))  # all samples of such a feature stay together
        corners[:, lost] = 0.0
        self._smooth = self._reprojection.smooth & ~lost
        """(n,): features whose image rows can be interpolated from nine points."""
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
        """Divide all samples into parts of at most about `most` samples; a cell that holds more is not divided."""
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
        """The samples that lie in the cells of the run, selected from `samples` of all n features, which were found in
        the windows of the run."""
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
        """All pairs of a cell and a feature that may meet it: number of the cell, row of the feature, and estimated
        count of the feature's samples in the cell."""
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
        """(height,) lowest and (height,) highest image row of each row of a feature's grid, with a margin."""
        nodes, height = self._rows[feature], int(self._grids.height[feature])
        t = (np.arange(height) + 0.5) / height
        left, middle, right = nodes.T @ np.stack((2 * (t - 0.5) * (t - 1), 4 * t * (1 - t), 2 * t * (t - 0.5)))
        bend = MARGIN + np.abs(middle - (left + right) / 2) + 0.01 * np.ptp(nodes)
        low, high = np.minimum(np.minimum(left, middle), right), np.maximum(np.maximum(left, middle), right)
        return low - bend, high + bend


def _side(block: int) -> int:
    """Pixels per side of a cell, given those of a block: the smallest multiple that is at least SMALLEST."""
    return block * -(-SMALLEST // block)


@inner
def _place(pixel: float, origin: float, size: float, first: int, last: int) -> int:
    """Row or column of the cell that contains a pixel, limited to the cells that the sample's feature may meet."""
    place = np.floor(pixel / size) - origin
    if not place > first:  # also if it is NaN
        return first
    return last if place > last else int(place)


@inner
def _append(spans: NDArray[np.int32], held: int, begun: int, row: int, column: int, count: int) -> int:
    """Append a span to the `held` ones, or extend the last one if the two are adjacent and it is not before `begun`;
    returns the number of spans. `spans` must have room for one more."""
    last = held - 1
    if last >= begun and spans[last, 0] == row and spans[last, 1] + spans[last, 2] == column:
        spans[last, 2] += count
        return held
    spans[held, 0], spans[held, 1], spans[held, 2] = row, column, count
    return held + 1


@njit(cache=True, nogil=True, error_model="numpy")
def _longer(spans, least):  # type: ignore[no-untyped-def]
    """A copy with room for twice as many spans, and for at least `least`."""
    larger = np.empty((max(2 * len(spans), least), 3), np.int32)
    larger[: len(spans)] = spans
    return larger


@njit(cache=True, nogil=True, error_model="numpy")
def _choose(span_offsets, spans, pixels, ranges, wanted):  # type: ignore[no-untyped-def]
    """The samples that lie in the `wanted` cells, as the fields of Samples. `pixels`: image column and row of each
    sample; `ranges`: first row and column, and last row and column, of each feature's cells."""
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
    """Like `_choose`, for grids aligned with the image, where a row of samples lies in one row of pixels, and a column
    of samples in one column."""
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
    """Append the chosen parts of one feature's spans to the `held` ones; returns the number of spans. `place`: the
    feature, its first span and the one after its last; `mine`: its ranges; `cells`: scratch space for its columns."""
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
    """Fill `cells` (2, width or more) for each column of a grid: the cell column in which it lies, and the next grid
    column that lies in another one. `side`: origin and step of the grid, origin and step of the image; `edges`: first
    and last cell column."""
    edge, step, origin, size = side
    for column in range(width):
        cells[0, column] = _place((edge + (column + 0.5) * step - origin) / size, left, wide, edges[0], edges[1])
    for column in range(width - 1, -1, -1):
        same = column + 1 < width and cells[0, column + 1] == cells[0, column]
        cells[1, column] = cells[1, column + 1] if same else column + 1
