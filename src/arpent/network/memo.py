"""Memo: what is fetched once per key, by the thread that asks first; the others wait for it."""

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
    """Values by key. Thread-safe; a failure is not remembered, since it may pass."""

    def __init__(self, most: int, seconds: float = math.inf) -> None:
        """`most`: values kept, those used last; `seconds`: for how long each is kept."""
        self._most = most
        self._seconds = seconds
        self._kept: OrderedDict[Key, tuple[float, Future[Value]]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        """The value, made here unless another thread has begun to make it. Raises what `make` raises."""
        with self._lock:
            future = self._known(key)
            mine = future is None
            if future is None:
                future = self._keep(key, Future())
            self._kept.move_to_end(key)
        if mine:
            try:
                future.set_result(make())
            except BaseException as error:  # raised to the threads that wait
                future.set_exception(error)
        try:
            return future.result()
        except BaseException:
            with self._lock:
                if key in self._kept and self._kept[key][1] is future:
                    del self._kept[key]
            raise

    def begin(self, key: Key, start: Callable[[], Future[Value]]) -> None:
        """Have the value made elsewhere, unless a thread has begun to make it; also if that failed and the value was
        not asked for since. `start` must not wait."""
        with self._lock:
            future = self._known(key)
            if future is None or (future.done() and (future.cancelled() or future.exception() is not None)):
                self._keep(key, start())

    def known(self, key: Key) -> Value | None:
        """The value, if it is there already."""
        with self._lock:
            future = self._known(key)
        return future.result() if future is not None and future.done() and future.exception() is None else None

    def forget(self, key: Key) -> None:
        """Have the value made again when it is next asked for."""
        with self._lock:
            self._kept.pop(key, None)

    def clear(self) -> list[Future[Value]]:
        """Forget all values, and return them."""
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
    """Keys added lately. Thread-safe."""

    def __init__(self, most: int, seconds: float, clock: Callable[[], float] | None = None) -> None:
        """`most`: keys kept, those added last; `seconds`: for how long each is kept."""
        self._most = most
        self._seconds = seconds
        self._clock = clock or time.monotonic
        self._added: OrderedDict[Key, float] = OrderedDict()
        self._lock = Lock()

    def add(self, key: Key) -> None:
        """Keep it, from now on."""
        with self._lock:
            self._added[key] = self._clock()
            self._added.move_to_end(key)
            while len(self._added) > self._most:
                self._added.popitem(last=False)

    def __contains__(self, key: Key) -> bool:
        with self._lock:
            added = self._added.get(key)
        return added is not None and self._clock() - added < self._seconds
