"""Mapping: maps shared memory into a buffer of V8, so that no byte is copied.

V8 does not accept foreign memory, but its buffer is ordinary address space, into which the kernel can map the shared
pages. Where that is not possible, data is copied instead.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
from collections.abc import Sequence
from typing import Any

_FIXED, _ANONYMOUS = 0x10, 0x20
_FAILED = ctypes.c_void_p(-1).value
_READ_WRITE = mmap.PROT_READ | mmap.PROT_WRITE


class MappedBuffer:
    """Shared memory of `size` bytes inside a V8 buffer that is a page longer."""

    def __init__(self, room: Any, descriptor: int, size: int) -> None:
        """`room`: a writable V8 buffer, kept alive by the script's engine until `leave`."""
        self._room = memoryview(room).cast("B")
        self._size = size
        address = ctypes.addressof(ctypes.c_char.from_buffer(self._room))
        self.start = -address % mmap.PAGESIZE
        """Byte offset of the shared memory in the V8 buffer."""
        self._address = address + self.start
        mapped = sys.platform == "linux" and _map(self._address, size, mmap.MAP_SHARED, descriptor)
        self._copies = None if mapped else memoryview(mmap.mmap(descriptor, size))

    def take(self, pieces: Sequence[Sequence[int]]) -> None:
        """Make what the other side wrote visible to V8: copy the byte ranges, unless they are mapped."""
        if self._copies is not None:
            for start, end in pieces:
                self._room[self.start + start : self.start + end] = self._copies[start:end]

    def give(self, pieces: Sequence[Sequence[int]]) -> None:
        """Make what V8 wrote visible to the other side: copy the byte ranges, unless they are mapped."""
        if self._copies is not None:
            for start, end in pieces:
                self._copies[start:end] = self._room[self.start + start : self.start + end]

    def leave(self) -> None:
        """Map V8's own memory again, because V8 will free the buffer."""
        if self._copies is None:
            _map(self._address, self._size, mmap.MAP_PRIVATE | _ANONYMOUS, -1)
        self._room.release()


def _map(address: int, size: int, flags: int, descriptor: int) -> bool:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    found = libc.mmap(address, size, _READ_WRITE, flags | _FIXED, descriptor, 0)
    return bool(found != _FAILED)
