"""One tile: a JPEG 2000 file that holds one tile of another file, for a decoder that can only read whole files.

The file keeps a few tiles of the grid round the tile, though their pixels are not there: GDAL offers the lower
resolutions of an image only as long as it has more than 128 pixels.
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
"""An image that is not larger has no lower resolution in GDAL."""
_PLACE = bytes.fromhex("96a9f1f1dc98402da7aed68e34451809")
"""UUID of the box with six numbers that georeference an image."""
_GREY, _COLOURS = 17, 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The part of the grid of tiles that is kept."""

    left: int
    """First column of tiles."""
    top: int
    """First row of tiles."""
    across: int
    """Number of columns of tiles."""
    down: int
    """Number of rows of tiles."""


def window_of(layout: Layout, lower: int, row: int, column: int) -> Window:
    """The window round a tile that has `lower` resolutions below the full one, as its image has."""
    wide = layout.width >= layout.height
    side, tiles = (layout.tile_width, layout.across) if wide else (layout.tile_height, layout.down)
    need = min(tiles, (_LEAST_PIXELS << lower >> 1) // side + 2 if lower else 1)
    start = min(column if wide else row, tiles - need)
    if wide:
        return Window(left=start, top=row, across=need, down=1)
    return Window(left=column, top=start, across=1, down=need)


def one_tile(layout: Layout, window: Window, place: tuple[int, int], parts: Sequence[bytes | memoryview]) -> bytes:
    """The file; `place`: row and column of the tile. Raises ValueError where a part is none, or asks for too much."""
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
    """Have a look at the header of every part of a tile that the file holds. Raises ValueError where one asks for too
    much."""
    blocks: dict[int, int] = {}  # of each tile, by the parts so far
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
    """As `_coding`, of a part in a file, damaged or not."""
    while at + 4 <= end:
        file.seek(at)
        marker, length = struct.unpack(">HH", file.read(4).ljust(4, b"\0"))
        if marker == _SOD or marker < 0xFF30 or length < 2:
            return
        if marker in (_COD, _COC):
            yield marker, file.read(length - 2)
        at += 2 + length


def _sizes(layout: Layout, window: Window, content: bytes) -> bytes:
    """SIZ of the window: its tiles keep their places on the reference grid, on which all else is laid out."""
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
    """What a part of a tile says of its own coding, which must not be worse than what its file may say: segments as
    `check_coding` takes them. Raises ValueError."""
    at = HEAD
    while at + 2 <= len(part):
        (marker,) = struct.unpack_from(">H", part, at)
        if marker == _SOD:  # behind it may be a single byte, or none: a part without a packet
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
