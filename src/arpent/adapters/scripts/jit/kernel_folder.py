"""Kernel folder: numba's cache of compiled kernels on disk. If it is full, read-only or damaged, kernels are compiled
again, but no job fails. Versions of arpent that share a folder each have their own files."""

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
KERNEL_PACKAGES = ("adapters/formats", "adapters/images", "domain", "engine", "raster", "zonal")
"""Folders with kernels, and with the functions and numbers that are compiled into them."""


class _Said:
    """Whether this process has given its warning."""

    yet = False


def tolerate_faults() -> None:
    """Patch numba so that kernels also work if their folder fails, with one warning per process, and kernels compiled
    by another version are not loaded. Calling this again has no effect."""
    if getattr(Cache.save_overload, "tolerates", False):
        return
    load: Callable[..., Any] = Cache.load_overload
    save: Callable[..., Any] = Cache.save_overload

    def load_overload(self: Cache, sig: object, target_context: object) -> Any:
        try:
            _tell_versions_apart(self)
            return load(self, sig, target_context)
        except Exception as error:  # a damaged file can raise anything
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
    """Digest of all sources that kernels are compiled from, and of llvmlite's version. numba itself compares its own
    version and the processor."""
    digest = hashlib.sha256(llvmlite.__version__.encode())
    for name in KERNEL_PACKAGES:
        for path in sorted((package / name).rglob("*.py")):
            source = path.read_bytes()
            digest.update(f"{path.relative_to(package)} {len(source)} ".encode() + source)
    return digest.hexdigest()[:16]


def _tell_versions_apart(cache: Cache) -> None:
    """Put the version into the stamp of a kernel's files, and into their names if other versions may use the folder.
    numba compares only the file that defines the kernel, so that constants and functions of other files could be
    outdated."""
    file: Any = cache._cache_file
    if isinstance(file, _VersionedFile) or not cache._py_func.__module__.startswith("arpent."):
        return
    shared: str = getattr(config, "CACHE_DIR", "")
    name = f"{cache._impl.filename_base}.{version()}" if shared else cache._impl.filename_base
    made: Callable[..., Any] = _VersionedFile
    cache._cache_file = made(cache.cache_path, name, (file._source_stamp, version()))


class _VersionedFile(IndexDataCacheFile):
    """A kernel's files for one version of arpent."""


def _forget(cache: Cache) -> None:
    """Remove a kernel's index file. numba writes it before the code that it lists: if only the latter fails, the next
    process would load the code that an older version left under that name."""
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
