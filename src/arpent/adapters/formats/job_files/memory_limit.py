"""Memory limit: what reading a file of somebody else's may take of this process's memory."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_STATM = Path("/proc/self/statm")
_DATA = 5
"""Its field that RLIMIT_DATA limits, in pages."""


@contextmanager
def within_memory(more_mib: int) -> Iterator[None]:
    """In the block this process gets at most so many mebibytes of private memory beyond what it has: then comes
    MemoryError, or a native library ends it. For a process that does one thing at a time. Linux; elsewhere nothing
    changes."""
    if sys.platform != "linux":
        yield
        return
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
