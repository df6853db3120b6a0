"""One tile: makes a JPEG 2000 file that holds one tile of another file, for a decoder that reads whole files only.

The new file declares a few neighbouring tiles as well, without their pixels, because GDAL offers lower resolutions only
of images with a side of more than 128 pixels.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from arpent.adapters.images.jp2.layout import JP2_SIGNATURE, Layout, check_coding, main_header
from arpent.adapters.images.jp2.tile_parts import HEAD, MOST_TILE_PARTS, parsed_part

_SIZ, _COD, _COC, _SOD, _EOC = 0xFF51, 0xFF52, 0xFF53, 0xFF93, b"\xff\xd9"
_LEAST_PIXELS = 128
"""GDAL offers no lower resolutions of an image that is not larger than this many pixels along its longer side."""
_PLACE = bytes.fromhex("96a9f1f1dc98402da7aed68e34451809")
"""UUID of the box whose six numbers georeference an image."""
_GREY, _COLOURS = 17, 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The part of the grid of tiles that the new file declares."""

    left: int
    """First column of tiles."""
    top: int
    """First row of tiles."""
    across: int
    """Number of columns of tiles."""
    down: int
    """Number of rows of tiles."""


def window_of(layout: Layout, lower: int, row: int, column: int) -> Window:
    """The window around a tile for which GDAL offers `lower` resolutions below the full one, as for the whole image."""
    wide = layout.width >= layout.height
    side, tiles = (layout.tile_width, layout.across) if wide else (layout.tile_height, layout.down)
    need = min(tiles, (_LEAST_PIXELS << lower >> 1) // side + 2 if lower else 1)
    start = min(column if wide else row, tiles - need)
    if wide:
        return Window(left=start, top=row, across=need, down=1)
    return Window(left=column, top=start, across=1, down=need)


def one_tile(layout: Layout, window: Window, place: tuple[int, int], parts: Sequence[bytes | memoryview]) -> bytes:
    """The bytes of the new file. `place`: row and column of the tile; `parts`: the bytes of its parts. Raises
    ValueError if the header of a part is damaged, or would make a decoder take too much memory."""
    number = (place[0] - window.top) * window.across + place[1] - window.left
    segments = tuple(
        (marker, _sizes(layout, window, content) if marker == _SIZ else content) for marker, content in layout.segments
    )
    codestream: list[bytes | memoryview] = [main_header(segments)]
    check_coding((one for part in parts for one in _coding(part)), layout.sides, layout.components)
    for part in parts:
        codestream += [part[:4], struct.pack(">HI", number, len(part)), part[10:]]
    codestream.append(_EOC)
    length = 8 + sum(len(piece) for piece in codestream)
    return b"".join([*_boxes(layout, window), struct.pack(">I4s", length, b"jp2c"), *codestream])


def check_parts(layout: Layout, file: BinaryIO) -> None:
    """Check the headers of all tile parts in a file. Raises ValueError if they would make a decoder take too much
    memory, or there are too many parts."""
    blocks: dict[int, int] = {}  # of each tile, in the parts so far
    at = layout.first
    for _ in range(MOST_TILE_PARTS):
        file.seek(at)
        part = parsed_part(file.read(HEAD), at, layout.end)
        if part is None or part.end > layout.end:
            return
        coding = _coding_in(file, at + HEAD, part.end)
        blocks[part.tile] = check_coding(coding, layout.sides, layout.components, blocks.get(part.tile, 0))
        at = part.end
    raise ValueError(f"it has more than {MOST_TILE_PARTS:,} tile parts")


def _coding_in(file: BinaryIO, at: int, end: int) -> Iterator[tuple[int, bytes]]:
    """As `_coding`, for a part in a file between two offsets; stops silently where its header is damaged."""
    while at + 4 <= end:
        file.seek(at)
        marker, length = struct.unpack(">HH", file.read(4).ljust(4, b"\0"))
        if marker == _SOD or marker < 0xFF30 or length < 2:
            return
        if marker in (_COD, _COC):
            yield marker, file.read(length - 2)
        at += 2 + length


def _sizes(layout: Layout, window: Window, content: bytes) -> bytes:
    """Content of the segment SIZ for the window. Its tiles keep their places on the reference grid, since the coding
    depends on them."""
    left, top, right, bottom = _bounds(layout, window)
    sizes = (right, bottom, left, top, layout.tile_width, layout.tile_height, left, top)
    return content[:2] + struct.pack(">8I", *sizes) + content[34:]


def _bounds(layout: Layout, window: Window) -> tuple[int, int, int, int]:
    left, top = window.left * layout.tile_width, window.top * layout.tile_height
    right = min(layout.width, left + window.across * layout.tile_width)
    bottom = min(layout.height, top + window.down * layout.tile_height)
    return left, top, right, bottom


def _boxes(layout: Layout, window: Window) -> list[bytes]:
    """The boxes that a JP2 must have, and a georeference, without which rasterio warns."""
    left, top, right, bottom = _bounds(layout, window)
    depth = layout.depth
    head = struct.pack(">IIHBBBB", bottom - top, right - left, layout.components, depth, 7, 0, 0)
    colours = struct.pack(">BBBI", 1, 0, 0, _COLOURS if layout.components > 2 else _GREY)
    place = _PLACE + b"MSIG/".ljust(22, b"\0") + struct.pack("<6d", 1.0, -1.0, 0.0, 0.0, 1.0, 1.0)
    return [
        JP2_SIGNATURE, _box(b"ftyp", b"jp2 \0\0\0\0jp2 "), _box(b"jp2h", _box(b"ihdr", head) + _box(b"colr", colours)),
        _box(b"uuid", place),
    ]  # fmt: skip


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def _coding(part: bytes | memoryview) -> Iterator[tuple[int, bytes]]:
    """The segments in the header of a tile part that override how its tile is coded, as `check_coding` takes them: the
    limits for the file apply to them, too. Raises ValueError if the header is damaged."""
    at = HEAD
    while at + 2 <= len(part):
        (marker,) = struct.unpack_from(">H", part, at)
        if marker == _SOD:  # may be followed by less than two bytes, in a part without packets
            return
        if marker < 0xFF30 or at + 4 > len(part):
            break
        (length,) = struct.unpack_from(">H", part, at + 2)
        if length < 2:
            break
        if marker in (_COD, _COC):
            yield marker, bytes(part[at + 4 : at + 2 + length])
        at += 2 + length
    raise ValueError("its header is damaged")
