"""Kernel lock: when several processes need the same kernel at once, one compiles it, and the others wait for the copy
that it stores on disk."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from numba.core.caching import Cache
from numba.core.dispatcher import Dispatcher

WAIT_SECONDS, LOOK_SECONDS = 60.0, 0.02
"""Seconds to wait for another process, longer than any kernel takes; it may have been stopped. And between two looks.
"""
_BUSY = (errno.EACCES, errno.EAGAIN)


_held: dict[str, int] = {}
"""Descriptors of the files that this process has locked, by path. Kernels are compiled by one thread at a time."""


def compile_once(load: Callable[..., Any]) -> Callable[..., Any]:
    """`load`, which may replace `Cache.load_overload`: where it finds nothing, it waits for another process that
    compiles the same kernel, and looks again. From then on this process compiles it, and others wait: until
    `Dispatcher.compile` is left, which this changes. Without a lock, as on a disk that cannot be written, each process
    compiles for itself."""
    compile_kernel: Callable[..., Any] = Dispatcher.compile

    def compile_locked(self: Any, sig: object) -> Any:
        try:
            return compile_kernel(self, sig)
        finally:
            if isinstance(self._cache, Cache):
                _release(_path(self._cache))

    def load_or_wait(self: Cache, sig: object, target_context: object) -> Any:
        found = load(self, sig, target_context)
        if found is None and self._py_func.__module__.startswith("arpent."):
            _acquire(_path(self))
            found = load(self, sig, target_context)
        return found

    Dispatcher.compile = compile_locked  # type: ignore[method-assign]
    return load_or_wait


def _path(cache: Cache) -> str:
    return f"{cache._cache_file._index_path}.lock"


def _acquire(path: str) -> None:
    """Lock the file, once no other process has locked it."""
    if path in _held:
        return
    with suppress(OSError):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            _lock(handle, time.monotonic() + WAIT_SECONDS)
        except OSError:
            os.close(handle)
            raise
        _held[path] = handle


def _lock(handle: int, end: float) -> None:
    """Raises OSError if the file cannot be locked, not even by the time `end`."""
    while True:
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # of a process: one that dies leaves none, nor do forks
        except OSError as error:
            if error.errno not in _BUSY or time.monotonic() > end:
                raise
            time.sleep(LOOK_SECONDS)
        else:
            return


def _release(path: str) -> None:
    """Unlock the file, if it is locked, and remove it: a process that waits for it now finds the kernel on disk."""
    handle = _held.pop(path, None)
    if handle is not None:
        with suppress(OSError):
            os.unlink(path)
        os.close(handle)
