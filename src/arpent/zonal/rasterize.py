"""Rasterize: the compiled part of the polygon rule: rings → samples, by scan lines."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

SUB_COLUMNS = 256
"""Sub-samples per sample along x; crossings are rounded to them (sentinelhub.md 4.2, step 3)."""
SUB_ROWS = 8
"""Scan lines per row of samples (sentinelhub.md 4.2, step 2)."""
MINIMUM = 7
"""How many of the 2048 sub-samples must be inside for the sample to be inside (sentinelhub.md 4.2, step 4)."""
WIDEST = (2**31 - 1) // SUB_COLUMNS
"""Maximum number of samples per row: crossings are int32."""

NARROW = 64
"""Columns up to which all of a row are looked at, which is then quicker than sorting its crossings."""
ROOM = 1 << 12
"""Spans to make room for at first."""


@njit(cache=True, nogil=True, error_model="numpy")
def _order(crossings: NDArray[np.int32], begin: int, end: int) -> None:
    """Sort the crossings of one scan line; usually there are two."""
    if end - begin > 48:
        crossings[begin:end].sort()
        return
    for i in range(begin + 1, end):
        crossing = crossings[i]
        j = i
        while j > begin and crossings[j - 1] > crossing:
            crossings[j] = crossings[j - 1]
            j -= 1
        crossings[j] = crossing


@njit(cache=True, nogil=True, error_model="numpy")
def _lines_of(upper: float, lower: float, window: tuple[int, int]) -> tuple[int, int]:
    """Half-open range of the scan lines of the window that lie between two heights; empty if one of them is NaN.
    `_mark_lines` and `_cross` must agree, so both use this."""
    first, last = np.ceil(upper - 0.5), np.ceil(lower - 0.5)
    if first < window[1] and last > window[0]:
        return int(max(first, float(window[0]))), int(min(last, float(window[1])))
    return 0, 0


@njit(cache=True, nogil=True, error_model="numpy")
def _mark_lines(
    vertices: NDArray[np.float64], rings: NDArray[np.int64], starts: NDArray[np.int64], window: tuple[int, int]
) -> None:
    """Fill `starts` (lines of the window + 2,) so that the crossings of its k-th line will lie at
    `starts[k + 1]:starts[k + 2]`.

    It is shifted by one on purpose: `_cross` moves each start to its end.
    """
    lines = window[1] - window[0]
    starts[: lines + 2] = 0
    for ring in range(len(rings) - 1):
        for i in range(rings[ring], rings[ring + 1] - 1):
            ya, yb = vertices[i, 1], vertices[i + 1, 1]
            if ya > yb:
                ya, yb = yb, ya
            first, last = _lines_of(ya, yb, window)
            if first < last:
                starts[first - window[0] + 1] += 1
                starts[last - window[0] + 1] -= 1
    # From differences to crossings per line, and on to where each line's crossings begin.
    live = np.int64(0)
    begin = np.int64(0)
    for line in range(1, lines + 2):
        live += starts[line]
        starts[line] = begin
        begin += live


@njit(cache=True, nogil=True, error_model="numpy")
def _cross(
    vertices: NDArray[np.float64],
    rings: NDArray[np.int64],
    starts: NDArray[np.int64],
    crossings: NDArray[np.int32],
    window: tuple[int, int],
    limit: float,
) -> None:
    """Fill `crossings`; afterwards the crossings of the window's k-th line lie at `starts[k]:starts[k + 1]`."""
    for ring in range(len(rings) - 1):
        for i in range(rings[ring], rings[ring + 1] - 1):
            xa, ya = vertices[i, 0], vertices[i, 1]
            xb, yb = vertices[i + 1, 0], vertices[i + 1, 1]
            if ya > yb:
                xa, ya, xb, yb = xb, yb, xa, ya
            first, last = _lines_of(ya, yb, window)
            dx, dy = xb - xa, yb - ya
            for line in range(first, last):
                # The order of operations is the rule's: another one rounds differently.
                x = np.ceil(xa + (line + 0.5 - ya) * dx / dy - 0.5)
                # `_fill` trusts crossings to lie in 0 … limit, also where x is NaN: infinite vertices make some.
                x = x if x > 0.0 else 0.0
                place = line - window[0] + 1
                crossings[starts[place]] = np.int32(x if x < limit else limit)
                starts[place] += 1


@njit(cache=True, nogil=True, error_model="numpy")
def _fill(
    row: int, starts: NDArray[np.int64], crossings: NDArray[np.int32], steps: NDArray[np.int32]
) -> tuple[int, int]:
    """Add up the sub-samples of one row of samples, the window's first being 0; returns the columns touched, half-open.

    The running sum of `steps` (width + 2,) is each sample's count: a span that begins at fraction f of a sample
    adds 256 - f there and 256 from the next one on; where it ends the same is taken away. Crossings are at most
    256 * width, so `right + 1` is at most width + 1.
    """
    low, high = len(steps), 0
    end = starts[row * SUB_ROWS]
    for line in range(row * SUB_ROWS, (row + 1) * SUB_ROWS):
        begin, end = end, starts[line + 1]
        if end - begin > 2:
            _order(crossings, begin, end)
        for i in range(begin, end - 1, 2):
            a = int(min(crossings[i], crossings[i + 1]))
            b = int(max(crossings[i], crossings[i + 1]))
            left, right = a >> 8, b >> 8
            steps[left] += SUB_COLUMNS - (a & 255)
            steps[left + 1] += a & 255
            steps[right] -= SUB_COLUMNS - (b & 255)
            steps[right + 1] -= b & 255
            low, high = min(low, left), max(high, right + 2)
    return low, high


