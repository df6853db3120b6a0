"""Outages: how long each host has failed. A short failure is waited for; in a long one every image and every search
would wait as long, one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock

from arpent.domain.boundary.pulse import pulse

PATIENCE_SECONDS = 180.0
"""A host that has failed for so long, without one answer in between, gets one try for each request."""
MOST_HOSTS = 1024
"""Hosts that are remembered."""


class Outages:
    """Since when each host has failed. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: dict[str, float] = {}
        self._lock = Lock()

    def is_long(self, host: str) -> bool:
        """Whether the host has failed for so long that it is not waited for."""
        since = self._since.get(host)
        return since is not None and self._clock() - since >= PATIENCE_SECONDS

    def failed(self, host: str) -> None:
        """The host gave no answer, or one that it is busy or broken."""
        pulse()  # who waits for many that fail, one after the other, does not hang
        with self._lock:
            if len(self._since) >= MOST_HOSTS:
                self._since.clear()
            self._since.setdefault(host, self._clock())

    def answered(self, host: str) -> None:
        """The host gave an answer of any other kind."""
        pulse()
        if host in self._since:
            with self._lock:
                self._since.pop(host, None)
