"""Partial files: names of files that are being written, by which is known whose they are and whether he still lives."""

from __future__ import annotations

import os
import re
import secrets
from contextlib import suppress
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

PARTIAL = ".arpent-partial-"
"""Prefix of the names of unfinished files."""
LEFTOVER_SECONDS = 3600.0
"""A partial file older than this was left by a crash, if it cannot be known whether its process lives."""
_OWNED = re.compile(re.escape(PARTIAL) + r"([0-9a-f]{8})-(\d{1,9})-(\d{1,20})-")
_START_TIME = 19
"""Field of a process's status after its name: when it began, in ticks since the machine did."""


def partial_prefix() -> str:
    """The beginning of the name of a file that this process writes; nobody else gets the same."""
    number = os.getpid()
    return f"{PARTIAL}{_machine()}-{number}-{_beginning(number)}-{secrets.token_hex(8)}"


def is_left_over(path: Path, now: float) -> bool:
    """Whether a partial file will never be finished: its process is gone, or it is old. Raises OSError."""
    status = path.stat()
    owner = _OWNED.match(path.name)
    if owner is None or owner[1] != _machine() or status.st_uid != os.geteuid():
        # Processes of others, and of other machines, may not be seen from here.
        return status.st_mtime < now - LEFTOVER_SECONDS
    return not _lives(int(owner[2]), owner[3])  # however old: it may have stood still, or the clock was set


def _lives(number: int, beginning: str) -> bool:
    """Whether this process, and no later one of its number, is there."""
    try:
        os.kill(number, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return beginning == "0" or _beginning(number) in (beginning, "0")


@lru_cache(maxsize=1)
def _machine() -> str:
    """What processes have in common that see each other: the machine since it began, and the numbering."""
    told = []
    with suppress(OSError):
        told = [Path("/proc/sys/kernel/random/boot_id").read_text(), os.readlink("/proc/self/ns/pid")]
    return blake2b("".join(told).encode(), digest_size=4).hexdigest() if told else secrets.token_hex(4)


def _beginning(number: int) -> str:
    """When a process began; 0 where that is not told."""
    with suppress(OSError, IndexError):
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[_START_TIME]
    return "0"
