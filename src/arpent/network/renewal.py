"""Renewal: a key that expires, fetched once for all threads and renewed before it expires."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Generic, TypeVar

from arpent.network.access import AccessFailed

EARLY_SECONDS = 300.0
"""A key is renewed this long before it expires, or after three quarters of its lifetime if that is later."""
PAUSE_SECONDS = 2.0
"""After a failure no thread asks again for this long; those that waited for the same key get the same error."""
YOUNG_SECONDS = 2.0
"""If a key is refused within this time, or within the first quarter of its lifetime if that is shorter, then its age is
not the reason, and a new key would be refused as well."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedKey(Generic[T]):
    """A key and how long it is valid."""

    key: T = field(repr=False)
    seconds: float
    """Seconds from now until it expires; infinite if it does not expire."""


class Renewed(Generic[T]):
    """A key that renews itself. Thread-safe. While one thread fetches a new key, others use the old one if still
    valid."""

    def __init__(self, fetch: Callable[[], TimedKey[T]], clock: Callable[[], float] = time.monotonic) -> None:
        """`fetch`: gets a new key; may raise AccessFailed."""
        self._fetch = fetch
        self._clock = clock
        self._held: T | None = None
        self._came, self._renew, self._end = (-float("inf"),) * 3
        self._failure: AccessFailed | None = None
        self._failed = -float("inf")
        self._lock = Lock()

    def get(self) -> T:
        """A key that is valid now. Raises AccessFailed."""
        held, now = self._held, self._clock()
        if held is not None and now < self._end:
            if now < self._renew or not self._lock.acquire(blocking=False):
                return held
        else:
            self._lock.acquire()
        try:
            return self._current()
        finally:
            self._lock.release()

    def refuse(self, key: T) -> bool:
        """Report that this key was refused although it has not expired. Returns whether `get` may now give another."""
        with self._lock:
            if self._held is not None and self._held != key:
                return True
            if self._clock() - self._came < min(YOUNG_SECONDS, (self._end - self._came) / 4):
                return False
            self._held, self._end = None, -float("inf")
            return True

    def _current(self) -> T:
        now = self._clock()
        if self._held is not None and now < self._renew:
            return self._held
        if self._failure is not None and now - self._failed < PAUSE_SECONDS:
            return self._old(self._failure)
        try:
            lease = self._fetch()
        except AccessFailed as failure:
            failure.transient |= self._came > -float("inf") and not failure.refused
            self._failure, self._failed = failure, self._clock()
            return self._old(failure)
        self._failure, self._held, self._came = None, lease.key, self._clock()
        self._end = self._came + lease.seconds
        self._renew = self._end - min(EARLY_SECONDS, lease.seconds / 4)
        return lease.key

    def _old(self, failure: AccessFailed) -> T:
        """The old key if it is still valid and the failure is temporary. Raises the failure otherwise."""
        if self._held is not None and self._clock() < self._end and failure.transient:
            return self._held
        raise failure
