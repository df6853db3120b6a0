"""TIFF directories (IFDs), checked before any library reads them: their number, and the size of their tags."""

from __future__ import annotations

import struct
from typing import BinaryIO

TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""First bytes of a TIFF."""
MOST_DIRECTORIES = 256
"""Maximum number of directories; a COG has one per overview and mask, about twenty."""
MOST_TAGS = 1024
"""Maximum number of tags of one directory."""
MOST_TAG_BYTES = 64 << 20
"""Maximum bytes of one tag: offsets of eight million blocks."""
MOST_HEADER_BYTES = 256 << 20
"""Maximum bytes of all tags together."""
_TILE_WIDTH = 322
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Type of a tag → bytes per value."""


class Oversized(Exception):
    """The header is too large for an image: reading it would not end, or fill the memory. The text says why."""


def check_directories(file: BinaryIO) -> None:
    """Check the directories of a TIFF; other files pass. Raises Oversized; afterwards the file is at its beginning."""
    try:
        _walk(file)
    except struct.error:
        pass  # it ends too soon, or is no TIFF: reading it says so
    finally:
        file.seek(0)


def is_tiled(file: BinaryIO) -> bool:
    """Whether the first image of a TIFF lies in tiles, not in strips."""
    start = file.read(16)
    order = "<" if start[:2] == b"II" else ">"
    big = struct.unpack_from(order + "H", start, 2) == (43,)
    (at,) = struct.unpack_from(order + ("Q" if big else "I"), start, 8 if big else 4)
    file.seek(at)
    (count,) = struct.unpack(order + ("Q" if big else "H"), file.read(8 if big else 2))
    entry = 20 if big else 12
    table = file.read(min(count, MOST_TAGS) * entry)
    return any(struct.unpack_from(order + "H", table, place) == (_TILE_WIDTH,) for place in range(0, len(table), entry))


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
    """(bytes of its tags, offset of the next directory; 0 if it is the last)."""
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
