"""Rasterize: the compiled part of the polygon rule, which turns rings into samples by scan lines."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from arpent.domain.boundary.kernel import inner
from arpent.zonal.sort import sort_few, sort_many

SUB_COLUMNS = 256
"""Sub-samples per sample along x; crossings are rounded to them (sentinelhub.md 4.2, step 3)."""
SUB_ROWS = 8
"""Scan lines per row of samples (sentinelhub.md 4.2, step 2)."""
MINIMUM = 7
"""How many of the 2048 sub-samples must be inside for the sample to be inside (sentinelhub.md 4.2, step 4)."""
WIDEST = (2**31 - 1) // SUB_COLUMNS
"""Maximum number of samples per row: crossings are int32."""

SLOTS = 8
"""Maximum crossings per scan line that fit into fixed slots; if a feature needs more, they are stored line by line."""
ROW_SLOTS = SLOTS * SUB_ROWS
"""Maximum number of crossings of a row of samples that are stored in slots."""
NARROW = 64
"""Number of columns up to which all columns of a row are examined, which is faster than sorting its crossings."""
ROOM = 1 << 12
"""Initial capacity, in spans."""


@inner
def _lines_of(upper: float, lower: float, window: tuple[int, int]) -> tuple[int, int]:
    """Half-open range of the window's scan lines that lie between two heights; empty if one of them is NaN.
    `_mark_lines` and `_cross` must agree, so both use this function."""
    first, last = np.ceil(upper - 0.5), np.ceil(lower - 0.5)
    if first < window[1] and last > window[0]:
        return int(max(first, float(window[0]))), int(min(last, float(window[1])))
    return 0, 0


@inner
def _crossing(line: int, xa: float, ya: float, dx: float, dy: float, limit: float) -> np.int32:
    """Where an edge crosses a scan line, in sub-samples. The rule prescribes the order of operations, since any other
    rounds differently. `_fill` relies on crossings in 0 … limit, even if x is NaN because of infinite vertices."""
    x = np.ceil(xa + (line + 0.5 - ya) * dx / dy - 0.5)
    x = x if x > 0.0 else 0.0
    return np.int32(x if x < limit else limit)


@inner
def to_grid(
    vertices: NDArray[np.float64],
    begin: int,
    end: int,
    bounds: NDArray[np.float64],
    shape: NDArray[np.int64],
    parts: tuple[int, int],
) -> bool:
    """Convert vertices to coordinates of the grid, y downwards, with `parts` units per sample along x and y. Returns
    False if that is impossible: the scale is infinite if the grid has no extent, or one of less than 1e-305."""
    scale_x, scale_y = shape[0] / (bounds[2] - bounds[0]) * parts[0], shape[1] / (bounds[3] - bounds[1]) * parts[1]
    if not (0.0 < scale_x < np.inf and 0.0 < scale_y < np.inf):
        return False
    for i in range(begin, end):
        vertices[i, 0] = (vertices[i, 0] - bounds[0]) * scale_x
        vertices[i, 1] = (bounds[3] - vertices[i, 1]) * scale_y
    return True


@inner
def _cross_few(
    vertices: NDArray[np.float64],
    rings: NDArray[np.int64],
    taken: NDArray[np.uint8],
    slots: NDArray[np.int32],
    window: tuple[int, int],
    limit: float,
) -> bool:
    """Store the crossings of the window's k-th line at `slots[:taken[k], k]`; returns False if there are not enough
    slots."""
    taken[: window[1] - window[0]] = 0
    for ring in range(len(rings) - 1):
        for i in range(rings[ring], rings[ring + 1] - 1):
            xa, ya = vertices[i, 0], vertices[i, 1]
            xb, yb = vertices[i + 1, 0], vertices[i + 1, 1]
            if ya > yb:
                xa, ya, xb, yb = xb, yb, xa, ya
            first, last = _lines_of(ya, yb, window)
            for line in range(first, last):
                place = line - window[0]
                slot = taken[place]
                if slot == SLOTS:
                    return False
                slots[slot, place] = _crossing(line, xa, ya, xb - xa, yb - ya, limit)
                taken[place] = slot + 1
    return True


@inner
def _add_span(a: int, b: int, steps: NDArray[np.int32]) -> None:
    """Add the sub-samples from crossing `a` to crossing `b`, which is not less than `a`, to `steps` (see `_fill`)."""
    left, right = a >> 8, b >> 8
    steps[left] += SUB_COLUMNS - (a & 255)
    steps[left + 1] += a & 255
    steps[right] -= SUB_COLUMNS - (b & 255)
    steps[right + 1] -= b & 255


@inner
def _fill_pairs(begin: int, slots: NDArray[np.int32], steps: NDArray[np.int32]) -> tuple[Any, Any, Any, Any]:
    """Like `_fill`, for a row of samples with the first line `begin` and two crossings per line. Returns the half-open
    ranges of columns touched on the left and on the right."""
    low, middle, beyond, high = slots[0, begin], np.int32(0), slots[0, begin], np.int32(0)
    low, beyond = max(low, slots[1, begin]), max(low, slots[1, begin])
    lefts, rights = np.int32(0), np.int32(0)
    for line in range(begin, begin + SUB_ROWS):
        a, b = min(slots[0, line], slots[1, line]), max(slots[0, line], slots[1, line])
        low, middle = min(low, a), max(middle, a)
        beyond, high = min(beyond, b), max(high, b)
        lefts += a & np.int32(255)
        rights += b & np.int32(255)
    low, middle, beyond, high = low >> 8, middle >> 8, beyond >> 8, high >> 8
    if low == middle and beyond == high:  # both edges are steep
        steps[low] += SUB_ROWS * SUB_COLUMNS - lefts
        steps[low + 1] += lefts
        steps[high] -= SUB_ROWS * SUB_COLUMNS - rights
        steps[high + 1] -= rights
    else:
        for line in range(begin, begin + SUB_ROWS):
            _add_span(min(slots[0, line], slots[1, line]), max(slots[0, line], slots[1, line]), steps)
    return low, middle + 2, beyond, high + 2


@inner
def _fill_few(
    begin: int, taken: NDArray[np.uint8], slots: NDArray[np.int32], row: NDArray[np.int32], steps: NDArray[np.int32]
) -> tuple[int, int, int]:
    """Like `_fill`, for lines with any number of slots taken. Returns the half-open range of columns touched, and how
    many crossings were written to `row`."""
    low, high, held = len(steps), 0, 0
    for line in range(begin, begin + SUB_ROWS):
        first, held = held, held + int(taken[line])
        for slot in range(held - first):
            row[first + slot] = slots[slot, line]
        sort_few(row, first, held)
        for i in range(first, held - 1, 2):
            _add_span(row[i], row[i + 1], steps)
            low, high = min(low, row[i] >> 8), max(high, (row[i + 1] >> 8) + 2)
    return low, high, held


@inner
def _rows_of_few(
    rows: tuple[int, int],
    taken: NDArray[np.uint8],
    slots: NDArray[np.int32],
    row_crossings: NDArray[np.int32],
    steps: NDArray[np.int32],
    spans: NDArray[np.int32],
    held: int,
) -> int:
    """Append the spans of the window's rows to the `held` ones; returns how many there are then."""
    for row in range(rows[0], rows[1]):
        begin, other = (row - rows[0]) * SUB_ROWS, 0
        for line in range(begin, begin + SUB_ROWS):
            other |= taken[line] ^ 2
        if other == 0:
            low, middle, beyond, high = _fill_pairs(begin, slots, steps)
            held = _emit(row, (low, middle, beyond, high), steps, spans, held)
            continue
        low, high, count = _fill_few(begin, taken, slots, row_crossings, steps)
        if high - low <= NARROW:
            held = _emit(row, (low, high, high, high), steps, spans, held)
        else:
            sort_few(row_crossings, 0, count)
            held = _emit_wide(row, row_crossings[:count], steps, spans, held)
    return held


