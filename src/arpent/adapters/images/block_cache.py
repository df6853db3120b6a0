"""BlockCache: AssetReader that keeps decoded blocks of another one, the most recently used, up to a number of bytes."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from arpent.domain.imagery.raster import Raster
from arpent.domain.ports.imagery import AssetReader, Block, Count

SECONDS = 300.0
"""A block is decoded anew after that time: a file may have been replaced, which only reading it notices."""

_Key = tuple[str, int, int, int, int]
"""Image, band, level, row and column of a block."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A block that is kept."""

    pixels: NDArray[np.generic]
    """As the reader gave it."""
    rows: int | None
    """How many rows were asked for; None: all."""
    raster: Raster
    """The header that it was read by: another one means another file."""
    end: float
    """On the monotonic clock."""


class BlockCache:
    """Thread-safe. Blocks are shared: whoever takes one must not write to it."""

    def __init__(self, reader: AssetReader, size: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`size`: bytes of decoded blocks, at most."""
        self._reader = reader
        self._size = size
        self._clock = clock
        self._lock = Lock()
        self._kept: OrderedDict[_Key, _Entry] = OrderedDict()
        self._bytes = 0

    def counting(self) -> AbstractContextManager[Count]:
        return self._reader.counting()

    def prepare(self, hrefs: Sequence[str]) -> None:
        self._reader.prepare(hrefs)

    def describe(self, href: str) -> Raster:
        return self._reader.describe(href)

    def read(
        self, requests: Sequence[tuple[str, Sequence[Block]]], band: int = 0
    ) -> Iterator[tuple[str, Block, NDArray[np.generic]]]:
        found: list[tuple[str, Block, NDArray[np.generic] | None]] = []
        missing: list[tuple[str, Sequence[Block]]] = []
        rasters: dict[str, Raster] = {}
        for href, blocks in requests:
            if not blocks:
                continue
            raster = rasters[href] = self._reader.describe(href)
            pieces = [self._get(raster, href, band, block) for block in blocks]
            found += [(href, block, pixels) for block, pixels in zip(blocks, pieces, strict=True)]
            missing.append((href, [block for block, pixels in zip(blocks, pieces, strict=True) if pixels is None]))
        return self._merged(found, self._reader.read(missing, band), rasters, band)

    def clear(self) -> None:
        """Forget all blocks."""
        with self._lock:
            self._kept.clear()
            self._bytes = 0

    def _merged(
        self,
        found: Sequence[tuple[str, Block, NDArray[np.generic] | None]],
        decoded: Iterator[tuple[str, Block, NDArray[np.generic]]],
        rasters: dict[str, Raster],
        band: int,
    ) -> Iterator[tuple[str, Block, NDArray[np.generic]]]:
        """What was found and what is decoded, in the order asked."""
        for href, block, pixels in found:
            if pixels is not None:
                yield href, block, pixels
                continue
            _, _, fresh = next(decoded)
            self._put(rasters[href], href, band, block, fresh)
            yield href, block, fresh

    def _get(self, raster: Raster, href: str, band: int, block: Block) -> NDArray[np.generic] | None:
        key = (href, band, block.level, block.row, block.column)
        with self._lock:
            entry = self._kept.get(key)
            if entry is None or entry.raster is not raster or entry.end < self._clock():
                return None
            if entry.rows is not None and (block.rows is None or block.rows > entry.rows):
                return None
            self._kept.move_to_end(key)
            return entry.pixels

    def _put(self, raster: Raster, href: str, band: int, block: Block, pixels: NDArray[np.generic]) -> None:
        if pixels.nbytes > self._size:
            return
        key = (href, band, block.level, block.row, block.column)
        entry = _Entry(pixels, block.rows, raster, self._clock() + SECONDS)
        with self._lock:
            if (old := self._kept.pop(key, None)) is not None:
                self._bytes -= old.pixels.nbytes
            self._kept[key] = entry
            self._bytes += pixels.nbytes
            while self._bytes > self._size:
                _, oldest = self._kept.popitem(last=False)
                self._bytes -= oldest.pixels.nbytes
