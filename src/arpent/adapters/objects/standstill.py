"""Standstill: detects that the process was suspended, so that its work may have been given to another worker
meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event, Lock, Thread
from types import TracebackType

from arpent.domain.errors import WorkLost

LOOKS = 60
"""Looks at the clock in the time that is allowed."""


_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Linux's clock that goes on while the machine sleeps; elsewhere CLOCK_MONOTONIC does."""


def _real_time() -> float:
    """Seconds on a clock that goes on while the machine sleeps."""
    return time.clock_gettime(_CLOCK)


class Standstill:
    """While it is entered, a thread looks at the clock. Between two looks time passes in which the process computes,
    in native code that lets no other thread run, say; where it does not even compute, it was stopped, or its machine
    slept. Thread-safe."""

    def __init__(
        self,
        seconds: float,
        clock: Callable[[], float] = _real_time,
        computed: Callable[[], float] = time.process_time,
    ) -> None:
        """`seconds` for which the process may stand still. `computed`: seconds of processor time of all threads."""
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
            if now - self._seen[0] > self._seconds / LOOKS:  # to ask how long it computed takes some 4 µs
                before, self._seen = self._seen, (now, self._computed())
                passed, computed = (now - then for now, then in zip(self._seen, before, strict=True))
                self._longest = max(self._longest, passed - computed)
            return self._longest
