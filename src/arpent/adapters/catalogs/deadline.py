"""Deadline: HTTP requests that end in time whatever the server does: it may trickle, stall, or send without end.

Timeouts of the usual clients apply to each read, so one byte every few seconds keeps them waiting for ever. Here a
timer shuts the connection down while the thread reads from it.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Lock, Thread, Timer, local
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager, Retry
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NameResolutionError

from arpent.network.connections import check_target, connected, guard_session
from arpent.network.policy import EgressPolicy

RESOLVE_SECONDS = 5.0
"""Time limit for resolving a host name."""
MOST_ANSWER_BYTES = 256 << 20
"""Maximum size of one answer, unpacked."""
LONGEST_RETRY_AFTER = 20.0
"""Longest pause that a server can ask for, in seconds."""
_CHUNK = 1 << 16
_HERE = local()


class Deadline:
    """The time limit of one thread's requests; see `within`."""

    def __init__(self, seconds: float) -> None:
        self.end = time.monotonic() + seconds
        self._lock = Lock()
        self._connections: list[socket.socket] = []
        self._timer = Timer(seconds, self._shut_down)
        self._timer.daemon = True
        self._timer.start()

    @property
    def passed(self) -> bool:
        return time.monotonic() >= self.end

    def watch(self, connection: socket.socket) -> None:
        """Shut this connection down when the time is over."""
        with self._lock:
            self._connections.append(connection)
        if self.passed:
            self._shut_down()

    def close(self) -> None:
        """Cancel the timer: the requests ended in time."""
        self._timer.cancel()

    def _shut_down(self) -> None:
        with self._lock:
            for connection in self._connections:
                with suppress(OSError):  # it was closed meanwhile
                    connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def within(seconds: float) -> Iterator[Deadline]:
    """Requests that this thread makes inside the `with` block, through a session of `session`, end within `seconds`."""
    deadline = _HERE.deadline = Deadline(seconds)
    try:
        yield deadline
    finally:
        deadline.close()
        _HERE.deadline = None


def session(retry: Retry, timeout: tuple[float, float], policy: EgressPolicy | None = None) -> requests.Session:
    """A session whose requests obey the deadline. `timeout`: seconds to connect, and between two bytes. `policy`: where
    requests and redirects may go; None: anywhere."""
    made = requests.Session()
    if policy is not None:
        guard_session(made)
    adapter = _Adapter(timeout, retry, policy)
    made.mount("http://", adapter)
    made.mount("https://", adapter)
    return made


class PatientRetry(Retry):
    """Retries that stop at the deadline, and at once if a name does not resolve; pauses are bounded."""

    def increment(self, method=None, url=None, response=None, error=None, _pool=None, _stacktrace=None):  # type: ignore[no-untyped-def]
        deadline = _current()
        if isinstance(error, NameResolutionError) or (deadline is not None and deadline.passed):
            raise MaxRetryError(_pool, url, error) from error
        return super().increment(method, url, response, error, _pool, _stacktrace)

    def get_retry_after(self, response):  # type: ignore[no-untyped-def]
        asked = super().get_retry_after(response)
        return None if asked is None else min(asked, LONGEST_RETRY_AFTER)


def _current() -> Deadline | None:
    return getattr(_HERE, "deadline", None)


class _Adapter(HTTPAdapter):
    def __init__(self, timeout: tuple[float, float], retry: Retry, policy: EgressPolicy | None) -> None:
        self._timeout = timeout
        self._policy = policy
        super().__init__(max_retries=retry)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        _watch_pools(self.poolmanager, self._policy)

    def proxy_manager_for(self, *arguments: Any, **options: Any) -> Any:
        manager = super().proxy_manager_for(*arguments, **options)
        _watch_pools(manager, None)  # the operator's proxy; its targets are asked about in `send`
        return manager

    def send(self, request, stream=False, timeout=None, verify=True, cert=None, proxies=None):  # type: ignore[no-untyped-def]
        """As in the base class, but the whole answer is read here, up to MOST_ANSWER_BYTES."""
        if self._policy is not None:
            check_target(str(request.url), self._policy)
        answer = super().send(request, True, timeout or self._timeout, verify, cert, proxies)
        parts, size = [], 0
        for part in answer.iter_content(_CHUNK):
            parts.append(part)
            size += len(part)
            if size > MOST_ANSWER_BYTES:
                answer.close()
                raise requests.exceptions.ContentDecodingError(f"the answer is longer than {MOST_ANSWER_BYTES} bytes")
        answer._content = b"".join(parts)
        answer._content_consumed = True  # type: ignore[attr-defined]
        return answer


class _Watched:
    """A connection that the thread's deadline can shut down, from the start of its handshake."""

    _twin: socket.socket | None = None

    def _new_conn(self) -> socket.socket:
        deadline = _current()
        if deadline is not None and deadline.passed:
            raise ConnectTimeoutError(self, "the deadline has passed")
        _resolve(self)
        made = self._open()
        self._twin = made.dup()  # TLS takes the first one over
        if deadline is not None:
            deadline.watch(self._twin)
        return made

    def _open(self) -> socket.socket:
        made: socket.socket = super()._new_conn()  # type: ignore[misc]
        return made

    def request(self, *arguments: Any, **options: Any) -> Any:
        deadline = _current()
        if deadline is not None and self._twin is not None:
            deadline.watch(self._twin)
        return super().request(*arguments, **options)  # type: ignore[misc]

    def close(self) -> None:
        twin, self._twin = self._twin, None
        if twin is not None:
            twin.close()
        super().close()  # type: ignore[misc]


def _watch_pools(manager: PoolManager, policy: EgressPolicy | None) -> None:
    """Make the pools use watched connections. With a policy, each connects only to an address that the policy
    allows."""

    class Guarded(_Watched):
        def _open(self) -> socket.socket:
            return super()._open() if policy is None else connected(self, policy)

    class Plain(Guarded, HTTPConnection):
        pass

    class Secure(Guarded, HTTPSConnection):
        pass

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    manager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}


def _resolve(connection: Any) -> None:
    """Resolve the host name in a thread, because a resolver can block for minutes. Raises NameResolutionError."""
    host, port = connection._dns_host, connection.port
    failure: list[socket.gaierror] = []

    def look_up() -> None:
        try:
            socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            failure.append(error)
        except (OSError, UnicodeError):
            pass  # the connection will say it

    thread = Thread(target=look_up, daemon=True)
    thread.start()
    thread.join(RESOLVE_SECONDS)
    if thread.is_alive() or failure:
        cause = failure[0] if failure else socket.gaierror(socket.EAI_AGAIN, "no answer")
        raise NameResolutionError(host, connection, cause)
