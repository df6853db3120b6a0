"""Kernel lock: if several processes need the same kernel at once, such as workers on a new machine, one of them
compiles it, and the others wait to load it from disk."""

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
"""Maximum seconds to wait for another process, which may have stopped (no kernel takes that long), and seconds between
two attempts."""
_BUSY = (errno.EACCES, errno.EAGAIN)


_held: dict[str, int] = {}
"""Descriptors of the files that this process has locked, by path. Kernels are compiled by one thread at a time."""


def compile_once(load: Callable[..., Any]) -> Callable[..., Any]:
    """A replacement for `Cache.load_overload` that calls `load`. If that finds nothing, it locks the kernel, waiting
    while another process compiles it, and calls `load` again. The lock is held until `Dispatcher.compile`, which this
    function replaces, too, has compiled the kernel. Without a lock, as on a read-only disk, each process compiles for
    itself."""
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
    """Lock the file, waiting while another process holds the lock; does nothing if it cannot be locked."""
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
    """Lock the file, trying until the time `end`. Raises OSError if it cannot be locked."""
    while True:
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # held by the process: ends with it, not inherited
        except OSError as error:
            if error.errno not in _BUSY or time.monotonic() > end:
                raise
            time.sleep(LOOK_SECONDS)
        else:
            return


def _release(path: str) -> None:
    """Unlock the file, if it is locked, and remove it: processes that wait for it now find the kernel on disk."""
    handle = _held.pop(path, None)
    if handle is not None:
        with suppress(OSError):
            os.unlink(path)
        os.close(handle)
