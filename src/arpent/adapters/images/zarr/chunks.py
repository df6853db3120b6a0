"""Chunks: reads and decodes the chunks of an array, each of which is an object of its own or a part of a shard."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from arpent.adapters.images.byte_source import ByteSources
from arpent.adapters.images.decode import Buffer
from arpent.adapters.images.zarr.codecs import most_packed
from arpent.adapters.images.zarr.layout import ArrayLayout, Shards
from arpent.adapters.images.zarr.store import StoreLocation
from arpent.domain.imagery.file_version import Version
from arpent.network.memo import Memo

_EMPTY = 2**64 - 1
"""Both the offset and the length, in a shard's index, of a chunk that the shard does not hold."""
_MOST_INDEXES = 64
"""Number of shard indexes that are cached."""
Number = tuple[int, ...]
"""Indices of a chunk or shard in its grid, one per axis."""
Index = tuple[Version, NDArray[np.uint64]]
"""The version of a shard, and the offset and length of each of its chunks, (n, 2)."""


class Chunks:
    """The chunks of one array. Thread-safe."""

    def __init__(self, origins: ByteSources, place: StoreLocation, path: str, layout: ArrayLayout) -> None:
        """`path`: path of the array in the store."""
        self._origins = origins
        self._place = place
        self._path = path
        self._layout = layout
        self._indexes: Memo[Number, Index | None] = Memo(_MOST_INDEXES)

    def pixels(self, packed: Buffer | None) -> NDArray[np.generic]:
        """The pixels of a whole chunk, decoded from `packed`; None: it was never written. Raises ValueError if the
        bytes are damaged, or the fill value is not a number that the pixels can have."""
        layout = self._layout
        if packed is None:
            if not _holds(layout.dtype, layout.fill):
                raise ValueError(f"it was never written, and its pixels cannot be {layout.fill:g}, its fill value")
            return np.full(layout.chunks, layout.fill, layout.dtype)
        return layout.chain.decode(packed, layout.chunks)

    def packed(self, number: Number) -> Buffer | None:
        """The stored bytes of a chunk; None if it was never written. Raises ValueError, AssetUnreadable, Replaced."""
        layout = self._layout
        if layout.shards is None:
            return self._origins.whole(self._address(number), self._most_packed)
        ratio = [whole // part for whole, part in zip(layout.shards.shape, layout.chunks, strict=True)]
        shard = tuple(one // many for one, many in zip(number, ratio, strict=True))
        index = self._indexes.get(shard, partial(self._index, self._address(shard), layout.shards))
        if index is None:
            return None
        version, entries = index
        inside = np.ravel_multi_index([one % many for one, many in zip(number, ratio, strict=True)], ratio)
        offset, length = (int(one) for one in entries[inside])
        if (offset, length) == (_EMPTY, _EMPTY):
            return None
        if offset + length > version[2]:
            raise ValueError("the file ends before it does")
        if not 0 < length <= self._most_packed:
            raise ValueError(f"it has {length:,} packed bytes, more than it could need, or none")
        return self._origins.ranges(self._address(shard), [(offset, length)], version)[0]

    def _address(self, number: Number) -> str:
        return self._place.href(self._path, self._layout.key(number))

    @property
    def _most_packed(self) -> int:
        """Maximum bytes of a stored chunk."""
        return most_packed(self._layout.chunk_bytes)

    def _index(self, href: str, shards: Shards) -> Index | None:
        """The index of a shard; None if the shard was never written. Raises ValueError, AssetUnreadable, Replaced."""
        beginning = self._origins.beginning(href, shards.packed if shards.first else 1)
        if beginning is None:
            return None
        packed, version = beginning
        if version[2] < shards.packed:
            raise ValueError("its shard is shorter than the index of it")
        if not shards.first:
            place = (version[2] - shards.packed, shards.packed)
            (packed,) = self._origins.ranges(href, [place], version)
        count = shards.packed // 16
        entries = shards.index.decode(packed, (count, 2))
        return version, np.asarray(entries, np.uint64)


def _holds(dtype: np.dtype[np.generic], number: float) -> bool:
    """Whether a pixel of this type can have the value `number`."""
    if dtype.kind not in "iu":
        return True
    limits = np.iinfo(dtype)  # type: ignore[type-var]
    return limits.min <= number <= limits.max and number == int(number)
