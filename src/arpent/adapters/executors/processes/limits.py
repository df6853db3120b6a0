"""Limits: time and memory of one call in a worker process; a call that exceeds them ends together with its worker."""

from __future__ import annotations

import contextlib
import ctypes
import resource
import sys
from dataclasses import dataclass
from pathlib import Path

MEBIBYTE = 1 << 20
KEPT_MIB = 512
"""Maximum of freed memory that a process keeps, in mebibytes."""
KEPT_PART = 8
"""A process with a limit keeps at most the limit divided by this, since what is kept counts as used."""
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_STATM = "/proc/{}/statm"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLimits:
    """Limits of one call. None: no limit."""

    seconds: float | None = None
    """Time from handing the call to a worker until its answer."""
    memory_mib: int | None = None
    """Mebibytes of the worker, native code included; a script's interpreter is another process with its own limit."""
    still_seconds: float | None = None
    """Time without a sign of progress after which the call counts as hung and its worker as dead."""
    advice: str = ""
    """What the caller can do after a call that took too much, as a sentence."""


NO_LIMITS = CallLimits()


def limit_memory(memory_mib: int) -> None:
    """Limit this process's private memory: the kernel refuses more (MemoryError, or a native library fails). Sets the
    soft limit only, since script interpreters set their own. Linux; elsewhere only `resident_mib` is checked."""
    if sys.platform == "linux":
        with contextlib.suppress(ValueError, OSError):
            _, hard = resource.getrlimit(resource.RLIMIT_DATA)
            wanted = memory_mib * MEBIBYTE
            resource.setrlimit(
                resource.RLIMIT_DATA, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard)
            )
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a dump of gigabytes would fill the disk


def kept_mib(memory_mib: int | None) -> int:
    """Mebibytes of freed memory that a process with this limit (None: without a limit) keeps."""
    return KEPT_MIB if memory_mib is None else min(KEPT_MIB, memory_mib // KEPT_PART)


def keep_memory(memory_mib: int | None) -> None:
    """Let this process, which has this limit, keep some of the memory that it frees for its next arrays: fresh pages
    from the kernel cost as much as some of the work on them. Has an effect with glibc only."""
    kept = kept_mib(memory_mib) * MEBIBYTE
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        # Older versions accept at most 32 MiB; setting M_TRIM_THRESHOLD alone would make them keep less than before.
        if library.mallopt(_M_MMAP_THRESHOLD, kept) or library.mallopt(_M_MMAP_THRESHOLD, min(kept, 32 * MEBIBYTE)):
            library.mallopt(_M_TRIM_THRESHOLD, kept)


def resident_mib(process: int) -> float:
    """Mebibytes of memory that a process uses now; 0 if the system does not report it."""
    try:
        pages = int(Path(_STATM.format(process)).read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0.0
    return pages * resource.getpagesize() / MEBIBYTE
