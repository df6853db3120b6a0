"""Byte counter: counts the bytes read for the current piece of work, whichever thread reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from threading import Lock
from typing import ParamSpec, TypeVar

from arpent.domain.boundary.pulse import pulse

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


class Bytes:
    """A count of bytes. Thread-safe."""

    def __init__(self) -> None:
        self.total = 0
        self._lock = Lock()

    def add(self, count: int) -> None:
        """Add bytes to the count."""
        with self._lock:
            self.total += count


class ByteMeter:
    """Adds bytes to the count of the work that the calling thread does: partitions in one process are counted
    separately."""

    def __init__(self) -> None:
        self._current: ContextVar[Bytes | None] = ContextVar("bytes", default=None)

    @contextmanager
    def counting(self) -> Iterator[Bytes]:
        """Count what is read inside the `with` block."""
        count = Bytes()
        token = self._current.set(count)
        try:
            yield count
        finally:
            self._current.reset(token)

    def add(self, count: int) -> None:
        """Add bytes to the count of the current work, if there is one."""
        pulse()
        if (current := self._current.get()) is not None:
            current.add(count)


def on_behalf(function: Callable[Given, Answer]) -> Callable[Given, Answer]:
    """Wrap a function for one call in another thread: what it reads counts for the thread that called `on_behalf`."""
    context = copy_context()

    def call(*arguments: Given.args, **options: Given.kwargs) -> Answer:
        return context.run(function, *arguments, **options)

    return call
