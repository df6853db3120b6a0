"""Standstill: notices that this process stood still, so that another one may have taken over its work meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event, Lock, Thread
from types import TracebackType

from arpent.domain.errors import WorkLost

LOOKS = 60
"""Number of times that the clock is checked within the allowed time."""


_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Linux's clock that keeps running while the machine sleeps; elsewhere CLOCK_MONOTONIC does."""


def _real_time() -> float:
    """Seconds on a clock that keeps running while the machine sleeps."""
    return time.clock_gettime(_CLOCK)


class Standstill:
    """While this context is entered, a thread checks the clock. A long time between two checks may be due to computing,
    for example in native code that lets no other thread run; time in which the process used no processor is a
    standstill: it was suspended, or its machine slept. Thread-safe."""

    def __init__(
        self,
        seconds: float,
        clock: Callable[[], float] = _real_time,
        computed: Callable[[], float] = time.process_time,
    ) -> None:
        """`seconds`: how long the process may stand still. `computed`: seconds of processor time of all threads."""
        self._seconds = seconds
        self._clock, self._computed = clock, computed
        self._lock = Lock()
        self._ended = Event()
        self._longest = 0.0
        self._seen = clock(), computed()

    def __enter__(self) -> Standstill:
        Thread(target=self._watch, name="arpent-standstill", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()

    def check(self) -> None:
        """Raises WorkLost if the process has stood still for longer than is allowed, at any time until now."""
        longest = self._look()
        if longest > self._seconds:
            raise WorkLost(
                f"The process that did the work was suspended for {longest:.0f} s: others may have done it meanwhile"
            )

    def _watch(self) -> None:
        while not self._ended.wait(self._seconds / LOOKS):
            self._look()

    def _look(self) -> float:
        """The longest standstill until now, in seconds."""
        with self._lock:
            now = self._clock()
            if now - self._seen[0] > self._seconds / LOOKS:  # reading the processor time takes some 4 µs
                before, self._seen = self._seen, (now, self._computed())
                passed, computed = (now - then for now, then in zip(self._seen, before, strict=True))
                self._longest = max(self._longest, passed - computed)
            return self._longest
