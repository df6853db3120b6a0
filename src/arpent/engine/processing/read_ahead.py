"""Read ahead: the pixels of the next intervals are read by other threads while those of one are evaluated, so that no
processor waits at the end of an interval for its last block."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from time import perf_counter

from arpent.engine.processing.acquisitions import IntervalAcquisitions
from arpent.engine.processing.inputs import Prepared

INTERVALS = 2
"""Intervals that are read ahead."""
FROM_SECONDS = 0.003
"""What is read faster than this is in memory already: threads would only take turns."""
_Read = Callable[[IntervalAcquisitions], Prepared]
_Begun = Future[tuple[Prepared, float]]


class ReadAhead:
    """Reads intervals, in order, with `read`, which must be fit for several threads at once."""

    def __init__(self, read: _Read, pool: ThreadPoolExecutor) -> None:
        self._read = read
        self._pool = pool
        self._begun: deque[tuple[IntervalAcquisitions, _Begun | None]] = deque()
        self._current: _Begun | None = None
        self._seconds = 0.0

    def each(self, found: Iterable[IntervalAcquisitions]) -> Iterator[IntervalAcquisitions]:
        """The same intervals; while the caller works on one, those after it are read if the last one took long."""
        for one in found:
            self._begun.append((one, self._begin(one)))
            if len(self._begun) > INTERVALS:
                yield self._next()
        while self._begun:
            yield self._next()

    def read(self, found: IntervalAcquisitions) -> Prepared:
        """What `read` gives or raises for the interval that `each` gave last."""
        current, self._current = self._current, None
        prepared, self._seconds = self._timed(found) if current is None else current.result()
        return prepared

    def cancel(self) -> None:
        """Do not read what has not begun."""
        for _, future in self._begun:
            if future is not None:
                future.cancel()

    def _begin(self, found: IntervalAcquisitions) -> _Begun | None:
        if self._seconds < FROM_SECONDS or found.error is not None or not found.present.any():
            return None
        return self._pool.submit(copy_context().run, self._timed, found)

    def _next(self) -> IntervalAcquisitions:
        found, self._current = self._begun.popleft()
        return found

    def _timed(self, found: IntervalAcquisitions) -> tuple[Prepared, float]:
        start = perf_counter()
        return self._read(found), perf_counter() - start


@contextmanager
def reading_ahead(read: _Read) -> Iterator[ReadAhead]:
    """A ReadAhead whose threads end with the block."""
    with ThreadPoolExecutor(INTERVALS, thread_name_prefix="ahead") as pool:
        ahead = ReadAhead(read, pool)
        try:
            yield ahead
        finally:
            ahead.cancel()
