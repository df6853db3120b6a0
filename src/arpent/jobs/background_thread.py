"""Background call: one call in a thread of its own, with the interface of a Ticket."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


class BackgroundCall(Generic[Answer]):
    """The thread is a daemon: a process that ends does not wait for it, and its lease runs out."""

    def __init__(self, call: Callable[[], Answer]) -> None:
        self._call = call
        self._answer: list[Answer] = []
        self._error: Exception | None = None
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def done(self) -> bool:
        """Whether it has ended, well or not."""
        return not self._thread.is_alive()

    def begun(self) -> bool:
        """It always has."""
        return True

    def result(self) -> Answer:
        """What it returned, once it has; raises what it raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._answer[0]

    def cancel(self) -> None:
        """Nothing: a thread cannot be ended from outside; without its lease it changes nothing."""

    def _run(self) -> None:
        try:
            self._answer.append(self._call())
        except Exception as error:
            self._error = error
