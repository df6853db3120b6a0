"""Deadline: HTTP requests that end in time even if the server trickles, stalls or never stops sending.

The timeouts of HTTP clients apply to each read, so one byte every few seconds keeps them waiting for ever. Here another
thread shuts the connection down while this one reads from it.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Condition, Lock, Thread, local
from typing import Any

from urllib3.exceptions import ConnectTimeoutError, NameResolutionError

from arpent.domain.boundary.wanted import Wanted, wanted_here

RESOLVE_SECONDS = 5.0
"""Time limit for resolving a host name."""
LOOK_SECONDS = 0.25
"""Seconds between two checks for deadlines that have passed."""
_HERE = local()


class Deadline:
    """The time limit of one thread's requests; see `within`. It passes early if their results are no longer wanted."""

    def __init__(self, seconds: float, wanted: Wanted) -> None:
        self.seconds = seconds
        self.end = time.monotonic() + seconds
        self._wanted = wanted
        self._lock = Lock()
        self._connections: list[socket.socket] = []
        self._left: list[socket.socket] = []
        """Sockets of connections that urllib3 has closed although their answer is still being read: an answer without a
        length ends when the server closes the connection."""
        _WATCH.add(self)

    @property
    def passed(self) -> bool:
        return time.monotonic() >= self.end or not self._wanted()

    @property
    def left(self) -> float:
        """Seconds until the deadline passes; 0 afterwards."""
        return 0.0 if self.passed else max(self.end - time.monotonic(), 0.0)

    def watch(self, connection: socket.socket) -> None:
        """Shut this connection down when the deadline passes."""
        with self._lock:
            self._connections.append(connection)
        if self.passed:
            self.shut_down()

    def keep(self, connection: socket.socket) -> bool:
        """Keep watching a connection that its owner has closed, and close its socket with the deadline. Returns whether
        the connection is watched."""
        with self._lock:
            watched = connection in self._connections
            if watched:
                self._left.append(connection)
        return watched

    def close(self) -> None:
        """Stop watching all connections, because the requests have ended."""
        with self._lock:
            for connection in self._left:
                connection.close()
            self._left.clear()
            self._connections.clear()
        _WATCH.discard(self)

    def shut_down(self) -> None:
        """Shut down the connections that are watched."""
        with self._lock:
            for connection in self._connections:
                with suppress(OSError):  # closed in the meantime
                    connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def within(seconds: float) -> Iterator[Deadline]:
    """Requests that this thread makes inside the `with` block, through a `DeadlineConnection`, end within `seconds`."""
    before, deadline = current(), Deadline(seconds, wanted_here())
    _HERE.deadline = deadline
    try:
        yield deadline
    finally:
        deadline.close()
        _HERE.deadline = before


def pause(seconds: float) -> None:
    """Wait before another try; return early if this thread's requests are no longer wanted."""
    wanted, end = wanted_here(), time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0 and wanted():
        time.sleep(min(left, LOOK_SECONDS))


class _Watch:
    """One thread for all deadlines: a thread for each would cost more than a short request."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._open: set[Deadline] = set()
        self._thread: Thread | None = None

    def add(self, deadline: Deadline) -> None:
        with self._changed:
            self._open.add(deadline)
            if self._thread is None or not self._thread.is_alive():
                self._thread = Thread(target=self._run, name="deadlines", daemon=True)
                self._thread.start()
            elif len(self._open) == 1:
                self._changed.notify()

    def discard(self, deadline: Deadline) -> None:
        with self._changed:
            self._open.discard(deadline)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._open:
                    self._changed.wait()
                due = [deadline for deadline in self._open if deadline.passed]
            for deadline in due:  # again and again until it is closed, as its thread may open further connections
                deadline.shut_down()
            time.sleep(LOOK_SECONDS)


_WATCH = _Watch()


def current() -> Deadline | None:
    """The deadline of this thread; None outside `within`."""
    return getattr(_HERE, "deadline", None)


class DeadlineConnection:
    """Mixin for urllib3 connections: the thread's deadline can shut them down, from the TLS handshake on."""

    _twin: socket.socket | None = None

    def _new_conn(self) -> socket.socket:
        deadline = current()
        if deadline is not None and deadline.passed:
            raise ConnectTimeoutError(self, "the deadline has passed")
        made = self._open(_resolved(self))
        self._twin = made.dup()  # TLS takes over the first descriptor
        if deadline is not None:
            deadline.watch(self._twin)
        return made

    def _open(self, addresses: list[str]) -> socket.socket:
        """A socket to the host. `addresses`: the addresses of the host; unused here, for subclasses that check them."""
        made: socket.socket = super()._new_conn()  # type: ignore[misc]
        return made

    def request(self, *arguments: Any, **options: Any) -> Any:
        deadline = current()
        if deadline is not None and self._twin is not None:
            deadline.watch(self._twin)
        return super().request(*arguments, **options)  # type: ignore[misc]

    def close(self) -> None:
        twin, self._twin = self._twin, None
        deadline = current()
        if twin is not None and not (deadline is not None and deadline.keep(twin)):
            twin.close()
        super().close()  # type: ignore[misc]


def _resolved(connection: Any) -> list[str]:
    """Resolve the host name in a thread, because a resolver can block for minutes. Raises NameResolutionError."""
    host, port = str(connection._dns_host), int(connection.port or 0)
    found: list[str] = []
    failure: list[socket.gaierror] = []

    def look_up() -> None:
        try:
            found.extend(addresses_of(host, port))
        except socket.gaierror as error:
            failure.append(error)
        except (OSError, UnicodeError) as error:
            failure.append(socket.gaierror(str(error)))

    thread = Thread(target=look_up, daemon=True)
    thread.start()
    thread.join(RESOLVE_SECONDS)
    if thread.is_alive() or failure:
        cause = failure[0] if failure else socket.gaierror(socket.EAI_AGAIN, "no answer")
        raise NameResolutionError(host, connection, cause)
    return found


def addresses_of(host: str, port: int) -> list[str]:
    """The addresses of a host, in the resolver's order. Raises OSError or UnicodeError."""
    answers = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in answers))
