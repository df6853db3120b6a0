"""Bulkhead: runs a server's calls in worker processes, with limits; clients take turns (docs/adr/0009-bulkhead.md)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from arpent.adapters.executors.processes.fair_queue import FairQueue
from arpent.adapters.executors.processes.fork_server import Load
from arpent.adapters.executors.processes.limits import CallLimits
from arpent.adapters.executors.processes.ticket import ProcessTicket
from arpent.adapters.executors.processes.worker_thread import WorkerThread
from arpent.domain.boundary.trace import for_this_request

Answer = TypeVar("Answer")

CLOSE_SECONDS = 5.0
"""Seconds that threads may take to end before their workers are killed."""
RESERVE = 1
"""Workers beyond those that one client may use at once, so that a second client need not wait for the first one's
calls."""


class ProcessBulkhead:
    """Runs clients' calls in `workers` + `reserve` processes.

    One client uses at most `workers` of them and may have `queue` calls waiting; clients take turns. A call that is
    cancelled, takes too long or too much memory, or crashes costs only its worker; until that is replaced, its slot
    still counts as used by the client.
    """

    def __init__(
        self,
        workers: int,
        limits: CallLimits,
        *,
        queue: int,
        prepare: Callable[[], None] | None = None,
        kept_ready: bool = True,
        reserve: int = RESERVE,
        load: Load | None = None,
    ) -> None:
        """`prepare`: picklable, runs first in every worker, to prepare what the first call would have to wait for.
        `load`: picklable, runs once before that, in the process from which workers are forked. `kept_ready`: start all
        workers at once, and replace each that ends; otherwise start one when a call needs it. `reserve`: processes
        beyond those of one client; 0 if there is only one client."""
        self._tickets = FairQueue(waiting=queue, running=workers)
        self._threads = tuple(
            WorkerThread(self._tickets, prepare, limits, free=self._tickets.free, kept_ready=kept_ready, load=load)
            for _ in range(workers + reserve)
        )
        for thread in self._threads:
            thread.start()

    def submit(
        self, client: str, function: Callable[[Any], Answer], argument: object, seconds: float | None = None
    ) -> ProcessTicket[Answer]:
        """Run `function(argument)` for this client; both must be picklable. `seconds` shortens the time limit. Log
        lines of the call name the HTTP request that this thread or task works for.

        The ticket raises what the function raised, LimitExceeded, WorkerDied or CancelledError. Raises RateLimited if
        the client has too many calls waiting.
        """
        ticket: ProcessTicket[Answer] = ProcessTicket(for_this_request(function), argument, seconds)
        self._tickets.put(client, ticket)
        return ticket

    def admit(self, client: str) -> None:
        """Raises RateLimited if the client has too many calls waiting; to be called before a call is prepared."""
        self._tickets.admit(client)

    def close(self) -> None:
        """Cancel all calls and end all worker processes."""
        for thread in self._threads:
            thread.end()
        for ticket in self._tickets.close():
            ticket.cancel()
        end = time.monotonic() + CLOSE_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        for thread in self._threads:
            thread.kill()
            thread.join(CLOSE_SECONDS)
