"""Memory limit: how much of this process's memory may be used to read a file that others wrote."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock

_STATM = Path("/proc/self/statm")
_DATA = 5
"""Its field that RLIMIT_DATA limits, in pages."""
_ONE = RLock()
"""Held by the thread that has set a limit: of two at once, the later one would leave the earlier one's behind."""


@contextmanager
def within_memory(more_mib: int) -> Iterator[None]:
    """In the block this process gets at most so many mebibytes of private memory beyond what it has: then comes
    MemoryError, or a native library ends it. One thread at a time; the limit holds for all of them, so it should leave
    the others enough. Linux; elsewhere nothing changes."""
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
