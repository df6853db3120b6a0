"""Slot: a thread with a worker process of its own, which it replaces when it dies; every ticket it takes ends."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import CancelledError
from queue import SimpleQueue
from threading import Thread

from arpent.adapters.executors.processes.ticket import ProcessTicket
from arpent.adapters.executors.processes.worker import Worker, opened
from arpent.domain.boundary.unforeseen import panics_as_errors
from arpent.domain.errors import EnvironmentFault, WorkerDied

STARTS = 3
"""So many workers in a row may end while they start; one that died idle comes on top."""


class Slot(Thread):
    """One ticket after the other, until there is None. Nobody else waits for its worker, or on what it holds."""

    def __init__(self, tickets: SimpleQueue[ProcessTicket | None], prepare: Callable[[], None] | None) -> None:
        super().__init__(name="arpent-slot", daemon=True)
        self._tickets = tickets
        self._prepare = prepare
        self._worker: Worker | None = None

    def run(self) -> None:
        while (ticket := self._tickets.get()) is not None:
            try:
                with panics_as_errors():
                    self._perform(ticket)
            except Exception as error:
                ticket.settle(error)
        self.kill()
        self._bury()

    def kill(self) -> None:
        """End its worker, whatever it does; from any thread."""
        if (worker := self._worker) is not None:
            worker.kill()

    def _perform(self, ticket: ProcessTicket) -> None:
        if not ticket.wanted:
            raise CancelledError
        parcel = ticket.parcel()
        worker = self._ready(ticket)
        if not ticket.begin():
            return
        try:
            worker.give(parcel)
            ticket.settle(opened(worker.answer(lambda: ticket.wanted)))
        except EOFError as error:
            raise WorkerDied(f"A worker process died ({self._bury()})") from error
        except Exception:  # cancelled midway, or an answer that nobody understands
            self.kill()
            self._bury()
            raise

    def _ready(self, ticket: ProcessTicket) -> Worker:
        """A worker that takes work: one that died idle, or while it started, costs nobody anything."""
        cause = ""
        for _ in range(1 + STARTS):
            try:
                self._worker = self._worker or Worker(self._prepare)
                self._worker.make_ready(lambda: ticket.wanted)
            except EOFError:
                cause = self._bury()
            except OSError as error:
                raise EnvironmentFault(f"No worker process can be had: {error}") from error
            else:
                return self._worker
        raise EnvironmentFault(
            f"Worker processes end before they can begin ({cause}); the server's log has the details"
        )

    def _bury(self) -> str:
        worker, self._worker = self._worker, None
        return "" if worker is None else worker.bury()
