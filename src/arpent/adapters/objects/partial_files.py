"""Partial files: names of files that are being written, which say which process writes them, so that others can tell
whether it still runs; and files that get their final name only once they are complete."""

from __future__ import annotations

import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
    """The beginning of the name of a file that this process writes; no other process gets the same."""
    number = os.getpid()
    return f"{PARTIAL}{_machine()}-{number}-{_beginning(number)}-{secrets.token_hex(8)}"


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Where to write a file, which takes the place of `path` at the end of the context: of one that fails, is killed or
    runs beside another nobody ever finds half a file, and what was there stays. What is not a plain file, such as
    /dev/stdout or a pipe, is written as it is."""
    if path.exists() and not path.is_file():
        yield path
        return
    target = Path(os.path.realpath(path))  # a link stays one
    remove_left_over(target.parent)
    part = target.parent / f"{partial_prefix()}{target.suffix}"
    try:
        yield part
        with suppress(OSError):
            part.chmod(stat.S_IMODE(target.stat().st_mode))
        part.replace(target)
    except OSError as error:
        if error.strerror and error.filename in (None, str(part)):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    finally:
        part.unlink(missing_ok=True)


def write_whole(path: Path, text: str | bytes) -> None:
    """Write a file that takes the place of `path` when it is whole; text as UTF-8."""
    with whole_file(path) as part:
        part.write_bytes(text if isinstance(text, bytes) else text.encode())


def remove_left_over(folder: Path) -> None:
    """Delete the folder's partial files that will never be finished."""
    now = time.time()
    with suppress(OSError):  # the folder may be away by now
        for partial in folder.glob(f"{PARTIAL}*"):
            with suppress(OSError):
                if _is_left_over(partial, now):
                    partial.unlink(missing_ok=True)


def _is_left_over(path: Path, now: float) -> bool:
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
    """When a process began; 0 where that is not stated."""
    with suppress(OSError, IndexError):
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[_START_TIME]
    return "0"
