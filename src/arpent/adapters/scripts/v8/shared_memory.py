"""Shared memory: takes samples to an interpreter and brings its values back."""

from __future__ import annotations

import fcntl
import mmap
import os
import tempfile
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from arpent.domain.evalscript import Mosaicking
from arpent.domain.ports.scripts import ScriptInput
from arpent.evalscript.layout import ITEM_SIZES, SEGMENTS, Column, MemoryLayout


class SharedBuffer:
    """Anonymous shared memory; it is freed once no process maps it any more."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.descriptor = _unnamed(size)
        self._map = mmap.mmap(self.descriptor, size)
        self._ends = np.frombuffer(self._map, np.int32, 2 * SEGMENTS).reshape(SEGMENTS, 2)

    def forget_descriptor(self) -> None:
        """Close the descriptor, after the interpreter has received its own."""
        os.close(self.descriptor)

    def fill(
        self, layout: MemoryLayout, inputs: Sequence[Sequence[NDArray[np.generic]]], low: int, high: int
    ) -> list[tuple[int, int]]:
        """Copy samples `low` to `high` (exclusive) of all columns into place; returns the byte ranges that were
        filled."""
        pieces = []
        arrays = [array for entry in inputs for array in entry]
        for column, offset, array in zip(layout.columns, layout.offsets, arrays, strict=False):
            place = np.frombuffer(self._map, column.kind, column.rows * layout.capacity, offset)
            np.copyto(place.reshape(column.rows, layout.capacity)[:, : high - low], array[:, low:high])
            size = ITEM_SIZES[column.kind]
            starts = (offset + row * layout.capacity * size for row in range(column.rows))
            pieces += [(start, start + (high - low) * size) for start in starts]
        return pieces

    def cut(self, ends: NDArray[np.int64]) -> tuple[int, int]:
        """Write the segments' bounds (n, 2); returns the byte range that holds them."""
        self._ends[: len(ends)] = ends
        return 0, 8 * len(ends)

    def pieces_out(self, layout: MemoryLayout, count: int) -> list[tuple[int, int]]:
        """Byte ranges where `count` values of each output row will be."""
        starts = (layout.offsets[-1] + row * layout.capacity * 8 for row in range(layout.width))
        return [(start, start + 8 * count) for start in starts]

    def values(self, layout: MemoryLayout, count: int) -> NDArray[np.float64]:
        """(width, count): a view of the output."""
        rows = np.frombuffer(self._map, np.float64, layout.width * layout.capacity, layout.offsets[-1])
        return rows.reshape(layout.width, layout.capacity)[:, :count]


def _unnamed(size: int) -> int:
    """A descriptor of `size` bytes of anonymous memory that cannot be shrunk."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("samples", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(descriptor, size)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
        return descriptor
    with tempfile.TemporaryFile() as file:
        file.truncate(size)
        return os.dup(file.fileno())


def arrays_of(entry: ScriptInput, mosaicking: Mosaicking) -> tuple[NDArray[np.generic], ...]:
    """The bands as (rows, N) arrays of types that an interpreter accepts."""
    return tuple(_two_dimensional(_known(array), mosaicking) for array in entry.values)


def _known(array: NDArray[np.generic]) -> NDArray[np.generic]:
    if array.dtype == np.bool_:
        return array.view(np.uint8)
    return array if array.dtype.str[1:] in ITEM_SIZES else array.astype(np.float64)


def _two_dimensional(array: NDArray[np.generic], mosaicking: Mosaicking) -> NDArray[np.generic]:
    if array.ndim == 1 and mosaicking is Mosaicking.SIMPLE:
        return array.reshape(1, -1)
    if array.ndim != 2:
        raise ValueError(f"samples of {mosaicking} come as (scenes, N), not {array.shape}")
    return array


def columns_of(arrays: Sequence[NDArray[np.generic]], entry: ScriptInput, mosaicking: Mosaicking) -> tuple[Column, ...]:
    """How the bands of one input lie in a buffer."""
    return tuple(
        Column(kind=array.dtype.str[1:], rows=array.shape[0], scale=scale, simple=mosaicking is Mosaicking.SIMPLE)
        for array, scale in zip(arrays, entry.scales, strict=True)
    )
