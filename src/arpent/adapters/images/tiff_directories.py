"""Directories of a TIFF (IFDs), walked before any library reads them: how many there are, and how much they hold."""

from __future__ import annotations

import struct
from typing import BinaryIO

MOST_DIRECTORIES = 256
"""A COG has one per overview and mask, some twenty."""
MOST_TAGS = 1024
"""Of one directory."""
MOST_TAG_BYTES = 64 << 20
"""Of one tag: offsets of eight million blocks."""
MOST_HEADER_BYTES = 256 << 20
"""Of all tags."""
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Type of a tag → bytes of one value."""


class Oversized(Exception):
    """The header is no header of an image: reading it would not end, or fill the memory. The text says why."""


def check_directories(file: BinaryIO) -> None:
    """Leaves what is no TIFF to others. Raises Oversized; the file stands at its beginning afterwards."""
    try:
        _walk(file)
    except struct.error:
        pass  # it ends too soon, or is no TIFF: whoever reads it will say so
    finally:
        file.seek(0)


def _walk(file: BinaryIO) -> None:
    start = file.read(16)
    order = {b"II": "<", b"MM": ">"}.get(start[:2])
    if order is None:
        return
    (version,) = struct.unpack_from(order + "H", start, 2)
    if version not in (42, 43):
        return
    big = version == 43
    (at,) = struct.unpack_from(order + ("Q" if big else "I"), start, 8 if big else 4)
    seen: set[int] = set()
    held = 0
    while at:
        if at in seen:
            raise Oversized("its directories form a circle")
        if len(seen) >= MOST_DIRECTORIES:
            raise Oversized(f"it has more than {MOST_DIRECTORIES} directories")
        seen.add(at)
        size, at = _directory(file, at, order, big=big)
        held += size
        if held > MOST_HEADER_BYTES:
            raise Oversized(f"its header has more than {MOST_HEADER_BYTES >> 20} MiB")


def _directory(file: BinaryIO, at: int, order: str, *, big: bool) -> tuple[int, int]:
    """Bytes that its tags hold, and where the next directory lies (0: nowhere)."""
    file.seek(at)
    (count,) = struct.unpack(order + ("Q" if big else "H"), file.read(8 if big else 2))
    if count > MOST_TAGS:
        raise Oversized(f"a directory has {count} tags, more than {MOST_TAGS}")
    entry, form = (20, "HHQ") if big else (12, "HHI")
    table = file.read(count * entry)
    held = 0
    for number in range(count):
        tag, kind, values = struct.unpack_from(order + form, table, number * entry)
        size = values * _SIZES.get(kind, 1)
        if size > MOST_TAG_BYTES:
            raise Oversized(f"tag {tag} holds {size:,} bytes, more than {MOST_TAG_BYTES >> 20} MiB")
        held += size
    (following,) = struct.unpack(order + ("Q" if big else "I"), file.read(8 if big else 4))
    return held, int(following)
