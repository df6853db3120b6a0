"""Plain polygons: which rows of a column of WKB are Polygons or MultiPolygons as shapely writes them, without GEOS."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from arpent.adapters.formats.wkb import MOST_GEOMETRY_BYTES
from arpent.domain.boundary.kernel import inner

POLYGON, MULTIPOLYGON = 3, 6
"""Types of WKB …"""
PLAIN = {POLYGON: "Polygon", MULTIPOLYGON: "MultiPolygon"}
"""… and their names."""
_HEADER, _POINT = 9, 16
"""Bytes of byte order, type and number of rings or parts; of a position in two dimensions."""
_SHORTEST = 4
"""Positions of the shortest ring: a closed triangle."""
FEW = 1000
"""Fewer geometries are left to GEOS: it has parsed them before the function is loaded that looks at their bytes."""


@dataclass(frozen=True, kw_only=True)
class WkbColumn:
    """The bytes of n geometries beside each other, as Arrow stores them."""

    column: pa.Array
    """Binary or large binary; its offsets must have been validated."""

    @cached_property
    def there(self) -> NDArray[np.bool_]:
        """(n,): whether there is any geometry."""
        if not self.column.null_count:
            return np.ones(len(self.column), np.bool_)
        return np.asarray(self.column.is_valid().to_numpy(zero_copy_only=False), np.bool_)

    @cached_property
    def limits(self) -> NDArray[np.int64]:
        """(n + 1,): where each begins in the bytes, and where the last ends."""
        kind = np.int64 if pa.types.is_large_binary(self.column.type) else np.int32
        first, count = self.column.offset, len(self.column)
        offsets = np.frombuffer(self.column.buffers()[1], kind, first + count + 1) if count else np.zeros(1, kind)
        return offsets[first if count else 0 :].astype(np.int64)

    @property
    def sizes(self) -> NDArray[np.int64]:
        """(n,): bytes of each; 0 where there is none."""
        return np.where(self.there, np.diff(self.limits), 0)

    def plain(self) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
        """(n,): POLYGON or MULTIPOLYGON where the geometry is one, of rings that GEOS takes, two-dimensional, its
        numbers finite and little-endian, which are the bytes that shapely writes for it; 0 where it may be none, or is
        too large. And (n, 4): the bounding boxes of those; NaN elsewhere."""
        if len(self.column) < FEW:
            return np.zeros(len(self.column), np.uint8), np.full((len(self.column), 4), np.nan)
        buffer = self.column.buffers()[2]
        data = np.frombuffer(buffer, np.uint8) if buffer is not None else np.zeros(0, np.uint8)
        return _plain(data, self.limits, self.there & (self.sizes <= MOST_GEOMETRY_BYTES))


def as_binary(column: pa.Array) -> pa.Array:
    """A column of texts as their bytes, unchecked, since files may say text of WKB, and hold any bytes in texts; one of
    bytes as it is."""
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        # A cast would load Arrow's functions, which takes long.
        return column.view(pa.large_binary() if pa.types.is_large_string(column.type) else pa.binary())
    return column


@njit(cache=True, nogil=True, error_model="numpy")
def _plain(
    data: NDArray[np.uint8], limits: NDArray[np.int64], there: NDArray[np.bool_]
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """The type of each geometry that is plain, and its box; `data`: the bytes that `limits` (n + 1,) delimits."""
    kinds = np.zeros(len(there), np.uint8)
    boxes = np.full((len(there), 4), np.nan)
    box = np.empty(4)
    for row in range(len(there)):
        at, end = limits[row], limits[row + 1]
        if not there[row] or end - at < _HEADER or data[at] != 1:
            continue
        kind, parts = _number(data, at + 1), 1
        if kind == MULTIPOLYGON:
            parts = _number(data, at + 5)
            at += _HEADER
        elif kind != POLYGON:
            continue
        box[:2], box[2:] = np.inf, -np.inf
        for _ in range(parts):
            at = _after_polygon(data, at, end, box)
            if at < 0:
                break
        if at == end and parts > 0:
            kinds[row] = kind
            boxes[row] = box
    return kinds, boxes


@inner
def _number(data: NDArray[np.uint8], at: int) -> int:
    low, high = np.int64(data[at]) | np.int64(data[at + 1]) << 8, np.int64(data[at + 2]) | np.int64(data[at + 3]) << 8
    return int(low | high << 16)


@inner
def _after_polygon(data: NDArray[np.uint8], at: int, end: int, box: NDArray[np.float64]) -> int:
    """Offset after the polygon that begins at `at`, whose outer ring widens `box` (4,); -1 if it is not plain."""
    if end - at < _HEADER or data[at] != 1 or _number(data, at + 1) != POLYGON:
        return -1
    rings = _number(data, at + 5)
    at += _HEADER
    for number in range(rings):
        if end - at < 4:
            return -1
        count = _number(data, at)
        at += 4
        if count < _SHORTEST or (end - at) // _POINT < count:
            return -1
        ring = data[at : at + _POINT * count].view(np.float64)
        if ring[0] != ring[2 * count - 2] or ring[1] != ring[2 * count - 1]:
            return -1
        for place in range(0, 2 * count, 2):
            x, y = ring[place], ring[place + 1]
            if not (np.isfinite(x) and np.isfinite(y)):
                return -1
            if number == 0:
                box[0], box[1] = min(box[0], x), min(box[1], y)
                box[2], box[3] = max(box[2], x), max(box[3], y)
        at += _POINT * count
    return at if rings > 0 else -1
