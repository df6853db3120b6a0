"""TIFF directories (IFDs): checks their number and the size of their tags before any library reads them, and reads a
few tags of the first one."""

from __future__ import annotations

import struct
from typing import BinaryIO, Literal

TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""First bytes of a TIFF or BigTIFF, in either byte order."""
MOST_DIRECTORIES = 256
"""Maximum number of directories; a COG has one for each overview and mask, in all about twenty."""
MOST_TAGS = 1024
"""Maximum number of tags of one directory."""
MOST_TAG_BYTES = 64 << 20
"""Maximum bytes of one tag: enough for the offsets of eight million blocks."""
MOST_HEADER_BYTES = 256 << 20
"""Maximum bytes of all tags together."""
_ROWS_PER_STRIP, _TILE_WIDTH = 278, 322
_NO_DATA = 42113
_ALL_ROWS = (1 << 32) - 1
"""Value of RowsPerStrip that means that there is one strip; also the tag's default."""
_MOST_TEXT = 1024
"""Maximum bytes of GDAL_NODATA that are read."""
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Type of a tag → bytes per value."""


class Oversized(Exception):
    """The header is too large: reading it, or the image, would take forever or fill memory. The text says why."""


def check_directories(file: BinaryIO) -> None:
    """Check the directories of a TIFF; other files pass. Leaves the file at its beginning. Raises Oversized."""
    try:
        _walk(file)
    except struct.error:
        pass  # it is truncated or not a TIFF, which reading it will report
    finally:
        file.seek(0)


def is_tiled(file: BinaryIO) -> bool:
    """Whether the first image of a TIFF is stored in tiles, not in strips."""
    return _TILE_WIDTH in _first_tags(file)


def strip_rows(file: BinaryIO) -> int:
    """Number of rows in a strip of the first image of a TIFF that is stored in strips; without the tag there is one
    strip."""
    at, size = _first_tags(file).get(_ROWS_PER_STRIP, (0, 0))
    if not size:
        return _ALL_ROWS
    file.seek(0)
    order: Literal["little", "big"] = "little" if file.read(2) == b"II" else "big"
    file.seek(at)
    return int.from_bytes(file.read(size), order)


def no_data_text(file: BinaryIO) -> str | None:
    """The text of the first image's tag GDAL_NODATA, unchanged; None if there is no such tag."""
    place = _first_tags(file).get(_NO_DATA)
    if place is None:
        return None
    at, size = place
    file.seek(at)
    return file.read(min(size, _MOST_TEXT)).partition(b"\0")[0].decode("latin-1")


def _first_tags(file: BinaryIO) -> dict[int, tuple[int, int]]:
    """Tag of the first directory → (offset, bytes) of its values in the file. `file` must be at its beginning."""
    start = file.read(16)
    order = "<" if start[:2] == b"II" else ">"
    big = struct.unpack_from(order + "H", start, 2) == (43,)
    (at,) = struct.unpack_from(order + ("Q" if big else "I"), start, 8 if big else 4)
    file.seek(at)
    (count,) = struct.unpack(order + ("Q" if big else "H"), file.read(8 if big else 2))
    entry, form = (20, "HHQQ") if big else (12, "HHII")
    first = at + (8 if big else 2)
    table = file.read(min(count, MOST_TAGS) * entry)
    tags = {}
    for start_of in range(0, len(table) - entry + 1, entry):
        tag, kind, values, offset = struct.unpack_from(order + form, table, start_of)
        size = values * _SIZES.get(kind, 1)
        room = entry - struct.calcsize(order + form[:-1])
        tags[tag] = (first + start_of + entry - room if size <= room else offset, size)
    return tags


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
            raise Oversized("its directories form a loop")
        if len(seen) >= MOST_DIRECTORIES:
            raise Oversized(f"it has more than {MOST_DIRECTORIES} directories")
        seen.add(at)
        size, at = _directory(file, at, order, big=big)
        held += size
        if held > MOST_HEADER_BYTES:
            raise Oversized(f"its header has more than {MOST_HEADER_BYTES >> 20} MiB")


def _directory(file: BinaryIO, at: int, order: str, *, big: bool) -> tuple[int, int]:
    """(total bytes of the tags in the directory at `at`, offset of the next directory or 0). Raises Oversized."""
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
