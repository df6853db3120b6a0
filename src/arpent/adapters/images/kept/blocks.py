"""Blocks: an AssetReader that keeps decoded blocks in memory, up to a number of bytes."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from arpent.adapters.images.byte_counter import Bytes
from arpent.adapters.images.reader import CogReader, Piece
from arpent.domain.imagery.item import Calibration, CalibrationFile
from arpent.domain.imagery.raster import Georeference, Raster
from arpent.domain.ports.imagery import Block

IN_USE_SECONDS = 10.0
"""A block that was used within this time is not given up for a new one: a request that needs more than fits would
otherwise find nothing when it comes again."""
ROWS = 256
"""Blocks are decoded down to a multiple of so many rows."""
_Key = tuple[str, int, int, int, int]
"""Image, band, level, row and column of a block."""
_Found = tuple[str, Block, NDArray[np.generic] | None]
"""As Piece; None: it is to be decoded."""


@dataclass(slots=True)
class _Entry:
    """A block that is kept."""

    pixels: NDArray[np.generic]
    """As the reader gave it."""
    rows: int | None
    """How many rows were asked for; None: all."""
    raster: Raster
    """The header that it was read by. A changed file has another one."""
    used: float
    """When it was used last, on the clock."""


class KeptBlocks:
    """Thread-safe. A block is given only while its file is the one that it was decoded from (ETag, or time and size),
    which is asked for each call. Blocks are shared: nobody may write to them."""

    def __init__(self, reader: CogReader, most_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`most_bytes`: of decoded blocks."""
        self._reader = reader
        self._most_bytes = most_bytes
        self._clock = clock
        self._lock = Lock()
        self._entries: OrderedDict[_Key, _Entry] = OrderedDict()
        self._bytes = 0

    def counting(self) -> AbstractContextManager[Bytes]:
        return self._reader.counting()

    def prepare(self, hrefs: Sequence[str], files: Sequence[CalibrationFile] = ()) -> None:
        self._reader.prepare(hrefs, files)

    def describe(self, href: str, place: Georeference | None = None) -> Raster:
        return self._reader.describe(href, place)

    def calibration(self, file: CalibrationFile) -> Calibration:
        return self._reader.calibration(file)

    def read(self, requests: Sequence[tuple[str, Sequence[Block]]], band: int = 0) -> Iterator[Piece]:
        self._reader.forget_changed([href for href, blocks in requests if any(self._has(href, band, blocks))])
        headers: dict[str, tuple[Raster, bool]] = {}
        found: list[_Found] = []
        missing: list[tuple[str, Sequence[Block]]] = []
        self._reader.prepare([href for href, blocks in requests if blocks])
        for href, blocks in requests:
            if not blocks:
                continue
            raster, _ = headers[href] = self._reader.header(href)
            pieces = [self._get(raster, href, band, block) for block in blocks]
            found += [(href, block, pixels) for block, pixels in zip(blocks, pieces, strict=True)]
            missing.append((href, [_more(block) for block, one in zip(blocks, pieces, strict=True) if one is None]))
        return self._merged(found, self._reader.read(missing, band), headers, band)

    def close(self) -> None:
        """Forget all blocks, and close the reader."""
        with self._lock:
            self._entries.clear()
            self._bytes = 0
        self._reader.close()

    def _merged(
        self, found: Sequence[_Found], decoded: Iterator[Piece], headers: Mapping[str, tuple[Raster, bool]], band: int
    ) -> Iterator[Piece]:
        """What was found and what is decoded, in the order asked."""
        for href, block, pixels in found:
            if pixels is not None:
                yield href, block, pixels
                continue
            _, _, fresh = next(decoded)
            raster, is_watched = headers[href]
            if is_watched:
                self._put(raster, href, band, _more(block), fresh)
            yield href, block, fresh

    def _has(self, href: str, band: int, blocks: Sequence[Block]) -> Iterator[bool]:
        return ((href, band, block.level, block.row, block.column) in self._entries for block in blocks)

    def _get(self, raster: Raster, href: str, band: int, block: Block) -> NDArray[np.generic] | None:
        key = (href, band, block.level, block.row, block.column)
        with self._lock:
            entry = self._entries.get(key)
            if entry is None or entry.raster is not raster:
                return None
            if entry.rows is not None and (block.rows is None or block.rows > entry.rows):
                return None
            entry.used = self._clock()
            self._entries.move_to_end(key)
            return entry.pixels

    def _put(self, raster: Raster, href: str, band: int, block: Block, pixels: NDArray[np.generic]) -> None:
        if pixels.base is not None:  # of an array that may be much larger
            pixels = pixels.copy()
        key, now = (href, band, block.level, block.row, block.column), self._clock()
        with self._lock:
            if (old := self._entries.pop(key, None)) is not None:
                self._bytes -= _size(old.pixels)
            while self._bytes + _size(pixels) > self._most_bytes:
                if not self._entries or now - next(iter(self._entries.values())).used < IN_USE_SECONDS:
                    return
                _, oldest = self._entries.popitem(last=False)
                self._bytes -= _size(oldest.pixels)
            self._entries[key] = _Entry(pixels, block.rows, raster, now)
            self._bytes += _size(pixels)


def _more(block: Block) -> Block:
    """The block with some more rows than are needed now, for a neighbour."""
    return block if block.rows is None else replace(block, rows=-(-block.rows // ROWS) * ROWS)


def _size(pixels: NDArray[np.generic]) -> int:
    return pixels.nbytes + (pixels.mask.nbytes if isinstance(pixels, np.ma.MaskedArray) else 0)
