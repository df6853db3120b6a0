"""Connections: a limit on simultaneous requests to a source, over all processes of one user on this machine."""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import randbelow
from threading import BoundedSemaphore

from arpent.domain.boundary.wanted import varied, wanted_here
from arpent.network.access import AccessFailed
from arpent.network.deadline import LOOK_SECONDS, Deadline, current

PAUSE = 0.02
"""Mean seconds between two attempts to get a slot."""
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


class ConnectionSlots:
    """The slots of a source. Each is a lock on a file of its own, which the system releases if the process ends."""

    def __init__(self, name: str, count: int) -> None:
        self._source = name
        self._count = count
        self._name = hashlib.sha256(f"{name}/{count}".encode()).hexdigest()[:16]
        self._here = BoundedSemaphore(count)

    @contextmanager
    def take(self) -> Iterator[None]:
        """Wait for a slot, and hold it. Raises AccessFailed if none is free before the thread's deadline passes."""
        deadline = current()
        while not self._here.acquire(timeout=LOOK_SECONDS if deadline is None else min(LOOK_SECONDS, deadline.left)):
            self._check(deadline)
        try:
            descriptor = self._taken(deadline)
            try:
                yield
            finally:
                fcntl.flock(descriptor, fcntl.LOCK_UN)  # needed if a child process has a copy of the descriptor
                os.close(descriptor)
        finally:
            self._here.release()

    def _taken(self, deadline: Deadline | None) -> int:
        folder = self._folder()
        while True:
            first = randbelow(self._count)
            for number in range(self._count):
                path = folder / f"{self._name}-{(first + number) % self._count}"
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
                with suppress(OSError):
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return descriptor
                os.close(descriptor)
            self._check(deadline)
            time.sleep(varied(PAUSE))

    def _check(self, deadline: Deadline | None) -> None:
        """Raise AccessFailed if the deadline has passed, or the answer is no longer wanted."""
        if wanted_here()() and not (deadline is not None and deadline.passed):
            return
        waited = "" if deadline is None else f" within {deadline.seconds:g} s"
        raise AccessFailed(
            f"none of the {self._count} `connections` of the source {self._source} was free{waited}; raise the number"
            " if the source allows more", transient=True,
        )  # fmt: skip

    def _folder(self) -> Path:
        """The folder of this user's lock files. Raises AccessFailed if other users may write there, and so take
        locks."""
        folder = Path(tempfile.gettempdir()) / f"arpent-slots-{os.getuid()}"
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & _OTHERS_WRITE:
            raise AccessFailed(
                f"{folder}, for the locks of `connections`, is not a folder that only this user may write: remove it,"
                " or set TMPDIR", transient=True,
            )  # fmt: skip
        return folder
