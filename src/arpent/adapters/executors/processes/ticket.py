"""Ticket: work for a worker process, queried from one thread and settled by a worker thread."""

from __future__ import annotations

import math
import pickle
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from typing import Any, Generic, TypeVar

from arpent.domain.errors import WorkLost, WorldError

Answer = TypeVar("Answer")


class ProcessTicket(Generic[Answer]):
    """Work that waits for a worker, runs in one, or has ended."""

    def __init__(self, function: Callable[[Any], Answer], argument: object, seconds: float | None = None) -> None:
        """`function(argument)` runs in the worker; both must be picklable. `seconds` shortens the time limit of the
        worker's calls."""
        self.seconds = seconds
        self._work = (function, argument)
        self._unwanted = False
        self._held_until = math.inf
        self.future: Future[Answer] = Future()

    # ---- for the caller

    def done(self) -> bool:
        return self.future.done()

    def begun(self) -> bool:
        return self.future.running() or self.future.done()

    def result(self) -> Answer:
        try:
            return self.future.result()
        except CancelledError as error:
            raise WorldError("The work was cancelled", transient=True) from error

    def cancel(self) -> None:
        self._unwanted = True
        self.future.cancel()

    def hold(self, seconds: float) -> None:
        self._held_until = time.monotonic() + seconds

    # ---- for the worker thread

    @property
    def wanted(self) -> bool:
        """Whether the work has not been cancelled."""
        return not self._unwanted

    def check_held(self) -> None:
        """Raises WorkLost if the lease under which the work was submitted may have ended."""
        if time.monotonic() > self._held_until:
            raise WorkLost("The lease could not be renewed: others may be doing the work by now")

    def parcel(self) -> bytes:
        """The pickled work. Raises what pickle raises."""
        return pickle.dumps(self._work)

    def begin(self) -> bool:
        """Mark the work as begun; returns False if it was cancelled before."""
        return self.future.set_running_or_notify_cancel()

    def settle(self, outcome: Answer | Exception) -> None:
        """End the ticket with its outcome, unless it was cancelled before it began."""
        if self.future.cancelled() or not (self.future.running() or self.begin()):
            return
        if isinstance(outcome, Exception):
            self.future.set_exception(outcome)
        else:
            self.future.set_result(outcome)
