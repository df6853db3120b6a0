"""Plain polygons: finds, without GEOS, which rows of a column of WKB are Polygons or MultiPolygons as shapely writes
them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from arpent.adapters.formats.wkb import MOST_GEOMETRY_BYTES
from arpent.domain.boundary.kernel import inner
from arpent.domain.boundary.measures import Measures
from arpent.domain.boundary.outlines import MOST_VERTICES, is_simple

POLYGON, MULTIPOLYGON = 3, 6
"""Types of WKB …"""
PLAIN = {POLYGON: "Polygon", MULTIPOLYGON: "MultiPolygon"}
"""… and their names."""
_HEADER, _POINT = 9, 16
"""Bytes of a header (byte order, type and number of rings or parts), and of a position in two dimensions."""
_SHORTEST = 4
"""Positions of the shortest ring: a closed triangle."""
FEW = 1000
"""Fewer geometries are left to GEOS, which parses them in less time than it takes to load the compiled function."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainPolygons:
    """What is known, without GEOS, about n geometries in WKB."""

    kinds: NDArray[np.uint8]
    """(n,): POLYGON or MULTIPOLYGON if the geometry is one in the bytes that shapely would write: two-dimensional, its
    numbers finite and little-endian, its rings accepted by GEOS; 0 if that is not certain, or if it is large."""
    bounds: NDArray[np.float64]
    """(n, 4): bounding boxes of those; NaN elsewhere."""
    vertices: NDArray[np.int64]
    """(n,): number of their positions."""
    areas: NDArray[np.float64]
    """(n,): their areas, bit for bit as GEOS computes them."""
    simple: NDArray[np.bool_]
    """(n,): which certainly are a single short ring that does not touch itself, hence valid; not every geometry is
    checked."""

    @property
    def measures(self) -> Measures:
        """The measures of geometries that are all plain."""
        absent = np.zeros(len(self.kinds), np.bool_)
        return Measures(
            bounds=self.bounds, types=self.kinds.astype(np.int8), absent=absent, placed=~absent,
            vertices=self.vertices, areas=self.areas,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class WkbColumn:
    """The contiguous bytes of n geometries, as Arrow stores them."""

    column: pa.Array
    """Binary or large binary; its offsets must have been validated."""

    @cached_property
    def there(self) -> NDArray[np.bool_]:
        """(n,): whether there is a geometry."""
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

    def plain(self, *, checked: bool = False) -> PlainPolygons:
        """Which geometries are plain. `checked`: also which are certainly valid."""
        count = len(self.column)
        found = PlainPolygons(
            kinds=np.zeros(count, np.uint8), bounds=np.full((count, 4), np.nan), vertices=np.zeros(count, np.int64),
            areas=np.zeros(count), simple=np.zeros(count, np.bool_),
        )  # fmt: skip
        if count >= FEW:
            buffer = self.column.buffers()[2]
            data = np.frombuffer(buffer, np.uint8) if buffer is not None else np.zeros(0, np.uint8)
            there = self.there & (self.sizes <= MOST_GEOMETRY_BYTES)
            most = MOST_VERTICES if checked else 0
            _plain(data, self.limits, there, most, found.kinds, found.bounds, found.vertices, found.areas, found.simple)
        return found


def as_binary(column: pa.Array) -> pa.Array:
    """A column of text as bytes, unchecked, since files may declare WKB as text and hold any bytes in it; a column of
    bytes as it is."""
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        # A cast would load Arrow's functions, which takes long.
        return column.view(pa.large_binary() if pa.types.is_large_string(column.type) else pa.binary())
    return column


@njit(cache=True, nogil=True, error_model="numpy")
def _plain(data, limits, there, most, kinds, boxes, vertices, areas, simple):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    """Fill in what is known about each plain geometry. `data`: the bytes that `limits` (n + 1,) divides; `most`: number
    of positions up to which a ring is checked for being simple."""
    sums = np.empty(6)  # box, area, positions
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
        sums[:2], sums[2:4], sums[4:] = np.inf, -np.inf, 0
        ring = at + _HEADER + 4
        for _ in range(parts):
            at = _after_polygon(data, at, end, sums)
            if at < 0:
                break
        if at == end and parts > 0:
            count = np.int64(sums[5])
            kinds[row], vertices[row], areas[row] = kind, count, sums[4]
            boxes[row] = sums[:4]
            if count <= most and at == ring + _POINT * count:  # a single ring
                simple[row] = is_simple(data[ring:at].view(np.float64).reshape((count, 2)))


@inner
def _number(data: NDArray[np.uint8], at: int) -> int:
    low, high = np.int64(data[at]) | np.int64(data[at + 1]) << 8, np.int64(data[at + 2]) | np.int64(data[at + 3]) << 8
    return int(low | high << 16)


@inner
def _after_polygon(data: NDArray[np.uint8], at: int, end: int, sums: NDArray[np.float64]) -> int:
    """Offset after the polygon that begins at `at`; -1 if it is not plain. Extends the box in `sums` (6,) by its outer
    ring, and adds its area and number of positions there."""
    if end - at < _HEADER or data[at] != 1 or _number(data, at + 1) != POLYGON:
        return -1
    rings, area = _number(data, at + 5), 0.0
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
                sums[0], sums[1] = min(sums[0], x), min(sums[1], y)
                sums[2], sums[3] = max(sums[2], x), max(sums[3], y)
        area += _ring_area(ring) if number == 0 else -_ring_area(ring)
        sums[5] += count
        at += _POINT * count
    sums[4] += area
    return at if rings > 0 else -1


@inner
def _ring_area(ring: NDArray[np.float64]) -> float:
    """The area inside a closed ring (2 * n,), its terms in GEOS's order."""
    twice = 0.0
    for place in range(2, len(ring) - 2, 2):
        twice += (ring[place] - ring[0]) * (ring[place - 1] - ring[place + 3])
    return abs(twice / 2.0)
