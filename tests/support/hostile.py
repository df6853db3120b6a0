"""A hostile network: a proxy between HTTP clients and a server that fails, hangs up, loses answers and trickles, by a
seed."""

from __future__ import annotations

import random
import socket
import struct
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from http.client import HTTPConnection, HTTPException, HTTPResponse
from http.server import BaseHTTPRequestHandler
from threading import Lock
from urllib.parse import unquote, urlsplit

from tests.support.http_server import QuietHandler, served

_OF_A_CONNECTION = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "expect"})
_PIECES = 20


class Fault(StrEnum):
    """What may happen to a request."""

    BUSY = "answered 500, 503 or 429, with a Retry-After, and not passed on"
    HUNG_UP = "not passed on, and not answered"
    DONE_BUT_500 = "passed on and done, and answered 500"
    LOST = "passed on and done, and not answered"
    CUT = "passed on, and the answer is cut in the middle"
    TRICKLE = "passed on, and the answer comes drop by drop, for about a second"


@dataclass(kw_only=True)
class Hostile:
    """The proxy. Harmless until `share` is set."""

    target: tuple[str, int]
    seed: int
    url: str = ""
    share: float = 0.0
    """Of the requests that something happens to."""
    statuses: dict[str, int] = field(default_factory=dict)
    """Part of a path → what is answered to everything that has it in its path, always."""
    happened: Counter[Fault] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._lock = Lock()

    def fault(self) -> Fault | None:
        """What happens to the next request."""
        with self._lock:
            if self._random.random() >= self.share:
                return None
            fault = self._random.choice(list(Fault))
            self.happened[fault] += 1
            return fault

    def status(self) -> int:
        with self._lock:
            return self._random.choice((500, 503, 429))

    def standing(self, path: str) -> int:
        """The status that this path has for ever; 0: none."""
        name = unquote(urlsplit(path).path)
        return next((status for part, status in self.statuses.items() if part in name), 0)


def _passed_on(
    request: BaseHTTPRequestHandler, target: tuple[str, int], body: bytes
) -> tuple[HTTPResponse, bytes] | None:
    """The server's answer, if there is one. `Host` stays as it was: it is part of what is signed."""
    connection = HTTPConnection(*target, timeout=60)
    try:
        connection.putrequest(request.command, request.path, skip_host=True, skip_accept_encoding=True)
        for name, value in request.headers.items():
            if name.lower() not in _OF_A_CONNECTION:
                connection.putheader(name, value)
        if body or request.command in ("PUT", "POST"):
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body or None)
        answer = connection.getresponse()
        return answer, answer.read()
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()


def _handler(proxy: Hostile) -> type[BaseHTTPRequestHandler]:
    class Handler(QuietHandler):
        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if standing := proxy.standing(self.path):
                return self._say(standing)
            fault = proxy.fault()
            if fault is Fault.BUSY:
                return self._say(proxy.status(), {"Retry-After": "1"})
            answered = None if fault is Fault.HUNG_UP else _passed_on(self, proxy.target, body)
            if answered is None or fault is Fault.LOST:
                return self._reset()
            if fault is Fault.DONE_BUT_500:
                return self._say(500)
            return self._answer(*answered, fault)

        do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _serve  # noqa: N815

        def _say(self, status: int, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": "0", **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()

        def _answer(self, answer: HTTPResponse, content: bytes, fault: Fault | None) -> None:
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in _OF_A_CONNECTION:
                    self.send_header(name, value)
            length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(content))
            self.send_header("Content-Length", length or "0")
            self.end_headers()
            if fault is Fault.CUT:
                with suppress(OSError):
                    self.wfile.write(content[: len(content) // 2])
                return self._reset()
            step = max(1, -(-len(content) // _PIECES)) if fault is Fault.TRICKLE else len(content) or 1
            with suppress(OSError):
                for start in range(0, len(content), step):
                    self.wfile.write(content[start : start + step])
                    if fault is Fault.TRICKLE:
                        time.sleep(1 / _PIECES)
            return None

        def _reset(self) -> None:
            """End the connection without a goodbye."""
            self.close_connection = True
            with suppress(OSError):
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()

        def handle(self) -> None:
            with suppress(OSError, ValueError):  # the other side may hang up, too
                super().handle()

        def finish(self) -> None:
            with suppress(OSError, ValueError):
                super().finish()

    return Handler


@contextmanager
def hostile(url: str, seed: int = 1) -> Iterator[Hostile]:
    """A proxy in front of this server."""
    split = urlsplit(url)
    assert split.hostname, "an URL with a host"
    proxy = Hostile(target=(split.hostname, split.port or 80), seed=seed)
    with served(_handler(proxy)) as proxy.url:
        yield proxy
