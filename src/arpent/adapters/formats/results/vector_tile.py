"""Vector tile: encodes polygons in the units of a tile as a Mapbox Vector Tile (version 2) with one layer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

EXTENT = 4096
"""Units of a tile's side."""
LAYER = "features"
KEYS = ("value", "verdict")
"""Names of the properties: the number, absent where there is none; and 0, 1 (a warning) or 2 (failed)."""
VERDICTS = 3
MOVE, CLOSE, LINE = 9, 15, 2
"""MoveTo of one point, ClosePath, and the command LineTo."""
COARSE = np.uint32(0xFFFFE000)
"""Mask of the bits of a float32 that are kept, 10 of them of its fraction, so that a tile has few distinct numbers."""
HALF = np.uint32(0x1000)
"""Half of the last bit that is kept: adding it before the mask rounds numbers, by half a thousandth of them at most."""

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class TileFeatures:
    """The features of a tile."""

    ids: Ints
    """(n,): their ids."""
    values: NDArray[np.float64]
    """(n,): the number of each, NaN where there is none."""
    verdicts: Ints
    """(n,): 0, 1 (a warning) or 2 (failed)."""
    rows: Ints
    """(p,): the feature of each polygon, ascending."""
    polygons: NDArray[np.object_]
    """(p,): polygons in units of the tile, y downwards from its upper left corner."""


def encode(features: TileFeatures) -> bytes:
    """The tile. Polygons that vanish when they are rounded to whole units are left out; empty if none is left."""
    points, ring_rows, lengths = _rings(features.polygons, features.rows)
    if not len(lengths):
        return b""
    stream, bounds, present = _commands(points, ring_rows, lengths)
    # The tags name each value by its place in the layer's list: the verdicts first, then the distinct numbers.
    coarse = _coarse(features.values)
    distinct, places = np.unique(coarse, return_inverse=True)
    missing = np.isnan(features.values)
    parts = [_key(1, LAYER.encode()), b"\x78\x02"]
    for start, end, row in zip(bounds[:-1].tolist(), bounds[1:].tolist(), present.tolist(), strict=True):
        tags = _varint(1) + _varint(int(features.verdicts[row]))
        if not missing[row]:
            tags = _varint(0) + _varint(int(places[row]) + VERDICTS) + tags
        number = int(features.ids[row])
        own = b"\x08" + _varint(number) if number >= 0 else b""
        parts.append(_key(2, own + _key(2, tags) + b"\x18\x03" + _key(4, stream[start:end])))
    parts += [_key(3, name.encode()) for name in KEYS]
    parts += [_key(4, b"\x28" + _varint(verdict)) for verdict in range(VERDICTS)]
    parts += [_key(4, b"\x15" + number.tobytes()) for number in distinct.astype("<f4")]
    parts.append(b"\x28" + _varint(EXTENT))
    return _key(3, b"".join(parts))


