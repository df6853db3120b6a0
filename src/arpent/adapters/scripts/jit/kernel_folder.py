"""Kernel folder: numba's cache of compiled kernels on disk. If the folder is full, read-only or damaged, kernels are
compiled again, and no job fails; versions that share a folder each have their own part of it."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable
from contextlib import suppress
from functools import cache as once
from pathlib import Path
from typing import Any

import llvmlite
from numba import config
from numba.core.caching import Cache, IndexDataCacheFile

from arpent.adapters.scripts.jit.kernel_lock import compile_once

log = logging.getLogger(__name__)

PACKAGE = Path(__file__).parents[3]
KERNEL_ROOMS = ("adapters/formats", "adapters/images", "domain", "engine", "raster", "zonal")
"""Folders with kernels, and with the functions and numbers that are compiled into them."""


class _Said:
    """Whether the warning of this process has been given."""

    yet = False


def tolerate_faults() -> None:
    """Have kernels work without their folder where it fails, and warn once in this process; and have none loaded that
    another version compiled. May be called again."""
    if getattr(Cache.save_overload, "tolerates", False):
        return
    load: Callable[..., Any] = Cache.load_overload
    save: Callable[..., Any] = Cache.save_overload

    def load_overload(self: Cache, sig: object, target_context: object) -> Any:
        try:
            _tell_versions_apart(self)
            return load(self, sig, target_context)
        except Exception as error:  # whatever a damaged file makes of itself
            _warn(self, error)
            _forget(self)
            return None

    def save_overload(self: Cache, sig: object, data: object) -> None:
        try:
            _tell_versions_apart(self)
            save(self, sig, data)
        except Exception as error:
            _warn(self, error)
            _forget(self)

    save_overload.tolerates = True  # type: ignore[attr-defined]
    changed: dict[str, Callable[..., Any]] = {
        "load_overload": compile_once(load_overload),
        "save_overload": save_overload,
    }
    for name, function in changed.items():
        setattr(Cache, name, function)


@once
def version(package: Path = PACKAGE) -> str:
    """Digest of all sources that kernels are compiled from, and of llvmlite's version. What else they depend on,
    numba's version and the processor, numba compares."""
    digest = hashlib.sha256(llvmlite.__version__.encode())
    for room in KERNEL_ROOMS:
        for path in sorted((package / room).rglob("*.py")):
            source = path.read_bytes()
            digest.update(f"{path.relative_to(package)} {len(source)} ".encode() + source)
    return digest.hexdigest()[:16]


def _tell_versions_apart(cache: Cache) -> None:
    """Put the version into the stamp of a kernel's files, and into their names where other versions may use the folder.
    numba compares nothing but the file that the kernel itself stands in: code that another file has given to it, as
    constants and functions that it calls, would be that of the version which compiled it."""
    file: Any = cache._cache_file
    if isinstance(file, _VersionedFile) or not cache._py_func.__module__.startswith("arpent."):
        return
    shared: str = getattr(config, "CACHE_DIR", "")
    name = f"{cache._impl.filename_base}.{version()}" if shared else cache._impl.filename_base
    made: Callable[..., Any] = _VersionedFile
    cache._cache_file = made(cache.cache_path, name, (file._source_stamp, version()))


class _VersionedFile(IndexDataCacheFile):
    """The files of a kernel, of one version of arpent."""


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
            "Compiled kernels cannot be kept in %s (%s): each process compiles them again, which takes up to a minute. "
            "Free space there, or set NUMBA_CACHE_DIR to another folder.",
            cache.cache_path,
            reason,
        )
