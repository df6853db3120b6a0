"""WKB: checks the nesting depth and size of a geometry by its bytes, before a library parses it."""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

MOST_GEOMETRY_BYTES = 64 << 20
"""Maximum size of one geometry: about four million vertices."""
MOST_LEVELS = 64
"""Maximum nesting of collections."""
_HEADER = 9
"""Bytes of a collection's header: byte order, type, count. Each level of nesting needs one."""
_SHORT = _HEADER * MOST_LEVELS
"""Geometries of at most this many bytes cannot be nested too deep."""
_POSITIONS, _RINGS = frozenset({2, 8}), frozenset({3, 17})
_POINT = 1
_EWKB_Z, _EWKB_M, _EWKB_SRID = 0x80000000, 0x40000000, 0x20000000
_ORDERS = {0: ">", 1: "<"}

TOO_DEEP = "The geometry is nested too deep, over {limit} collections; write its polygons as one MultiPolygon."
TOO_LARGE = "The geometry has {size:,} bytes, more than the {limit:,} allowed; simplify or divide it."


def flaw_of(wkb: bytes) -> str | None:
    """Why this geometry must not be parsed by a library; None if it may be. Bytes that are not WKB at all are left to
    the libraries."""
    if len(wkb) > MOST_GEOMETRY_BYTES:
        return TOO_LARGE.format(size=len(wkb), limit=MOST_GEOMETRY_BYTES)
    if len(wkb) <= _SHORT or _kind(wkb, 0)[0] in _SIMPLE:
        return None
    return TOO_DEEP.format(limit=MOST_LEVELS) if _too_deep(wkb) else None


def flaws_of(
    ids: NDArray[np.int64], wkbs: NDArray[np.object_], sizes: NDArray[np.int64], plain: NDArray[np.bool_]
) -> dict[int, str]:
    """Primary key → reason, for those of the geometries (n,) that must not be parsed by a library. `sizes` (n,): their
    bytes; `plain` (n,): those that are known to be neither large nor nested."""
    doubtful = np.flatnonzero((sizes > _SHORT) & ~plain).tolist()
    found = ((int(ids[row]), flaw_of(wkbs[row])) for row in doubtful)
    return {key: flaw for key, flaw in found if flaw is not None}


_SIMPLE = _POSITIONS | _RINGS | {_POINT}


def _kind(wkb: bytes, at: int, order: str = "<") -> tuple[int, int, int, str]:
    """(type without dimensions, numbers per position, bytes of the header before a count, byte order). An invalid byte
    order leaves the previous one in force, as in GEOS."""
    order = _ORDERS.get(wkb[at], order)
    (code,) = struct.unpack_from(order + "I", wkb, at + 1)
    plain = code & 0x0FFFFFFF
    dimensions = 2 + bool(code & _EWKB_Z) + bool(code & _EWKB_M) + (0, 1, 1, 2)[min(3, plain // 1000)]
    return plain % 1000, dimensions, 9 if code & _EWKB_SRID else 5, order


def _too_deep(wkb: bytes) -> bool:
    """Whether collections are nested too deep. Walks over all parts without recursion, counting per level how many are
    still to come. Truncated or invalid bytes end the walk, as no library goes deeper there."""
    left = [1]
    at, order = 0, "<"
    try:
        while left:
            if not left[-1]:
                left.pop()
                continue
            left[-1] -= 1
            kind, dimensions, header, order = _kind(wkb, at, order)
            at += header
            if kind == _POINT:
                at += 8 * dimensions
                continue
            (count,) = struct.unpack_from(order + "I", wkb, at)
            at += 4
            if kind in _POSITIONS:
                at += 8 * dimensions * count
            elif kind in _RINGS:
                at = _after_rings(wkb, at, order, dimensions, count)
            else:
                left.append(count)
                if len(left) > MOST_LEVELS:
                    return True
    except (struct.error, IndexError):
        pass
    return False


def _after_rings(wkb: bytes, at: int, order: str, dimensions: int, count: int) -> int:
    """Offset after the rings of a polygon."""
    for _ in range(count):
        (positions,) = struct.unpack_from(order + "I", wkb, at)
        at += 4 + 8 * dimensions * positions
    return at