@njit(cache=True, nogil=True, error_model="numpy")
def _emit(row: int, low: int, high: int, steps: NDArray[np.int32], spans: NDArray[np.int32], held: int) -> int:
    """Write the spans of samples of one row that are inside behind the `held` ones, and clear `steps`; returns how many
    there are. The count changes in columns `low` to before `high` only; at the last one it is 0, at `width` or before,
    so that no column beyond the grid is written. `spans` has room for one span for every two columns."""
    count, first = np.int32(0), -1
    for column in range(low, high):
        count += steps[column]
        steps[column] = 0
        if count >= MINIMUM:
            first = column if first < 0 else first
        elif first >= 0:
            spans[held, 0], spans[held, 1], spans[held, 2] = row, first, column - first
            held, first = held + 1, -1
    return held


@njit(cache=True, nogil=True, error_model="numpy")
def _emit_wide(
    row: int, crossings: NDArray[np.int32], steps: NDArray[np.int32], spans: NDArray[np.int32], held: int
) -> int:
    """As `_emit`, for a wide row, of which only the columns with a crossing and the next ones are looked at: the count
    changes nowhere else. Sorts the row's `crossings`; `spans` has room for as many."""
    _order(crossings, 0, len(crossings))
    count, first, following = np.int32(0), -1, 0
    for crossing in crossings:
        for column in range(max(crossing >> 8, following), (crossing >> 8) + 2):
            count += steps[column]
            steps[column] = 0
            if count >= MINIMUM:
                first = column if first < 0 else first
            elif first >= 0:
                spans[held, 0], spans[held, 1], spans[held, 2] = row, first, column - first
                held, first = held + 1, -1
        following = (crossing >> 8) + 2
    return held


@njit(cache=True, nogil=True, error_model="numpy")
def longer(old: NDArray[np.int32], least: int) -> NDArray[np.int32]:
    """A copy with room for twice as many spans, and for `least`."""
    new = np.empty((max(2 * len(old), least), 3), np.int32)
    new[: len(old)] = old
    return new


@njit(cache=True, nogil=True, error_model="numpy")
def scan(
    vertices: NDArray[np.float64],
    rings: NDArray[np.int64],
    polygons: NDArray[np.int64],
    bounds: NDArray[np.float64],
    shapes: NDArray[np.int64],
    windows: NDArray[np.int64],
    room: int = ROOM,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]:
    """Samples inside each feature (sentinelhub.md 4.2), even-odd over all of its rings.

    `vertices` (V, 2) x, y, overwritten; ring r is `vertices[rings[r]:rings[r + 1]]`, closed; the rings of feature k
    are `polygons[k]:polygons[k + 1]`; `bounds` (n, 4); `shapes` (n, 2) width, height;
    `windows` (n, 2) first row and the one behind the last, within the height.
    `room`: spans to make room for at first, at least 1.
    Returns the fields of Samples: offsets (n + 1,), offsets of spans (n + 1,), spans (S, 3).
    """
    n = len(polygons) - 1
    offsets, span_offsets = np.zeros(n + 1, np.int64), np.zeros(n + 1, np.int64)
    spans, held, total = np.empty((room, 3), np.int32), 0, np.int64(0)
    starts = np.zeros(1, np.int64)
    crossings = np.empty(1, np.int32)
    steps = np.zeros(2, np.int32)
    for k in range(n):
        mine = rings[polygons[k] : polygons[k + 1] + 1]
        width, height = shapes[k, 0], shapes[k, 1]
        extent_x, extent_y = bounds[k, 2] - bounds[k, 0], bounds[k, 3] - bounds[k, 1]
        scale_x, scale_y = width / extent_x * SUB_COLUMNS, height / extent_y * SUB_ROWS
        # Infinite where the grid has no extent, or one of less than 1e-305.
        first, last = max(windows[k, 0], 0), min(windows[k, 1], height)
        if first < last and len(mine) > 1 and 0.0 < scale_x < np.inf and 0.0 < scale_y < np.inf:
            for i in range(mine[0], mine[len(mine) - 1]):
                vertices[i, 0] = (vertices[i, 0] - bounds[k, 0]) * scale_x
                vertices[i, 1] = (bounds[k, 3] - vertices[i, 1]) * scale_y
            window = (first * SUB_ROWS, last * SUB_ROWS)
            lines = window[1] - window[0]
            if len(starts) < lines + 2:
                starts = np.zeros(2 * lines + 2, np.int64)
            _mark_lines(vertices, mine, starts, window)
            if len(crossings) < starts[lines + 1]:
                crossings = np.empty(2 * starts[lines + 1], np.int32)
            _cross(vertices, mine, starts, crossings, window, float(width * SUB_COLUMNS))
            if len(steps) < width + 2:
                steps = np.zeros(2 * width + 2, np.int32)
            for row in range(first, last):
                low, high = _fill(row - first, starts, crossings, steps)
                begin, end = starts[(row - first) * SUB_ROWS], starts[(row - first + 1) * SUB_ROWS]
                most = held + max(end - begin, NARROW)
                if most > len(spans):
                    spans = longer(spans, most)
                if high - low <= NARROW:
                    held = _emit(row, low, high, steps, spans, held)
                else:
                    held = _emit_wide(row, crossings[begin:end], steps, spans, held)
        for span in range(span_offsets[k], held):
            total += spans[span, 2]
        offsets[k + 1], span_offsets[k + 1] = total, held
    return offsets, span_offsets, spans[:held].copy()
