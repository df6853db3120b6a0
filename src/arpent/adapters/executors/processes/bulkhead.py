"""ProcessBulkhead: calls that a server must survive, in workers, with limits and turns (docs/adr/0009-bulkhead.md)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from arpent.adapters.executors.processes.fair_queue import FairQueue
from arpent.adapters.executors.processes.limits import CallLimits
from arpent.adapters.executors.processes.slot import Slot
from arpent.adapters.executors.processes.ticket import ProcessTicket

Answer = TypeVar("Answer")

CLOSE_SECONDS = 5.0
"""How long slots may take to end before their workers are killed under their hands."""
RESERVE = 1
"""Workers beyond those that one client may have at once: the next client never waits for the end of another's."""


class ProcessBulkhead:
    """Runs calls of clients in `workers` + RESERVE processes.

    One client has at most `workers` of them, and as many calls waiting as `queue` says; clients take turns. A call
    that is cancelled, takes too long or too much memory, or crashes costs its worker and nothing else; until there is
    a new worker in its place, the slot counts as that client's.
    """

    def __init__(
        self,
        workers: int,
        limits: CallLimits,
        *,
        queue: int,
        prepare: Callable[[], None] | None = None,
        kept_ready: bool = True,
    ) -> None:
        """`prepare` runs first in every worker, to have ready what a first call would wait for; picklable.
        `kept_ready`: start all workers at once, and again whenever one ends; else when a call needs one."""
        self._tickets = FairQueue(waiting=queue, running=workers)
        self._slots = tuple(
            Slot(self._tickets, prepare, limits, free=self._tickets.free, kept_ready=kept_ready)
            for _ in range(workers + RESERVE)
        )
        for slot in self._slots:
            slot.start()

    def submit(
        self, client: str, function: Callable[[Any], Answer], argument: object, seconds: float | None = None
    ) -> ProcessTicket[Answer]:
        """`function(argument)` for this client; both are picklable. `seconds`: less than calls may take.
        The ticket raises what it raised, LimitExceeded, WorkerDied, or CancelledError. Raises RateLimited if the client
        has too many waiting."""
        ticket = ProcessTicket(function, argument, seconds)
        self._tickets.put(client, ticket)
        return ticket

    def admit(self, client: str) -> None:
        """Raises RateLimited if the client has too many waiting: before anybody prepares a call."""
        self._tickets.admit(client)

    def close(self) -> None:
        """Cancel everything, leaving no process behind."""
        for slot in self._slots:
            slot.end()
        for ticket in self._tickets.close():
            ticket.cancel()
        end = time.monotonic() + CLOSE_SECONDS
        for slot in self._slots:
            slot.join(max(0.0, end - time.monotonic()))
        for slot in self._slots:
            slot.kill()
            slot.join(CLOSE_SECONDS)
