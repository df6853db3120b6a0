"""Layout of a JPEG 2000 file: its boxes, and the main header of its codestream, which describes the tiles."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from arpent.adapters.images.image import NeedsGdal

JP2_SIGNATURE = b"\0\0\0\x0cjP  \r\n\x87\n"
CODESTREAM = b"\xff\x4f\xff\x51"
"""First bytes of a codestream, and of a file that is a bare codestream: the markers SOC and SIZ."""
MOST_BOXES = 256
MOST_BOX_BYTES = 4 << 20
"""Maximum bytes of all boxes that describe the image; a georeference takes a few kilobytes."""
MOST_SEGMENT_BYTES = 4 << 20
"""Maximum bytes of the main header; a table of 65,535 tiles takes 393,210 bytes."""
MOST_TILES = 65_535
"""Maximum number of tiles, since the number of a tile has 16 bits."""
MOST_TILE_BANDS = 1 << 18
"""Maximum number of tiles times bands: decoders allocate a kilobyte for each when they read the header."""
MOST_CODE_BLOCKS = 1 << 18
"""Maximum number of code blocks in one component of a tile: decoders allocate a few hundred bytes for each."""
MOST_CODE_BLOCKS_TOGETHER = 1 << 20
"""Maximum number of code blocks in all components of a tile, since decoders allocate those of all components."""
_TOLD = frozenset({b"ftyp", b"rreq", b"jp2h", b"asoc", b"uuid", b"xml "})
"""Types of the boxes that GDAL reads, apart from the codestream."""
_SIZ, _COD, _COC, _TLM, _POC, _PPM, _CAP, _SOT = 0xFF51, 0xFF52, 0xFF53, 0xFF55, 0xFF5F, 0xFF60, 0xFF50, 0xFF90
_LONE = frozenset({_SIZ, _COD})
"""Segments that occur exactly once in a main header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What a file says before its first tile."""

    boxes: bytes
    """The boxes that describe the image, as in the file; empty for a bare codestream."""
    segments: tuple[tuple[int, bytes], ...]
    """Marker and content of each segment of the main header."""
    width: int
    """Pixels of the image along x. The image and its first tile begin at the origin of the reference grid, unless
    `unusual` is set."""
    height: int
    """Pixels along y."""
    tile_width: int
    """Pixels of a tile along x."""
    tile_height: int
    """Pixels of a tile along y."""
    components: int
    """Number of bands."""
    depth: int
    """Bits of a pixel minus one; plus 128 if pixels are signed."""
    first: int
    """Offset in the file at which the first tile part begins."""
    end: int
    """Offset in the file at which the codestream ends at the latest."""
    unusual: str | None = None
    """Why its tiles cannot be read one by one; None: they can."""

    @property
    def sides(self) -> tuple[int, int]:
        """Pixels of a tile along x and y, but no more than the image has."""
        return min(self.tile_width, self.width), min(self.tile_height, self.height)

    @property
    def across(self) -> int:
        """Number of tiles in a row of tiles."""
        return -(-self.width // self.tile_width)

    @property
    def down(self) -> int:
        """Number of rows of tiles."""
        return -(-self.height // self.tile_height)

    @property
    def most_packed(self) -> int:
        """Maximum bytes of a stored tile: no encoder doubles the size of its input."""
        pixels = self.sides[0] * self.sides[1] * self.components
        return 2 * pixels * -(-((self.depth & 0x7F) + 1) // 8) + (1 << 16)

    def header(self) -> bytes:
        """The file's bytes up to its first tile, without tables of tiles, from which GDAL can read the header."""
        codestream = main_header(self.segments) + struct.pack(">H", _SOT)
        if not self.boxes:
            return codestream
        return JP2_SIGNATURE + self.boxes + struct.pack(">I4s", 8 + len(codestream), b"jp2c") + codestream


