"""Outages: how long each host has been failing. Requests wait for the end of a short outage, but not of a long one, in
which each image and each search would wait in turn."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock

from arpent.domain.boundary.pulse import pulse

PATIENCE_SECONDS = 180.0
"""If a host has failed for longer than this, without any answer in between, requests to it are not retried."""
MOST_HOSTS = 1024
"""Maximum number of hosts remembered."""


class Outages:
    """Since when each host has been failing. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: dict[str, float] = {}
        self._lock = Lock()

    def is_long(self, host: str) -> bool:
        """Whether the host has failed for so long that requests no longer wait for it."""
        since = self._since.get(host)
        return since is not None and self._clock() - since >= PATIENCE_SECONDS

    def failed(self, host: str) -> None:
        """Record that the host gave no answer, or answered that it is busy or broken."""
        pulse()  # a worker that meets many failures in a row is slow, but does not hang
        with self._lock:
            if len(self._since) >= MOST_HOSTS:
                self._since.clear()
            self._since.setdefault(host, self._clock())

    def answered(self, host: str) -> None:
        """Record that the host gave any other answer."""
        pulse()
        if host in self._since:
            with self._lock:
                self._since.pop(host, None)
