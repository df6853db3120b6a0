"""Executor over worker processes: a worker that dies costs its own ticket only (docs/adr/0007-worker-processes.md)."""

from __future__ import annotations

import time
from collections.abc import Callable
from queue import SimpleQueue
from threading import Lock

from arpent.adapters.executors.processes.fork_server import Load
from arpent.adapters.executors.processes.limits import NO_LIMITS, CallLimits
from arpent.adapters.executors.processes.ticket import ProcessTicket
from arpent.adapters.executors.processes.worker_thread import WorkerThread
from arpent.domain.errors import WorldError
from arpent.domain.partition import Outcome
from arpent.domain.ports.jobs import Lease

CLOSE_SECONDS = 5.0
"""Seconds that threads may take to end before their workers are killed."""


class ProcessExecutor:
    """At most a fixed number of workers, each started when there are more tickets than workers, and kept."""

    def __init__(
        self,
        workers: int,
        prepare: Callable[[], None] | None = None,
        spare: int = 0,
        load: Load | None = None,
        limits: CallLimits = NO_LIMITS,
    ) -> None:
        """`prepare`: picklable, runs first in every worker (logging). `spare`: additional workers that `slots` does not
        count, for a runner that submits one more ticket when one client occupies all slots. `load`: picklable, runs
        once before the first worker starts, in the process from which they are forked. `limits`: limits of each
        ticket."""
        self._lock = Lock()
        self._closed = False
        self._running: set[ProcessTicket[Outcome]] = set()
        self._tickets: SimpleQueue[ProcessTicket[Outcome] | None] = SimpleQueue()
        self._workers = workers
        self._most = workers + spare
        self._prepare = prepare
        self._load = load
        self._limits = limits
        self._threads: list[WorkerThread] = []

    @property
    def slots(self) -> int:
        return self._workers

    def make_ready(self) -> None:
        """Start the workers that `slots` counts, before there are tickets for them."""
        with self._lock:
            while len(self._threads) < self._workers and not self._closed:
                self._begin(kept_ready=True)

    def submit(self, function: Callable[[Lease], Outcome], lease: Lease) -> ProcessTicket[Outcome]:
        ticket = ProcessTicket(function, lease)
        with self._lock:
            if self._closed:
                raise WorldError("The worker processes have ended", transient=True)
            self._running.add(ticket)
            # Waiting threads get tickets in turn: one thread too many would start a worker that is not needed.
            if len(self._running) > len(self._threads) and len(self._threads) < self._most:
                self._begin()
            self._tickets.put(ticket)
        ticket.future.add_done_callback(lambda _: self._running.discard(ticket))
        return ticket

    def close(self) -> None:
        with self._lock:
            self._closed = True
            for ticket in tuple(self._running):
                ticket.cancel()
            for thread in self._threads:
                thread.end()
                self._tickets.put(None)
        end = time.monotonic() + CLOSE_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        for thread in self._threads:  # those left wait for a worker that does not respond: it may be suspended
            thread.kill()
            thread.join(CLOSE_SECONDS)

    def _begin(self, *, kept_ready: bool = False) -> None:
        thread = WorkerThread(self._tickets, self._prepare, self._limits, kept_ready=kept_ready, load=self._load)
        self._threads.append(thread)
        thread.start()
