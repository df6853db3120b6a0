"""Blocks: an AssetReader that caches decoded blocks in memory, up to a number of bytes."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from copy import copy
from dataclasses import dataclass, replace
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from arpent.adapters.images.byte_counter import Bytes
from arpent.adapters.images.origin.href import local_path
from arpent.adapters.images.reader import CogReader, Piece
from arpent.domain.imagery.file_version import Version
from arpent.domain.imagery.item import Calibration, CalibrationFile
from arpent.domain.imagery.raster import Georeference, Raster
from arpent.domain.ports.imagery import Block
from arpent.network.memo import RecentKeys

IN_USE_SECONDS = 10.0
"""A block that was used within this time is not evicted for a new one: otherwise a request that needs more than fits
would find nothing in the cache when it is repeated."""
CONFIRMED_SECONDS = 10.0
"""How long a remote file counts as unchanged after its server has confirmed it."""
_MOST_CONFIRMED = 4096
ROWS = 128
"""The number of rows to decode is rounded up to a multiple of this."""
_Key = tuple[str, int, int, int, int]
"""Image, band, level, row and column of a block."""
_Found = tuple[str, Block, NDArray[np.generic] | None]
"""Href, block and pixels, as in Piece; None: the block is not cached and has to be decoded."""


@dataclass(slots=True)
class _Entry:
    """A block in the cache."""

    pixels: NDArray[np.generic]
    """Pixels as the reader returned them."""
    rows: int | None
    """Number of rows that were requested; None: all."""
    versions: Mapping[str, Version]
    """The files that the block comes from, and their versions."""
    used: float
    """When it was last used, in seconds of the cache's clock."""


