"""Decode: turns a compressed block into the pixels of one band, by codecs of imagecodecs (libdeflate, zstd …) and isal,
which all release the GIL."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Protocol, cast

import imagecodecs
import numpy as np
from isal import isal_zlib
from numba import njit
from numpy.typing import NDArray

Buffer = bytes | bytearray | memoryview
Codec = Callable[[Buffer, int, int], Buffer]
"""(payload, bytes of the whole decoded block, bytes that are needed) → at least the bytes that are needed."""

_DAMAGED: tuple[type[Exception], ...] = (RuntimeError, ValueError, cast("type[Exception]", isal_zlib.error))
"""Exceptions that the codecs raise."""
_PREFIX = 0.9
"""If less than this share of a block is needed, inflating it with ISA-L up to the last byte needed is faster than with
libdeflate, which is 7 % faster per byte but cannot stop before the end."""


class Packing(Protocol):
    """How the blocks of a level are packed; see `table.Table`."""

    @property
    def compression(self) -> int: ...
    @property
    def predictor(self) -> int: ...
    @property
    def dtype(self) -> np.dtype[np.generic]: ...
    @property
    def samples(self) -> int: ...


def _stored(payload: Buffer, whole: int, enough: int) -> Buffer:
    return payload


def _inflated(payload: Buffer, whole: int, enough: int) -> Buffer:
    if enough < whole * _PREFIX:
        prefix: bytes = isal_zlib.decompressobj().decompress(payload, enough)
        return prefix
    return imagecodecs.deflate_decode(payload, out=whole)  # type: ignore[arg-type]


def _by(decode: Callable[..., Buffer]) -> Codec:
    return lambda payload, whole, enough: decode(payload, out=whole)


CODECS = MappingProxyType(
    {
        1: _stored,
        5: _by(imagecodecs.lzw_decode),
        8: _inflated,
        32773: _by(imagecodecs.packbits_decode),
        32946: _inflated,
        34925: _by(imagecodecs.lzma_decode),
        50000: _by(imagecodecs.zstd_decode),
    }
)
"""TIFF compression → codec. Other compressions are left to GDAL."""


def decode(payload: Buffer, packing: Packing, shape: tuple[int, int], rows: int, band: int) -> NDArray[np.generic]:
    """(rows, columns): the first rows of one band of a block of `shape` (rows, columns) pixels, in native byte order.

    Raises ValueError if the payload is damaged or too short.
    """
    stride = shape[1] * packing.samples * packing.dtype.itemsize
    whole, enough = shape[0] * stride, rows * stride
    try:
        raw = CODECS[packing.compression](payload, whole, enough)
    except _DAMAGED as error:
        raise ValueError(f"its bytes are damaged ({type(error).__name__})") from None
    if len(raw) < enough:
        raise ValueError(f"it holds {len(raw)} bytes instead of {whole}")
    count = rows * shape[1] * packing.samples
    if packing.predictor == 3:
        return _float_predicted(raw, packing, rows, shape[1], count)[:, :, _plane(packing, band)]
    pixels = np.frombuffer(raw, packing.dtype, count).reshape(rows, shape[1], packing.samples)
    plane = pixels[:, :, _plane(packing, band)]
    if packing.predictor == 2:
        return _differenced(plane)
    return plane.astype(packing.dtype.newbyteorder("="), copy=False)


def decode_bits(payload: Buffer, packing: Packing, shape: tuple[int, int], rows: int, band: int) -> NDArray[np.bool_]:
    """(rows, columns): as `decode`, for pixels of single bits, where each row of a block starts with a new byte. Raises
    the same errors."""
    stride = -(-shape[1] * packing.samples // 8)
    whole, enough = shape[0] * stride, rows * stride
    try:
        raw = CODECS[packing.compression](payload, whole, enough)
    except _DAMAGED as error:
        raise ValueError(f"its bytes are damaged ({type(error).__name__})") from None
    if len(raw) < enough:
        raise ValueError(f"it holds {len(raw)} bytes instead of {whole}")
    packed = np.frombuffer(raw, np.uint8, enough).reshape(rows, stride)
    bits = np.unpackbits(packed, axis=1, count=shape[1] * packing.samples)
    return bits.reshape(rows, shape[1], packing.samples)[:, :, _plane(packing, band)].astype(np.bool_)


def _plane(packing: Packing, band: int) -> int:
    return band if packing.samples > 1 else 0


def _differenced(plane: NDArray[np.generic]) -> NDArray[np.generic]:
    """Undo horizontal differencing; floats were differenced as integers with the same bytes."""
    native = plane.dtype.newbyteorder("=")
    source = plane.astype(native, copy=False).view(np.dtype(f"u{native.itemsize}"))
    pixels = np.empty(source.shape, source.dtype)
    _sum_rows(source, pixels)
    return pixels.view(native)


def _float_predicted(raw: Buffer, packing: Packing, rows: int, columns: int, count: int) -> NDArray[np.generic]:
    pixels = np.frombuffer(raw, packing.dtype, count).reshape(rows, columns, packing.samples)
    decoded: NDArray[np.generic] = imagecodecs.floatpred_decode(pixels, axis=-2)
    return decoded.astype(packing.dtype.newbyteorder("="), copy=False)


@njit(cache=True, nogil=True)
def _sum_rows(source, pixels):  # type: ignore[no-untyped-def]
    """Running sums along rows, four rows at a time: each sum depends on the one before, so that the processor can
    overlap those of different rows. Both arrays have the same shape, at least (1, 1)."""
    height, width = source.shape
    whole = height - height % 4
    for row in range(0, whole, 4):
        a = b = c = d = source[0, 0] & 0
        for column in range(width):
            a = a + source[row, column]
            b = b + source[row + 1, column]
            c = c + source[row + 2, column]
            d = d + source[row + 3, column]
            pixels[row, column] = a
            pixels[row + 1, column] = b
            pixels[row + 2, column] = c
            pixels[row + 3, column] = d
    for row in range(whole, height):
        a = source[0, 0] & 0
        for column in range(width):
            a = a + source[row, column]
            pixels[row, column] = a
