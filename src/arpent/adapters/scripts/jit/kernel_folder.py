"""Kernel folder: what numba keeps of compiled kernels on disk. A folder that is full, read-only or damaged costs the
time to compile, but no job."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from numba.core.caching import Cache

log = logging.getLogger(__name__)


class _Said:
    """Whether the warning of this process has been given."""

    yet = False


def tolerate_faults() -> None:
    """Have kernels work without their folder where it fails, and warn once in this process. May be called again."""
    if getattr(Cache.save_overload, "tolerates", False):
        return
    load: Callable[..., Any] = Cache.load_overload
    save: Callable[..., Any] = Cache.save_overload

    def load_overload(self: Cache, sig: object, target_context: object) -> Any:
        try:
            return load(self, sig, target_context)
        except Exception as error:  # whatever a damaged file makes of itself
            _warn(self, error)
            _forget(self)
            return None

    def save_overload(self: Cache, sig: object, data: object) -> None:
        try:
            save(self, sig, data)
        except Exception as error:
            _warn(self, error)
            _forget(self)

    save_overload.tolerates = True  # type: ignore[attr-defined]
    changed: dict[str, Callable[..., Any]] = {"load_overload": load_overload, "save_overload": save_overload}
    for name, function in changed.items():
        setattr(Cache, name, function)


def _forget(cache: Cache) -> None:
    """Remove the index of a kernel. numba writes it before the code that it lists: where only the latter failed, the
    next process would take what an older version left under that name."""
    with suppress(OSError):
        os.unlink(cache._cache_file._index_path)


def _warn(cache: Cache, error: Exception) -> None:
    if not _Said.yet:
        _Said.yet = True
        reason = getattr(error, "strerror", None) or type(error).__name__
        log.warning(
            "Compiled kernels cannot be kept in %s (%s): each process compiles them anew, which takes up to a minute. "
            "Free space there, or set NUMBA_CACHE_DIR to another folder.",
            cache.cache_path,
            reason,
        )