@inner
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
    # Turn differences into crossings per line, and these into the position where each line's crossings begin.
    live = np.int64(0)
    begin = np.int64(0)
    for line in range(1, lines + 2):
        live += starts[line]
        starts[line] = begin
        begin += live


@inner
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
            for line in range(first, last):
                place = line - window[0] + 1
                crossings[starts[place]] = _crossing(line, xa, ya, xb - xa, yb - ya, limit)
                starts[place] += 1


@inner
def _fill(
    row: int, starts: NDArray[np.int64], crossings: NDArray[np.int32], steps: NDArray[np.int32]
) -> tuple[int, int]:
    """Count the sub-samples between the sorted `crossings` of one row of samples; `row` is relative to the window.
    Returns the half-open range of columns touched.

    The running sum of `steps` (width + 2,) is each sample's count: a span that begins f sub-samples into a sample adds
    256 - f there and 256 from the next sample on; where it ends, the same is subtracted. Crossings are at most
    256 * width, so `right + 1` is at most width + 1.
    """
    low, high = len(steps), 0
    end = starts[row * SUB_ROWS]
    for line in range(row * SUB_ROWS, (row + 1) * SUB_ROWS):
        begin, end = end, starts[line + 1]
        for i in range(begin, end - 1, 2):
            _add_span(crossings[i], crossings[i + 1], steps)
            low, high = min(low, crossings[i] >> 8), max(high, (crossings[i + 1] >> 8) + 2)
    return low, high


