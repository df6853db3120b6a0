"""Codecs of Zarr: from the bytes of a chunk to its pixels, by imagecodecs, without the GIL.

The output is bounded by what a chunk can hold, whatever the bytes say of themselves.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import google_crc32c
import imagecodecs
import numpy as np
from numpy.typing import NDArray

from arpent.adapters.images.decode import Buffer

_BLOSC_HEAD = 16
_CRC_BYTES = 4
_SPARE_BYTES = 1 << 16

Unpack = Callable[[Buffer, int], Buffer]
"""(packed bytes, bytes that they can give at most) → bytes. Raises ValueError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """How a chunk is packed."""

    steps: tuple[Unpack, ...]
    """What makes bytes of bytes, first the last that was done when the chunk was written."""
    dtype: np.dtype[np.generic]
    """Type of a pixel in the bytes, byte order included."""
    order: tuple[int, ...] | None = None
    """Where the axes of the array lie in the bytes, slowest first; None: as they are."""

    def decode(self, packed: Buffer, shape: tuple[int, ...]) -> NDArray[np.generic]:
        """A chunk of that shape, in native byte order. Raises ValueError, in words."""
        count = int(np.prod(shape))
        size = count * self.dtype.itemsize
        for number, step in enumerate(self.steps, 1):
            try:
                packed = step(packed, size if number == len(self.steps) else most_packed(size))
            except ValueError:
                raise
            except Exception as error:  # each codec has errors of its own
                raise ValueError(f"its bytes are damaged ({type(error).__name__})") from None
        if len(packed) != size:
            raise ValueError(f"it holds {len(packed):,} bytes instead of {size:,}")
        pixels = np.frombuffer(packed, self.dtype, count)
        if self.order is None:
            pixels = pixels.reshape(shape)
        else:
            pixels = pixels.reshape([shape[axis] for axis in self.order]).transpose(np.argsort(self.order))
        return np.ascontiguousarray(pixels.astype(self.dtype.newbyteorder("="), copy=False))


def most_packed(size: int) -> int:
    """Bytes that so many can become when they are packed: no codec makes them twice as long."""
    return 2 * size + _SPARE_BYTES


def step_of(name: str) -> Unpack:
    """The codec of that name; what is needed to decode stands in the bytes. Raises ValueError, naming it, where it is
    none that is served."""
    found = STEPS.get(name.removeprefix("numcodecs."))
    if found is None:
        raise ValueError(f"it is compressed by {name[:40]!r}; supported are {', '.join(STEPS)}")
    return found


def unshuffled(settings: Mapping[str, Any]) -> Unpack:
    """The filter that writes the first bytes of all numbers, then the second ones … Raises ValueError."""
    width = settings.get("elementsize", 4)
    if not isinstance(width, int) or not 1 <= width <= 16:
        raise ValueError("the width of its shuffle is invalid")

    def undo(packed: Buffer, most: int) -> Buffer:
        rows = np.frombuffer(packed, np.uint8)
        whole = len(rows) // width * width
        return rows[:whole].reshape(width, -1).T.tobytes() + bytes(rows[whole:])

    return undo


def without_sum(packed: Buffer, most: int) -> Buffer:
    """The bytes before a CRC32C. Raises ValueError if they are others than were written."""
    if len(packed) < _CRC_BYTES:
        raise ValueError("it is too short")
    body, (wanted,) = memoryview(packed)[:-_CRC_BYTES], struct.unpack("<I", bytes(packed[-_CRC_BYTES:]))
    if google_crc32c.value(bytes(body)) != wanted:
        raise ValueError("its bytes are damaged: their checksum differs")
    return body


def _blosc(packed: Buffer, most: int) -> Buffer:
    if len(packed) < _BLOSC_HEAD:
        raise ValueError("it is too short")
    size, block, whole = struct.unpack_from("<III", packed, 4)
    if size > most:
        raise ValueError(f"it says that it unpacks to {size:,} bytes, more than the {most:,} of a chunk")
    if whole > len(packed) or block > max(size, 1):
        raise ValueError("it is cut short, or its header is damaged")
    return _bytes(imagecodecs.blosc_decode(packed, numthreads=1))  # type: ignore[arg-type]


def _bounded(decode: Callable[..., Any], **options: Any) -> Unpack:
    return lambda packed, most: _bytes(decode(packed, out=most, **options))


def _bytes(found: Any) -> Buffer:
    return found if isinstance(found, bytes | bytearray | memoryview) else bytes(found)


STEPS: Mapping[str, Unpack] = MappingProxyType(
    {
        "blosc": _blosc,
        "zstd": _bounded(imagecodecs.zstd_decode),
        "gzip": _bounded(imagecodecs.gzip_decode),
        "zlib": _bounded(imagecodecs.zlib_decode),
        "lz4": _bounded(imagecodecs.lz4_decode, header=True),
        "crc32c": without_sum,
    }
)
"""Name of a codec → what undoes it."""


def order_of(setting: object, dimensions: int) -> tuple[int, ...] | None:
    """The axes as a transposition states them. Raises ValueError."""
    if setting == "C":
        return None
    if setting == "F":
        return tuple(range(dimensions))[::-1]
    if isinstance(setting, Sequence) and sorted(setting) == list(range(dimensions)):
        return tuple(setting)
    raise ValueError("the order of its axes is invalid")
