"""JPEG 2000 files: written by GDAL, taken apart, and put together otherwise."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.cogs import write

LOSSLESS = {"driver": "JP2OpenJPEG", "QUALITY": "100", "REVERSIBLE": "YES"}
TLM, COD, SIZ, SOT = 0xFF55, 0xFF52, 0xFF51, 0xFF90


def write_jp2(path: Path, pixels: np.ndarray, tile: int = 64, **options: Any) -> str:
    """A file of square tiles; returns its path as text."""
    return write(path, pixels, **{**LOSSLESS, "blockxsize": tile, "blockysize": tile, **options})


@dataclass(frozen=True)
class Taken:
    """A file taken apart."""

    boxes: bytes
    """All before the box of the codestream."""
    segments: tuple[tuple[int, bytes], ...]
    """Marker and content, of the main header."""
    parts: tuple[bytes, ...]
    """Of tiles."""

    def whole(self, end: bytes = b"\xff\xd9", tail: bytes = b"") -> bytes:
        """The file; `tail`: further boxes."""
        stream = b"\xff\x4f" + b"".join(struct.pack(">HH", m, 2 + len(c)) + c for m, c in self.segments)
        stream += b"".join(self.parts) + end
        return self.boxes + struct.pack(">I4s", 8 + len(stream) if tail else 0, b"jp2c") + stream + tail

    def listed(self, lengths: Sequence[int] | None = None) -> Taken:
        """The same with a table of its tile parts; `lengths`: what it says of them."""
        names = [struct.unpack_from(">H", part, 4)[0] for part in self.parts]
        lengths = lengths or [len(part) for part in self.parts]
        entries = b"".join(struct.pack(">HI", *pair) for pair in zip(names, lengths, strict=True))
        return replace(self, segments=(*self.segments, (TLM, bytes([0, 0x60]) + entries)))

    def part(self, number: int, content: bytes) -> Taken:
        """The same with another part in a place."""
        return replace(self, parts=(*self.parts[:number], content, *self.parts[number + 1 :]))

    def segment(self, marker: int, at: int, content: bytes) -> Taken:
        """The same with other bytes in one of its segments."""
        changed = [(m, c[:at] + content + c[at + len(content) :] if m == marker else c) for m, c in self.segments]
        return replace(self, segments=tuple(changed))


def take_apart(content: bytes) -> Taken:
    """The parts of a file of one codestream, which is its last box."""
    start = content.index(b"\xff\x4f\xff\x51")
    at, segments, parts = start + 2, [], []
    while True:
        marker, length = struct.unpack_from(">HH", content, at)
        if marker == SOT:
            break
        segments.append((marker, content[at + 4 : at + 2 + length]))
        at += 2 + length
    while content[at : at + 2] == b"\xff\x90":
        (length,) = struct.unpack_from(">I", content, at + 6)
        parts.append(content[at : at + length])
        at += length
    return Taken(content[: start - 8], tuple(segments), tuple(parts))


def says(part: bytes, length: int) -> bytes:
    """A part that says another length of itself."""
    return part[:6] + struct.pack(">I", length) + part[10:]