def main_header(segments: tuple[tuple[int, bytes], ...]) -> bytes:
    """A main header of these segments, without the tables of tiles (TLM), which describe only the original file."""
    parts = (struct.pack(">HH", marker, 2 + len(content)) + content for marker, content in segments if marker != _TLM)
    return CODESTREAM[:2] + b"".join(parts)


def read_layout(file: BinaryIO, size: int) -> Layout:
    """The layout of a file of `size` bytes. Raises NeedsGdal if it is not a JPEG 2000 file, and ValueError, with a
    message, if GDAL should not read it either."""
    boxes, start, end = _boxes(file, size)
    segments, first = _segments(file, start, end)
    found = dict(segments)
    if not found.keys() >= _LONE:
        raise ValueError("its main header lacks the sizes or the coding style")
    return _checked(boxes, segments, found, (first, end))


def listed_parts(layout: Layout) -> tuple[tuple[int, int, int], ...] | None:
    """(tile, position, length) of every tile part, from the file's own table (TLM); None if it has none, or one that is
    not plausible."""
    tables = sorted(
        ((content[0], content) for marker, content in layout.segments if marker == _TLM and len(content) > 2),
        key=lambda one: one[0],
    )
    parts: list[tuple[int, int, int]] = []
    at = layout.first
    for _, content in tables:
        names, long = (content[1] >> 4) & 3, (content[1] >> 6) & 1
        if names == 3:
            return None
        form = struct.Struct(">" + ("", "B", "H")[names] + ("I" if long else "H"))
        if (len(content) - 2) % form.size:
            return None
        for entry in form.iter_unpack(content[2:]):
            tile, length = entry if names else (len(parts), entry[0])
            if length < 14 or at + length > layout.end or tile >= layout.across * layout.down:
                return None
            parts.append((tile, at, length))
            at += length
    return tuple(parts) or None


def _boxes(file: BinaryIO, size: int) -> tuple[bytes, int, int]:
    """The boxes that describe the image, and where its codestream begins and ends."""
    if _at(file, 0, 4) == CODESTREAM:
        return b"", 0, size
    if _at(file, 0, len(JP2_SIGNATURE)) != JP2_SIGNATURE:
        raise NeedsGdal("it is not JPEG 2000")
    kept: list[bytes] = []
    span: tuple[int, int] | None = None
    at, held = len(JP2_SIGNATURE), 0
    for _ in range(MOST_BOXES):
        head = _at(file, at, 16)
        if len(head) < 8:
            break
        length, kind = struct.unpack_from(">I4s", head)
        begin = 8
        if length == 1 and len(head) == 16:
            (length,), begin = struct.unpack_from(">Q", head, 8), 16
        end = min(at + length, size) if length else size
        if length and length < begin:
            raise ValueError(f"one of its boxes has {length} bytes")
        if kind == b"jp2c" and span is None:
            span = (at + begin, end)
        elif kind in _TOLD:
            held += end - at
            if held > MOST_BOX_BYTES:
                raise ValueError(f"its boxes have more than {MOST_BOX_BYTES >> 20} MiB")
            kept.append(struct.pack(">I4s", 8 + end - at - begin, kind) + _at(file, at + begin, end - at - begin))
        at = end
    if span is None:
        raise ValueError("it has no codestream")
    return b"".join(kept), *span


def _segments(file: BinaryIO, start: int, end: int) -> tuple[tuple[tuple[int, bytes], ...], int]:
    """Marker and content of each segment of the main header, and the offset at which the header ends."""
    if _at(file, start, 4) != CODESTREAM:
        raise ValueError("its codestream does not begin as one")
    found: list[tuple[int, bytes]] = []
    at = start + 2
    while True:
        head = _at(file, at, 4)
        if len(head) < 4 or at + 4 > end:
            raise ValueError("its main header ends too soon")
        marker, length = struct.unpack(">HH", head)
        if marker == _SOT:
            return tuple(found), at
        if marker < 0xFF30 or length < 2:
            raise ValueError("its main header is damaged")
        if at - start > MOST_SEGMENT_BYTES:
            raise ValueError(f"its main header has more than {MOST_SEGMENT_BYTES >> 20} MiB")
        content = _at(file, at + 4, length - 2)
        if marker in _LONE and any(marker == known for known, _ in found):
            raise ValueError("its main header says the same thing twice")
        found.append((marker, content))
        at += 2 + length