class KeptBlocks:
    """An AssetReader with a cache of decoded blocks. Thread-safe. A cached block is used only if its file has not
    changed (ETag, or time and size): servers are asked every CONFIRMED_SECONDS, disks at each call. `prepare` and
    `describe` open a changed image again; `read` raises AssetUnreadable if its thread was given the header of another
    version. Callers share the arrays and must not write to them."""

    def __init__(self, reader: CogReader, most_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`most_bytes`: maximum bytes of decoded blocks in the cache."""
        self._reader = reader
        self._memory = _Memory(most_bytes, clock)
        self._confirmed: RecentKeys[str] = RecentKeys(_MOST_CONFIRMED, CONFIRMED_SECONDS, clock)
        self._looked_at: set[str] | None = None

    def for_one_request(self) -> KeptBlocks:
        """A view of this cache for one request: it checks each local file for changes only once, at its first use."""
        one = copy(self)
        one._looked_at = set()
        return one

    def counting(self) -> AbstractContextManager[Bytes]:
        return self._reader.counting()

    def prepare(self, hrefs: Sequence[str], files: Sequence[CalibrationFile] = ()) -> None:
        self._forget_changed(hrefs)
        self._reader.prepare(hrefs, files)

    def describe(self, href: str, place: Georeference | None = None) -> Raster:
        self._forget_changed([href])
        return self._reader.describe(href, place)

    def calibration(self, file: CalibrationFile) -> Calibration:
        return self._reader.calibration(file)

    def read(self, requests: Sequence[tuple[str, Sequence[Block]]], band: int = 0) -> Iterator[Piece]:
        self._forget_changed(href for href, blocks in requests if self._memory.has(href, band, blocks))
        versions: dict[str, Mapping[str, Version]] = {}
        found: list[_Found] = []
        missing: list[tuple[str, Sequence[Block]]] = []
        self._reader.prepare([href for href, blocks in requests if blocks])
        for href, blocks in requests:
            if not blocks:
                continue
            versions[href] = self._reader.versions(href)
            pieces = self._memory.get(versions[href], href, band, blocks)
            found += [(href, block, pixels) for block, pixels in zip(blocks, pieces, strict=True)]
            missing.append((href, [_more(block) for block, one in zip(blocks, pieces, strict=True) if one is None]))
        return self._merged(found, self._reader.read(missing, band), versions, band)

    def close(self) -> None:
        """Empty the cache, and close the reader."""
        self._memory.clear()
        self._reader.close()

    def _merged(
        self,
        found: Sequence[_Found],
        decoded: Iterator[Piece],
        versions: Mapping[str, Mapping[str, Version]],
        band: int,
    ) -> Iterator[Piece]:
        """Cached and newly decoded blocks, in the order requested."""
        for href, block, pixels in found:
            if pixels is not None:
                yield href, block, pixels
                continue
            _, _, fresh = next(decoded)
            if versions[href]:
                self._memory.put(versions[href], href, band, _more(block), fresh)
            yield href, block, fresh

    def _forget_changed(self, hrefs: Iterable[str]) -> None:
        """Have the reader forget changed images, so that they are opened again. All servers are asked concurrently."""
        asked = [href for href in dict.fromkeys(hrefs) if self._is_due(href)]
        if not asked:
            return
        self._reader.forget_changed(asked)
        for href in asked:  # also those not open yet: they will be opened after this check
            if local_path(href) is None:
                self._confirmed.add(href)
            elif self._looked_at is not None:
                self._looked_at.add(href)

    def _is_due(self, href: str) -> bool:
        """Whether the file must be checked for changes now."""
        if self._looked_at is not None and href in self._looked_at:
            return False
        return local_path(href) is not None or href not in self._confirmed


class _Memory:
    """An LRU cache of decoded blocks, up to a number of bytes. Thread-safe."""

    def __init__(self, most_bytes: int, clock: Callable[[], float]) -> None:
        self._most_bytes = most_bytes
        self._clock = clock
        self._lock = Lock()
        self._entries: OrderedDict[_Key, _Entry] = OrderedDict()
        self._bytes = 0

    def clear(self) -> None:
        """Remove all blocks."""
        with self._lock:
            self._entries.clear()
            self._bytes = 0

    def has(self, href: str, band: int, blocks: Sequence[Block]) -> bool:
        """Whether any of the blocks is cached, perhaps of another version or with fewer rows."""
        return any((href, band, block.level, block.row, block.column) in self._entries for block in blocks)

    def get(
        self, versions: Mapping[str, Version], href: str, band: int, blocks: Sequence[Block]
    ) -> list[NDArray[np.generic] | None]:
        """The pixels of each block; None if it is not cached, or only in another version or with fewer rows."""
        with self._lock:
            now = self._clock()
            return [
                self._one(versions, (href, band, block.level, block.row, block.column), block, now) for block in blocks
            ]

    def put(
        self, versions: Mapping[str, Version], href: str, band: int, block: Block, pixels: NDArray[np.generic]
    ) -> None:
        """Add a block, unless it does not fit and all cached blocks were used within IN_USE_SECONDS."""
        if _size(pixels) > self._most_bytes:
            return
        if pixels.base is not None and not _is_whole(pixels):
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
            self._entries[key] = _Entry(pixels, block.rows, versions, now)
            self._bytes += _size(pixels)

    def _one(self, versions: Mapping[str, Version], key: _Key, block: Block, now: float) -> NDArray[np.generic] | None:
        entry = self._entries.get(key)
        if entry is None or entry.versions != versions:
            return None
        if entry.rows is not None and (block.rows is None or block.rows > entry.rows):
            return None
        entry.used = now
        self._entries.move_to_end(key)
        return entry.pixels


def _is_whole(pixels: NDArray[np.generic]) -> bool:
    """Whether the array is a view of all of its base, so that keeping it does not hold more memory than its pixels."""
    base = pixels.base
    return isinstance(base, np.ndarray) and base.base is None and base.nbytes == pixels.nbytes


def _more(block: Block) -> Block:
    """The block with its rows rounded up to a multiple of ROWS, so that requests for areas nearby can use it, too."""
    return block if block.rows is None else replace(block, rows=-(-block.rows // ROWS) * ROWS)


def _size(pixels: NDArray[np.generic]) -> int:
    return pixels.nbytes + (pixels.mask.nbytes if isinstance(pixels, np.ma.MaskedArray) else 0)
