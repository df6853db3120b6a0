"""Partial files: names of unfinished files, which identify the process that writes them, so that it can be checked
whether it still runs; and files that appear under their own name only once they are complete."""

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
"""A partial file older than this counts as left by a crash, if it is unknown whether its process still runs."""
_OWNED = re.compile(re.escape(PARTIAL) + r"([0-9a-f]{8})-(\d{1,9})-(\d{1,20})-")
_START_TIME = 19
"""Index, among the fields after the name in /proc/PID/stat, of a process's start time in ticks since the system
booted."""


def partial_prefix() -> str:
    """A unique beginning for the name of an unfinished file that this process writes."""
    number = os.getpid()
    return f"{PARTIAL}{_machine()}-{number}-{_beginning(number)}-{secrets.token_hex(8)}"


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """The path at which to write a file that replaces `path` at the end of the context. If the writer fails, is killed
    or runs at the same time as another one, `path` never holds half a file: the earlier file stays. What is not a plain
    file, such as /dev/stdout or a pipe, is written directly."""
    if path.exists() and not path.is_file():
        yield path
        return
    target = Path(os.path.realpath(path))  # a link is kept
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
    """Write a file that replaces `path` once it is complete; text as UTF-8."""
    with whole_file(path) as part:
        part.write_bytes(text if isinstance(text, bytes) else text.encode())


def remove_left_over(folder: Path) -> None:
    """Delete the folder's partial files that will never be finished."""
    now = time.time()
    with suppress(OSError):  # the folder may not exist any more
        for partial in folder.glob(f"{PARTIAL}*"):
            with suppress(OSError):
                if _is_left_over(partial, now):
                    partial.unlink(missing_ok=True)


def _is_left_over(path: Path, now: float) -> bool:
    """Whether a partial file will never be finished: its process is gone, or it is old. Raises OSError."""
    status = path.stat()
    owner = _OWNED.match(path.name)
    if owner is None or owner[1] != _machine() or status.st_uid != os.geteuid():
        # Processes of other users, and of other machines, may not be visible from here.
        return status.st_mtime < now - LEFTOVER_SECONDS
    return not _lives(int(owner[2]), owner[3])  # at any age: it may have been suspended, or the clock set


def _lives(number: int, beginning: str) -> bool:
    """Whether a process of this number runs, and is not a later one that got the same number."""
    try:
        os.kill(number, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return beginning == "0" or _beginning(number) in (beginning, "0")


@lru_cache(maxsize=1)
def _machine() -> str:
    """An identifier that processes share if they can see each other: a hash of the machine's boot id and the PID
    namespace."""
    told = []
    with suppress(OSError):
        told = [Path("/proc/sys/kernel/random/boot_id").read_text(), os.readlink("/proc/self/ns/pid")]
    return blake2b("".join(told).encode(), digest_size=4).hexdigest() if told else secrets.token_hex(4)


def _beginning(number: int) -> str:
    """When a process started, in ticks since the system booted; "0" if that is unknown."""
    with suppress(OSError, IndexError):
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[_START_TIME]
    return "0"