def _checked(
    boxes: bytes, segments: tuple[tuple[int, bytes], ...], found: Mapping[int, bytes], span: tuple[int, int]
) -> Layout:
    siz = found[_SIZ]
    if len(siz) < 36:
        raise ValueError("its main header is damaged")
    _, right, bottom, left, top, width, height, tile_left, tile_top, components = struct.unpack_from(">H8IH", siz)
    depths = {siz[at : at + 3] for at in range(36, 36 + 3 * components, 3)}
    if not components or len(siz) < 36 + 3 * components or not width or not height or not right or not bottom:
        raise ValueError("its main header is damaged")
    tiles = max(0, -(-(right - tile_left) // width)) * max(0, -(-(bottom - tile_top) // height))
    if tiles > MOST_TILES:
        raise ValueError(f"it has {tiles:,} tiles, more than {MOST_TILES:,}")
    if tiles * components > MOST_TILE_BANDS:
        raise ValueError(f"it has {tiles:,} tiles of {components:,} bands, together more than {MOST_TILE_BANDS:,}")
    coding = (one for one in segments if one[0] in (_COD, _COC))
    check_coding(coding, (min(width, right), min(height, bottom)), components)
    unusual = None
    if _PPM in found or _POC in found or _CAP in found:
        unusual = "its tiles cannot be separated, or are not of JPEG 2000 part 1"
    elif (left, top, tile_left, tile_top) != (0, 0, 0, 0):
        unusual = "it does not begin at the origin of its grid"
    elif len(depths) != 1 or next(iter(depths))[1:] != b"\1\1":
        unusual = "its bands are not alike"
    return Layout(
        boxes=boxes, segments=segments, width=right, height=bottom, tile_width=width, tile_height=height,
        components=components, depth=siz[36], first=span[0], end=span[1], unusual=unusual,
    )  # fmt: skip


def check_coding(
    segments: Iterable[tuple[int, bytes]], sides: tuple[int, int], components: int, together: int = 0
) -> int:
    """Check the number of code blocks in a tile of `sides` (width, height): millions of them would fill a decoder's
    memory. Returns the number for all bands plus `together`. Raises ValueError. `segments`: marker and content of those
    that say how all bands (COD) or one (COC) are coded."""
    for marker, told in segments:
        content, bands = told, components
        if marker == _COC:  # the band's number, then as in COD but without fields for all bands
            content, bands = content[1 if components < 257 else 2 :], 1
            content = content[:1] + bytes(4) + content[1:]
        if len(content) < 10:
            raise ValueError("it does not say how it is coded")
        across, down = (content[6] & 15) + 2, (content[7] & 15) + 2
        if content[0] & 1:  # each resolution has its own precincts, which limit the size of code blocks
            across = min([across, *((size & 15) for size in content[10:])])
            down = min([down, *((size >> 4) for size in content[10:])])
        blocks = (sides[0] >> across) * (sides[1] >> down)
        if blocks > MOST_CODE_BLOCKS:
            raise ValueError(f"its tiles are cut into more than {MOST_CODE_BLOCKS:,} code blocks")
        together += blocks * bands
        if together > MOST_CODE_BLOCKS_TOGETHER:
            raise ValueError(f"its tiles are cut into more than {MOST_CODE_BLOCKS_TOGETHER:,} code blocks of all bands")
    return together


def _at(file: BinaryIO, position: int, length: int) -> bytes:
    file.seek(position)
    return file.read(length)
