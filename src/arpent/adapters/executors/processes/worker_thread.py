"""Worker thread: owns a worker process, and replaces it when it dies. Every ticket that the thread takes is settled."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from contextlib import suppress
from threading import Thread
from typing import Any, Protocol

from arpent.adapters.executors.processes.fork_server import Load
from arpent.adapters.executors.processes.limits import NO_LIMITS, CallLimits
from arpent.adapters.executors.processes.ticket import ProcessTicket
from arpent.adapters.executors.processes.worker import Worker, opened
from arpent.domain.boundary.unforeseen import panics_as_errors
from arpent.domain.errors import EnvironmentFault, LimitExceeded, WorkerDied, WorldError

STARTS = 3
"""Number of workers in a row that may end while starting; one that died idle is not counted."""
FULL = 0.5
"""A worker that still uses this share of its memory after a call is replaced, because the next call would have only the
rest."""


class TicketQueue(Protocol):
    """Where worker threads get their tickets."""

    def get(self) -> ProcessTicket[Any] | None:
        """Wait for the next ticket; None: there will be no more."""


class WorkerThread(Thread):
    """Works on one ticket after the other until there are no more. No other thread uses its worker."""

    def __init__(
        self,
        tickets: TicketQueue,
        prepare: Callable[[], None] | None,
        limits: CallLimits = NO_LIMITS,
        *,
        free: Callable[[ProcessTicket[Any]], None] = lambda _: None,
        kept_ready: bool = False,
        load: Load | None = None,
    ) -> None:
        """`free`: called with each ticket once the thread can take another one. `kept_ready`: start a worker at once,
        and replace one that a ticket cost before the next ticket is taken. The other parameters are those of Worker."""
        super().__init__(name="arpent-worker", daemon=True)
        self._tickets = tickets
        self._prepare = prepare
        self._limits = limits
        self._free = free
        self._kept_ready = kept_ready
        self._load = load
        self._worker: Worker | None = None
        self._ending = False

    def run(self) -> None:
        self._keep_ready()
        while (ticket := self._tickets.get()) is not None:
            try:
                with panics_as_errors():
                    self._perform(ticket)
            except Exception as error:
                ticket.settle(error)
            self._keep_ready()
            self._free(ticket)
        self.kill()
        self._reap()

    def end(self) -> None:
        """Start no more workers; callable from any thread."""
        self._ending = True

    def kill(self) -> None:
        """Kill the worker, whatever it is doing; callable from any thread."""
        if (worker := self._worker) is not None:
            worker.kill()

    def _perform(self, ticket: ProcessTicket[Any]) -> None:
        if not ticket.wanted:
            raise CancelledError
        parcel = ticket.parcel()

        def wanted() -> None:
            if not ticket.wanted:
                raise CancelledError

        worker = self._ready(wanted)
        if not ticket.begin():
            return
        began = time.monotonic()

        def look() -> None:
            wanted()
            ticket.check_held()
            self._hold(worker, began, ticket.seconds)

        try:
            worker.give(parcel)
            ticket.settle(_as_outcome(opened(worker.answer(look)), self._limits))
        except EOFError as error:
            raise WorkerDied(f"A worker process died ({self._reap()})") from error
        except Exception:  # cancelled midway, over a limit, or an invalid answer
            self.kill()
            self._reap()
            raise

    def _hold(self, worker: Worker, began: float, seconds: float | None) -> None:
        """Check time, progress and memory of the running call. Raises LimitExceeded or WorkerDied."""
        limits = self._limits
        if limits.still_seconds is not None and worker.still > limits.still_seconds:
            still = f"it made no progress for {limits.still_seconds:g} s, which ARPENT_POLICY__STALL_SECONDS can change"
            raise WorkerDied(f"A worker process hung: {still}")
        seconds = limits.seconds if seconds is None else seconds
        if seconds is not None and time.monotonic() - began > seconds:
            raise _over(limits, f"It took longer than the allowed {seconds:g} s")
        if limits.memory_mib is not None and worker.resident_mib() > limits.memory_mib:
            raise _too_much(limits)

    def _keep_ready(self) -> None:
        """End a worker that has grown too large, and start one if this thread keeps one ready; an error is raised at
        the next ticket."""
        worker, limit = self._worker, self._limits.memory_mib
        if worker is not None and limit is not None and worker.resident_mib() > FULL * limit:
            self.kill()
            self._reap()
        if self._ending or not self._kept_ready:
            return

        def look() -> None:
            if self._ending:
                raise CancelledError

        with suppress(WorldError, CancelledError):
            self._ready(look)

    def _ready(self, look: Callable[[], None]) -> Worker:
        """A worker ready for work; one that died idle or while starting is replaced."""
        cause = ""
        for _ in range(1 + STARTS):
            try:
                self._worker = self._worker or Worker(self._prepare, self._limits.memory_mib, self._load)
                self._worker.make_ready(look)
            except EOFError:
                cause = self._reap()
            except OSError as error:
                raise EnvironmentFault(f"No worker process can be started: {error}") from error
            else:
                return self._worker
        raise EnvironmentFault(f"Worker processes end while starting ({cause}); the server's log has the details")

    def _reap(self) -> str:
        worker, self._worker = self._worker, None
        return "" if worker is None else worker.reap()


def _as_outcome(outcome: Any, limits: CallLimits) -> Any:
    """The outcome; a lack of memory in the worker becomes LimitExceeded if there is a limit."""
    return _too_much(limits) if _lacks_memory(outcome) and limits.memory_mib is not None else outcome


def _lacks_memory(outcome: Any) -> bool:
    """Whether the outcome is an out-of-memory error; GEOS and other C++ libraries say so in the message only."""
    return isinstance(outcome, MemoryError) or (isinstance(outcome, Exception) and "std::bad_alloc" in str(outcome))


def _too_much(limits: CallLimits) -> LimitExceeded:
    return _over(limits, f"It needs more than the allowed {limits.memory_mib} MiB of memory")


def _over(limits: CallLimits, what: str) -> LimitExceeded:
    return LimitExceeded(f"{what}. {limits.advice}" if limits.advice else what)