@inner
def _emit(
    row: int, columns: tuple[int, int, int, int], steps: NDArray[np.int32], spans: NDArray[np.int32], held: int
) -> int:
    """Append the spans of the samples of one row that are inside to the `held` ones, and clear `steps`; returns how
    many there are then. The count changes only in `columns` (two half-open ranges); at the end of the second, which is
    at most `width`, it is 0, so that no column beyond the grid is written. `spans` has room for one span for every two
    columns."""
    column, middle, beyond, high = columns
    count, first = np.int32(0), -1
    while column < high:
        count += steps[column]
        steps[column] = 0
        if count >= MINIMUM:
            first = column if first < 0 else first
        elif first >= 0:
            spans[held, 0], spans[held, 1], spans[held, 2] = row, first, column - first
            held, first = held + 1, -1
        column += 1
        if column == middle:
            column = max(column, beyond)
    return held


@inner
def _emit_wide(
    row: int, crossings: NDArray[np.int32], steps: NDArray[np.int32], spans: NDArray[np.int32], held: int
) -> int:
    """Like `_emit`, for a wide row, in which only columns with a crossing and the columns after them are examined,
    since the count changes only there. `crossings` are sorted; `spans` has room for as many spans."""
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
def _rows_of_many(
    vertices: NDArray[np.float64],
    mine: NDArray[np.int64],
    window: tuple[int, int],
    limit: float,
    steps: NDArray[np.int32],
    spans: NDArray[np.int32],
    held: int,
) -> tuple[NDArray[np.int32], int]:
    """Like `_rows_of_few`, for the rings `mine` of a feature with too many crossings; may return a larger array."""
    starts = np.empty(window[1] - window[0] + 2, np.int64)
    _mark_lines(vertices, mine, starts, window)
    crossings = np.empty(starts[window[1] - window[0] + 1], np.int32)
    _cross(vertices, mine, starts, crossings, window, limit)
    for line in range(window[1] - window[0]):
        sort_many(crossings, starts[line], starts[line + 1])
    for row in range((window[1] - window[0]) // SUB_ROWS):
        low, high = _fill(row, starts, crossings, steps)
        begin, end = starts[row * SUB_ROWS], starts[(row + 1) * SUB_ROWS]
        most = held + max(end - begin, NARROW)
        if most > len(spans):
            spans = longer(spans, most)
        if high - low <= NARROW:
            held = _emit(row + window[0] // SUB_ROWS, (low, high, high, high), steps, spans, held)
        else:
            sort_many(crossings, begin, end)
            held = _emit_wide(row + window[0] // SUB_ROWS, crossings[begin:end], steps, spans, held)
    return spans, held


@njit(cache=True, nogil=True, error_model="numpy")
def longer(old: NDArray[np.int32], least: int) -> NDArray[np.int32]:
    """A copy with room for twice as many spans, and for at least `least`."""
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

    `vertices` (V, 2): x, y; overwritten. Ring r is `vertices[rings[r]:rings[r + 1]]`, closed; the rings of feature k
    are `polygons[k]:polygons[k + 1]`. `bounds` (n, 4); `shapes` (n, 2): width, height.
    `windows` (n, 2): first row and the one after the last, within the height.
    `room`: initial capacity in spans, at least 1.
    Returns the fields of Samples: offsets (n + 1,), offsets of spans (n + 1,), spans (S, 3).
    """
    n = len(polygons) - 1
    offsets, span_offsets = np.zeros(n + 1, np.int64), np.zeros(n + 1, np.int64)
    spans, held, total = np.empty((room, 3), np.int32), 0, np.int64(0)
    taken, slots, row_crossings = np.empty(1, np.uint8), np.empty((SLOTS, 1), np.int32), np.empty(ROW_SLOTS, np.int32)
    steps = np.zeros(2, np.int32)
    for k in range(n):
        mine = rings[polygons[k] : polygons[k + 1] + 1]
        first, last = max(windows[k, 0], 0), min(windows[k, 1], shapes[k, 1])
        some = first < last and len(mine) > 1
        if some and to_grid(vertices, mine[0], mine[len(mine) - 1], bounds[k], shapes[k], (SUB_COLUMNS, SUB_ROWS)):
            window, limit = (first * SUB_ROWS, last * SUB_ROWS), float(shapes[k, 0] * SUB_COLUMNS)
            lines = window[1] - window[0]
            if len(steps) < shapes[k, 0] + 2:
                steps = np.zeros(2 * shapes[k, 0] + 2, np.int32)
            if len(taken) < lines:
                taken, slots = np.empty(2 * lines, np.uint8), np.empty((SLOTS, 2 * lines), np.int32)
            if _cross_few(vertices, mine, taken, slots, window, limit):
                most = held + lines * SLOTS // 2
                if most > len(spans):
                    spans = longer(spans, most)
                held = _rows_of_few((first, last), taken, slots, row_crossings, steps, spans, held)
            else:
                spans, held = _rows_of_many(vertices, mine, window, limit, steps, spans, held)
        for span in range(span_offsets[k], held):
            total += spans[span, 2]
        offsets[k + 1], span_offsets[k + 1] = total, held
    return offsets, span_offsets, spans[:held].copy()
