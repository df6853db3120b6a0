"""Memory limit: limits how much of this process's memory reading another party's file may take."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock

_STATM = Path("/proc/self/statm")
_DATA = 5
"""Index of the field in /proc/self/statm that RLIMIT_DATA limits, in pages."""
_ONE = RLock()
"""Held by the thread that has set a limit: with two at once, the later one to end would restore the earlier one's
limit."""


@contextmanager
def within_memory(more_mib: int) -> Iterator[None]:
    """In the block, limit this process to `more_mib` mebibytes of private memory beyond what it has: beyond that,
    MemoryError is raised, or a native library ends the process. One thread at a time can set the limit, which holds for
    all threads, so leave the others enough. Has an effect on Linux only."""
    if sys.platform != "linux":
        yield
        return
    with _ONE:
        soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
        used = int(_STATM.read_text().split()[_DATA]) * resource.getpagesize()
        wanted = used + (more_mib << 20)
        if wanted >= (sys.maxsize if soft == resource.RLIM_INFINITY else soft):
            yield
            return
        resource.setrlimit(resource.RLIMIT_DATA, (wanted, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