def _coarse(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """The numbers (n,) rounded to the bits of COARSE; those that are not finite, or would not be after rounding, are
    truncated instead."""
    bits = values.astype(np.float32).view(np.uint32)
    rounded = ((bits + HALF) & COARSE).view(np.float32)
    return np.where(np.isfinite(rounded), rounded, (bits & COARSE).view(np.float32))


def _rings(polygons: NDArray[np.object_], rows: Ints) -> tuple[Ints, Ints, Ints]:
    """Points (m, 2) of all rings, whole and without repetition, outer rings clockwise on the screen; the feature (r,)
    and the number of points (r,) of each ring."""
    empty = np.zeros((0, 2), np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64)
    if not len(polygons):
        return empty
    _, coordinates, (ring_offsets, polygon_offsets) = shapely.to_ragged_array(polygons)
    points = np.rint(coordinates[:, :2]).astype(np.int64)
    lengths = np.diff(ring_offsets).astype(np.int64)
    ring = np.repeat(np.arange(len(lengths)), lengths)
    first = np.zeros(len(points), bool)
    first[ring_offsets[:-1][lengths > 0]] = True
    # Drop points that repeat the one before, and those at the end of a ring that repeat its first.
    kept = first | (np.diff(points, axis=0, prepend=points[:1] - 1) != 0).any(axis=1)
    points, ring = points[kept], ring[kept]
    starts, ends = np.searchsorted(ring, ring, side="left"), np.searchsorted(ring, ring, side="right")
    place = np.arange(len(points))
    closing = (place + 1 == ends) & (place != starts) & (points == points[starts]).all(axis=1)
    points, ring = points[~closing], ring[~closing]
    count = np.bincount(ring, minlength=len(lengths))
    outer = np.zeros(len(lengths), bool)
    outer[polygon_offsets[:-1]] = True
    inside = np.repeat(np.arange(len(polygons)), np.diff(polygon_offsets))
    points, areas = _wound(points, ring, count, outer)
    whole = (count >= 3) & (areas != 0)
    whole &= whole[polygon_offsets[:-1]][inside]  # no hole without its outer ring
    return points[whole[ring]], np.repeat(rows, np.diff(polygon_offsets))[whole], count[whole]


def _wound(points: Ints, ring: Ints, count: Ints, outer: NDArray[np.bool_]) -> tuple[Ints, Ints]:
    """The points, with rings reversed that run the wrong way (outer ones have a positive area, y downwards), and twice
    the area (r,) of each ring."""
    starts = np.cumsum(count) - count
    place = np.arange(len(points)) - starts[ring]
    following = np.where(place + 1 == count[ring], starts[ring], np.arange(len(points)) + 1)
    cross = points[:, 0] * points[following, 1] - points[following, 0] * points[:, 1]
    areas = np.zeros(len(count), np.int64)
    np.add.at(areas, ring, cross)
    turned = ((areas > 0) != outer)[ring]
    order = np.where(turned, starts[ring] + count[ring] - 1 - place, np.arange(len(points)))
    return points[order], areas


def _commands(points: Ints, ring_rows: Ints, count: Ints) -> tuple[bytes, Ints, Ints]:
    """The commands of all features as bytes; the offsets (f + 1,) at which each feature begins; and the features
    (f,)."""
    starts = np.cumsum(count) - count
    ring = np.repeat(np.arange(len(count)), count)
    place = np.arange(len(points)) - starts[ring]
    new = np.ones(len(count), bool)
    new[1:] = ring_rows[1:] != ring_rows[:-1]
    deltas = np.diff(points, axis=0, prepend=np.zeros((1, 2), np.int64))
    deltas[starts[new]] = points[starts[new]]  # a feature's first point counts from the tile's corner
    zigzag = (deltas << 1) ^ (deltas >> 63)
    sizes = 2 * count + 3
    offsets = np.cumsum(sizes) - sizes
    numbers = np.empty(int(sizes.sum()), np.int64)
    numbers[offsets] = MOVE
    numbers[offsets + 3] = ((count - 1) << 3) | LINE
    numbers[offsets + sizes - 1] = CLOSE
    at = offsets[ring] + np.where(place == 0, 1, 2 * place + 2)
    numbers[at], numbers[at + 1] = zigzag[:, 0], zigzag[:, 1]
    stream, ends = _varints(numbers)
    begins = np.concatenate(([0], ends))[offsets[new]]
    return stream, np.append(begins, len(stream)), ring_rows[new]


def _varints(numbers: Ints) -> tuple[bytes, Ints]:
    """Numbers below 2**35 as variable-length integers, and the end (n,) of each in the bytes."""
    sizes = 1 + np.searchsorted(np.array([1 << bits for bits in (7, 14, 21, 28)]), numbers, side="right")
    ends = np.cumsum(sizes)
    out = np.zeros(int(ends[-1]), np.uint8)
    for step in range(5):
        more = sizes > step
        bits = (numbers[more] >> (7 * step)) & 0x7F
        out[(ends - sizes)[more] + step] = bits | np.where(sizes[more] > step + 1, 0x80, 0)
    return out.tobytes(), ends


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _key(field: int, payload: bytes) -> bytes:
    """A Protocol Buffers field that holds bytes."""
    return bytes([field << 3 | 2]) + _varint(len(payload)) + payload
