"""Fair queue: tickets of many clients, who take turns; the number of each client's running and waiting tickets is
limited."""

from __future__ import annotations

from collections import OrderedDict, deque
from threading import Condition
from typing import Any

from arpent.adapters.executors.processes.ticket import ProcessTicket
from arpent.domain.errors import RateLimited, WorldError

Ticket = ProcessTicket[Any]


class FairQueue:
    """A queue of tickets by client. Thread-safe."""

    def __init__(self, *, waiting: int, running: int) -> None:
        """`waiting`, `running`: maximum number of tickets of one client in each state."""
        self._most_waiting = waiting
        self._most_running = running
        self._waiting: OrderedDict[str, deque[Ticket]] = OrderedDict()
        """Waiting tickets by client; the client whose turn is next comes first."""
        self._running: dict[str, set[Ticket]] = {}
        self._clients: dict[Ticket, str] = {}
        self._closed = False
        self._changed = Condition()

    def admit(self, client: str) -> None:
        """Raises RateLimited if the client has too many tickets waiting."""
        with self._changed:
            waiting, running = len(self._waiting.get(client, ())), len(self._running.get(client, ()))
            if waiting >= self._most_waiting:
                raise RateLimited(
                    f"You have {running} requests under way and {waiting} waiting; no more than {self._most_waiting} "
                    "may wait. Send the next when one of them has been answered."
                )

    def put(self, client: str, ticket: Ticket) -> None:
        """Add a ticket. Raises RateLimited if the client has too many waiting, WorldError once the queue is closed."""
        with self._changed:
            if self._closed:
                raise WorldError("The server is shutting down", transient=True)
            self.admit(client)
            self._waiting.setdefault(client, deque()).append(ticket)
            self._clients[ticket] = client
            self._changed.notify_all()
        # A ticket that is cancelled while it waits frees its place at once.
        ticket.future.add_done_callback(lambda _: self._leave(ticket))

    def get(self) -> Ticket | None:
        """Wait for the next ticket, of the client whose turn it is among those that may run one more. None: the queue
        is closed."""
        with self._changed:
            while True:
                if self._closed:
                    return None
                if (ticket := self._next()) is not None:
                    return ticket
                self._changed.wait()

    def free(self, ticket: Ticket) -> None:
        """Record that the thread that ran this ticket can take another."""
        with self._changed:
            client = self._clients.pop(ticket, None)
            if client is not None:
                running = self._running[client]
                running.discard(ticket)
                if not running:
                    del self._running[client]
                self._changed.notify_all()

    def close(self) -> tuple[Ticket, ...]:
        """Give out no more tickets; returns those that wait or run."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            return tuple(self._clients)

    def _next(self) -> Ticket | None:
        for client, queue in self._waiting.items():
            if queue and len(self._running.get(client, ())) < self._most_running:
                ticket = queue.popleft()
                self._running.setdefault(client, set()).add(ticket)
                self._waiting.move_to_end(client)
                if not queue:
                    del self._waiting[client]
                return ticket
        return None

    def _leave(self, ticket: Ticket) -> None:
        with self._changed:
            client = self._clients.get(ticket)
            queue = self._waiting.get(client, deque()) if client is not None else deque()
            if ticket in queue:
                queue.remove(ticket)
                del self._clients[ticket]
                if not queue:
                    self._waiting.pop(str(client), None)
