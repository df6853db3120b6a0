"""Limits: what one call may take of a worker process; who takes more is ended, with its worker."""

from __future__ import annotations

import contextlib
import resource
import sys
from dataclasses import dataclass
from pathlib import Path

MEBIBYTE = 1 << 20
_STATM = "/proc/{}/statm"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLimits:
    """None: no limit."""

    seconds: float | None = None
    """From the moment a worker has the call to its answer."""
    memory_mib: int | None = None
    """Mebibytes of the worker, native code included; the interpreter of a script is a process with a limit of its
    own."""
    advice: str = ""
    """What somebody can do whose call took too much, as a sentence."""


NO_LIMITS = CallLimits()


def limit_memory(memory_mib: int) -> None:
    """Private memory of this process: what asks for more is refused by the kernel (MemoryError, or a native library
    gives up). The soft limit only: interpreters of scripts set one of their own. Linux; elsewhere only `resident_mib`
    is watched."""
    if sys.platform == "linux":
        with contextlib.suppress(ValueError, OSError):
            _, hard = resource.getrlimit(resource.RLIMIT_DATA)
            wanted = memory_mib * MEBIBYTE
            resource.setrlimit(
                resource.RLIMIT_DATA, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard)
            )
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a dump of gigabytes would fill the disk


def resident_mib(process: int) -> float:
    """Mebibytes of memory that a process has now; 0 where nobody tells."""
    try:
        pages = int(Path(_STATM.format(process)).read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0.0
    return pages * resource.getpagesize() / MEBIBYTE
