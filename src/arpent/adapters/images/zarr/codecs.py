"""Codecs of Zarr: decode the bytes of a chunk to its pixels, with imagecodecs, which releases the GIL.

The output never exceeds what a chunk can hold, whatever length the compressed bytes declare.
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
"""(packed bytes, maximum bytes of the result) → unpacked bytes. May raise errors of the codec's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """How to decode a chunk: the reverse of the codecs with which it was written."""

    steps: tuple[Unpack, ...]
    """Functions that undo codecs from bytes to bytes; the codec that was applied last comes first."""
    dtype: np.dtype[np.generic]
    """Type of a pixel in the bytes, including its byte order."""
    order: tuple[int, ...] | None = None
    """Order of the array's axes in the bytes, slowest first; None: the array's own order."""

    def decode(self, packed: Buffer, shape: tuple[int, ...]) -> NDArray[np.generic]:
        """The pixels of a chunk of that shape, in native byte order. Raises ValueError, with a message."""
        count = int(np.prod(shape))
        size = count * self.dtype.itemsize
        for number, step in enumerate(self.steps, 1):
            try:
                packed = step(packed, size if number == len(self.steps) else most_packed(size))
            except ValueError:
                raise
            except Exception as error:  # each codec raises errors of its own
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
    """Maximum packed bytes for `size` bytes: no codec doubles the size of its input."""
    return 2 * size + _SPARE_BYTES


def step_of(name: str) -> Unpack:
    """The function that undoes the codec of that name; it needs no settings, as the bytes hold what it has to know.
    Raises ValueError, naming the codec, if it is not supported."""
    found = STEPS.get(name.removeprefix("numcodecs."))
    if found is None:
        raise ValueError(f"it is compressed by {name[:40]!r}; supported are {', '.join(STEPS)}")
    return found


def unshuffled(settings: Mapping[str, Any]) -> Unpack:
    """A function that undoes the shuffle filter, which stores the first bytes of all numbers, then the second ones …
    Raises ValueError."""
    width = settings.get("elementsize", 4)
    if not isinstance(width, int) or not 1 <= width <= 16:
        raise ValueError("the width of its shuffle is invalid")

    def undo(packed: Buffer, most: int) -> Buffer:
        rows = np.frombuffer(packed, np.uint8)
        whole = len(rows) // width * width
        return rows[:whole].reshape(width, -1).T.tobytes() + bytes(rows[whole:])

    return undo


def without_sum(packed: Buffer, most: int) -> Buffer:
    """The bytes without the CRC32C at their end. Raises ValueError if the checksum differs."""
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
"""Name of a codec → function that undoes it."""


def order_of(setting: object, dimensions: int) -> tuple[int, ...] | None:
    """The order of axes by a transposition (`C`, `F`, or a list of axes); None for `C`. Raises ValueError."""
    if setting == "C":
        return None
    if setting == "F":
        return tuple(range(dimensions))[::-1]
    if isinstance(setting, Sequence) and sorted(setting) == list(range(dimensions)):
        return tuple(setting)
    raise ValueError("the order of its axes is invalid")
