"""Background call: one call in a thread of its own, with the interface of a Ticket."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import Generic, TypeVar

from arpent.domain.boundary.unforeseen import NativePanic

Answer = TypeVar("Answer")


class BackgroundCall(Generic[Answer]):
    """Runs one call in a daemon thread: a process that ends does not wait for it, and its lease runs out."""

    def __init__(self, call: Callable[[], Answer]) -> None:
        self._call = call
        self._answer: list[Answer] = []
        self._error: BaseException | None = None
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def done(self) -> bool:
        """Whether the call has ended, with or without an error."""
        return not self._thread.is_alive()

    def begun(self) -> bool:
        """Always True: the thread starts at once."""
        return True

    def result(self) -> Answer:
        """What the call returned; waits for it. Raises what the call raised, always as an Exception."""
        self._thread.join()
        if isinstance(self._error, Exception):
            raise self._error
        if self._error is not None:
            raise NativePanic(f"{type(self._error).__name__}: {self._error}") from self._error
        return self._answer[0]

    def cancel(self) -> None:
        """Does nothing: a thread cannot be ended from outside, and without its lease it changes nothing."""

    def _run(self) -> None:
        try:
            self._answer.append(self._call())
        except BaseException as error:  # a thread's end is nobody's but its own; whoever asks is told
            self._error = error
