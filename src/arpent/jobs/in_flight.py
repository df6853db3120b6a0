"""In flight: a piece of work that a runner has in hand, elsewhere or in a thread beside its loop."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from threading import Thread
from typing import Generic, TypeVar

from arpent.domain.boundary.unforeseen import NativePanic
from arpent.domain.partition import Outcome
from arpent.domain.ports.execution import Ticket
from arpent.domain.ports.jobs import Lease

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")


class BackgroundCall(Generic[Answer]):
    """One call in a thread of its own, with the interface of a Ticket. The thread is a daemon: a process that
    ends does not wait for it, and its lease runs out."""

    def __init__(self, call: Callable[[], Answer]) -> None:
        self._call = call
        self._answer: list[Answer] = []
        self._error: BaseException | None = None
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def done(self) -> bool:
        """Whether it has ended, well or not."""
        return not self._thread.is_alive()

    def begun(self) -> bool:
        """It always has."""
        return True

    def result(self) -> Answer:
        """What it returned, once it has; raises what it raised, as an Exception in any case."""
        self._thread.join()
        if isinstance(self._error, Exception):
            raise self._error
        if self._error is not None:
            raise NativePanic(f"{type(self._error).__name__}: {self._error}") from self._error
        return self._answer[0]

    def cancel(self) -> None:
        """Nothing: a thread cannot be ended from outside; without its lease it changes nothing."""

    def _run(self) -> None:
        try:
            self._answer.append(self._call())
        except BaseException as error:  # a thread's end is nobody's but its own; whoever asks is told
            self._error = error


@dataclass(slots=True, kw_only=True)
class InFlight:
    """A piece of work in hand."""

    lease: Lease
    """The right to it."""
    ticket: Ticket | BackgroundCall[None] | BackgroundCall[Outcome]
    """Where it is under way."""
    renew_at: datetime
    """When to hold the lease longer."""
    giving_up: bool = False
    """The ticket writes errors, not results."""
    outcome: Outcome | None = None
    """What came of it, until the store has it."""
    refused: bool = False
    """The database did not take the outcome as it was."""
    unwanted: bool = False
    """Its job was stopped before it had begun; the news of its beginning may still be under way."""

    def tell(self) -> None:
        """One line of the log about what came of a partition."""
        assert self.lease.partition is not None, "an analysis has no outcome"
        assert self.outcome is not None, "it is told once it has ended"
        log.info(
            "Partition %d is finished: %d features done, %d failed, %.1f MB read, %.1f s",
            self.lease.partition.number,
            self.outcome.done,
            self.outcome.failed,
            self.outcome.bytes_read / 1e6,
            sum(seconds for _, seconds in self.outcome.seconds),
            extra={"job": self.lease.job_id},
        )


def raising(error: Exception) -> Outcome:
    """The outcome of work that could not even be handed on: for a BackgroundCall."""
    raise error
