"""Memo: values that are fetched once per key, by the first thread that needs them, while other threads wait."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Memo(Generic[Key, Value]):
    """Values by key. Thread-safe; failures are not remembered, since they may be temporary."""

    def __init__(self, most: int, seconds: float = math.inf) -> None:
        """`most`: maximum number of values kept (the least recently used are dropped); `seconds`: how long each is
        kept."""
        self._most = most
        self._seconds = seconds
        self._kept: OrderedDict[Key, tuple[float, Future[Value]]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        """The value for a key; this thread calls `make` unless another one has begun to. Raises what `make` raises."""
        with self._lock:
            future = self._known(key)
            mine = future is None
            if future is None:
                future = self._keep(key, Future())
            self._kept.move_to_end(key)
        if mine:
            try:
                future.set_result(make())
            except BaseException as error:  # raised in the waiting threads
                future.set_exception(error)
        try:
            return future.result()
        except BaseException:
            with self._lock:
                if key in self._kept and self._kept[key][1] is future:
                    del self._kept[key]
            raise

    def begin(self, key: Key, start: Callable[[], Future[Value]]) -> None:
        """Have `start` make the value elsewhere, unless it is known or already being made; a failed one is made again.
        `start` must not block."""
        with self._lock:
            future = self._known(key)
            if future is None or (future.done() and (future.cancelled() or future.exception() is not None)):
                self._keep(key, start())

    def known(self, key: Key) -> Value | None:
        """The value if it has been made already, else None."""
        with self._lock:
            future = self._known(key)
        return future.result() if future is not None and future.done() and future.exception() is None else None

    def forget(self, key: Key) -> None:
        """Drop the value, so that the next `get` makes it again."""
        with self._lock:
            self._kept.pop(key, None)

    def clear(self) -> list[Future[Value]]:
        """Forget all values, and return their futures."""
        with self._lock:
            futures = [future for _, future in self._kept.values()]
            self._kept.clear()
        return futures

    def _known(self, key: Key) -> Future[Value] | None:
        began, future = self._kept.get(key, (0.0, None))
        if future is not None and future.done() and time.monotonic() - began >= self._seconds:
            return None
        return future

    def _keep(self, key: Key, future: Future[Value]) -> Future[Value]:
        self._kept[key] = time.monotonic(), future
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return future


class RecentKeys(Generic[Key]):
    """A set of recently added keys. Thread-safe."""

    def __init__(self, most: int, seconds: float, clock: Callable[[], float] | None = None) -> None:
        """`most`: maximum number of keys kept (the oldest are dropped); `seconds`: how long each is kept."""
        self._most = most
        self._seconds = seconds
        self._clock = clock or time.monotonic
        self._added: OrderedDict[Key, float] = OrderedDict()
        self._lock = Lock()

    def add(self, key: Key) -> None:
        """Add the key, or renew it."""
        with self._lock:
            self._added[key] = self._clock()
            self._added.move_to_end(key)
            while len(self._added) > self._most:
                self._added.popitem(last=False)

    def __contains__(self, key: Key) -> bool:
        with self._lock:
            added = self._added.get(key)
        return added is not None and self._clock() - added < self._seconds
