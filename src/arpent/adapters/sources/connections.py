"""Connections: how many requests one source gets at once, from all processes of one user on this machine."""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import randrange, uniform
from threading import BoundedSemaphore

PAUSE = 0.02
"""Seconds between two looks for a place."""


class ConnectionSlots:
    """So many places; each is a lock on a file of its own, which ends with its process."""

    def __init__(self, name: str, count: int) -> None:
        self._count = count
        self._name = hashlib.sha256(f"{name}/{count}".encode()).hexdigest()[:16]
        self._here = BoundedSemaphore(count)

    @contextmanager
    def take(self) -> Iterator[None]:
        """Waits for a place, and holds it."""
        with self._here:
            descriptor = self._taken()
            try:
                yield
            finally:
                fcntl.flock(descriptor, fcntl.LOCK_UN)  # also for a child that has a copy of it
                os.close(descriptor)

    def _taken(self) -> int:
        folder = self._folder()
        while True:
            first = randrange(self._count)
            for number in range(self._count):
                path = folder / f"{self._name}-{(first + number) % self._count}"
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
                with suppress(OSError):
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return descriptor
                os.close(descriptor)
            time.sleep(PAUSE * uniform(0.5, 1.5))

    def _folder(self) -> Path:
        folder = Path(tempfile.gettempdir()) / f"arpent-places-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder
