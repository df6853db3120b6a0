"""Middleware: rules for every request: CORS, a limit on the body, and a JSON body for every error, even if the request
is not valid HTTP."""

from __future__ import annotations

import asyncio
import json
import logging
import math
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from itertools import chain
from typing import ClassVar

import h11
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from arpent.domain.boundary.text import whole_number
from arpent.domain.boundary.unforeseen import ENDS_THE_PROCESS, environment_fault
from arpent.wire.problems import Problem, problem, refused

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
"""HTTP methods that a path may support."""
CORS = {
    "access-control-allow-origin": "*",
    "access-control-allow-headers": "origin,content-type,accept,accept-crs,authorization,cache-control",
    "access-control-allow-credentials": "true",
    "access-control-allow-methods": "GET, POST, PUT, DELETE, OPTIONS, HEAD, PATCH",
    "access-control-max-age": "3600",
}
"""CORS headers of every answer, as the real service sends them (sentinelhub.md 1.7)."""

JSON = "application/json;charset=utf-8"
"""Content type of every JSON answer (sentinelhub.md 1.7)."""

TOO_LARGE = "The request body is larger than {} bytes; put features and scripts into a bucket."

BROKEN = "This is not an HTTP/1.1 request; check its first line, Content-Length, Transfer-Encoding and headers."

SLOW = "The request did not arrive in time; send it at once."

REQUEST_SECONDS, SLOWEST = 30.0, 10_000.0
"""Seconds in which a request must arrive, and the number of received bytes that extend this time by one second."""
ANSWER_SECONDS = 30.0
"""Seconds in which a client must receive each piece of an answer (`held_bytes.PIECE`)."""
LOOK_SECONDS = 5.0
"""Seconds between two checks of these time limits."""

ENCODED = "The body is compressed (Content-Encoding); send it uncompressed."

_LOGGER = logging.getLogger(__name__)


class RequestMiddleware:
    """ASGI middleware around the whole application."""

    def __init__(
        self, app: ASGIApp, maximum_body: int, methods: Callable[[Scope], str], limits: Mapping[str, int] | None = None
    ) -> None:
        """`methods` returns the HTTP methods of a request's path, for `Allow`; empty if there is no such path.
        `limits`: paths with a different limit on the body → bytes."""
        self._app = app
        self._maximum_body = maximum_body
        self._limits = limits or {}
        self._methods = methods

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, bare = False, scope["method"] == "HEAD"

        async def send_with_cors(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                MutableHeaders(scope=message).update(CORS)
            elif bare:
                message = {**message, "body": b""}
            await send(message)

        if scope["method"] == "OPTIONS":
            methods = self._methods(scope)
            await Response(status_code=200, headers={"allow": methods} if methods else {})(
                scope, receive, send_with_cors
            )
            return
        whole = scope
        if bare:  # HEAD is GET without the body
            scope = {**scope, "method": "GET"}
        headers = Headers(scope=scope)
        if "content-length" in headers and "transfer-encoding" in headers:  # a proxy may see the body end elsewhere
            await answer(refused(400, BROKEN, {"connection": "close"}))(scope, receive, send_with_cors)
            return
        if headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            await answer(refused(415, ENCODED))(scope, receive, send_with_cors)
            return
        most = self._limits.get(scope["path"], self._maximum_body)
        if (whole_number(headers.get("content-length", "")) or 0) > most:
            await answer(refused(413, TOO_LARGE.format(most)))(scope, receive, send_with_cors)
            return
        try:
            await self._app(scope, _limited(receive, most), send_with_cors)
        except (asyncio.CancelledError, *ENDS_THE_PROCESS):
            raise
        except ClientDisconnect:  # the client has disconnected: this is not our error, and needs no answer
            return
        except BaseException as error:  # a native library's panic is not an Exception, but is answered too
            # the path may be shown, but not the body or the query
            _LOGGER.exception("%s %s failed", scope["method"], scope["path"])
            if begun:
                raise
            await answer(problem(environment_fault(error) or error))(scope, receive, send_with_cors)
        finally:
            if "route" in scope:  # for the request log, which sees the scope of the original HEAD
                whole["route"] = scope["route"]


def answer(trouble: Problem) -> Response:
    """The HTTP response for a problem."""
    return json_response(trouble.body, trouble.status, dict(trouble.headers))


def json_response(content: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON response as the real service sends it; integers of any size are written exactly."""
    try:
        text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except ValueError:  # a request stored by an older version contains 1e400
        text = json.dumps(_finite(content), ensure_ascii=False, separators=(",", ":"))
    return Response(text.encode(errors="replace"), status_code=status, headers={"content-type": JSON} | (headers or {}))


def _finite(value: object) -> object:
    """The value with null in place of numbers that JSON cannot express."""
    if isinstance(value, Mapping):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _limited(receive: Receive, maximum: int) -> Receive:
    """Wrap `receive`: raises HTTPException (413) when a body sent without its length becomes too long."""
    seen = 0

    async def receive_limited() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > maximum:
            raise HTTPException(413, TOO_LARGE.format(maximum))
        return message

    return receive_limited


def allowed(routes: Iterable[BaseRoute], scope: Scope) -> str:
    """All methods that this request's path supports, as in `Allow`; empty if there is no such path."""
    every = tuple(routes)
    found = [method for method in METHODS if _takes(every, {**scope, "method": method})]
    if not found:
        return ""
    return ", ".join([*found, *(["HEAD"] if "GET" in found else []), "OPTIONS"])


def _takes(routes: Iterable[BaseRoute], scope: Scope) -> bool:
    return any(route.matches(dict(scope))[0] is Match.FULL for route in routes)


class ErrorBodyProtocol(H11Protocol):
    """uvicorn's protocol with two changes. Malformed requests get our error body, because no client of this API reads
    uvicorn's plain text. A connection ends if its request never arrives or its answer is not received, because the
    process may have only as many connections as open files."""

    most: ClassVar[int] = 10_000
    """Maximum number of open connections; beyond it, each new one closes the oldest that has no request under way."""
    _open: ClassVar[dict[ErrorBodyProtocol, None]] = {}
    """All open connections of this process, the oldest first."""
    _late: asyncio.TimerHandle | None = None
    _since: float | None = None
    """Time since which we have waited for the client to send; None: we are not waiting."""
    _arrived = 0
    """Bytes that have arrived since `_since`."""
    _untaken: float | None = None
    """Time since which the client has received nothing of what is sent; None: it has received everything."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._open[self] = None
        if len(self._open) > self.most:
            self._make_room()
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        self._open.pop(self, None)
        if self._late is not None:
            self._late.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._arrived += len(data)
        super().data_received(data)

    def on_response_complete(self) -> None:
        """Restart the wait for the client: the previous request has arrived, however slowly."""
        super().on_response_complete()
        self._since, self._arrived = None, 0

    def resume_writing(self) -> None:
        """The client has received a piece of the answer."""
        super().resume_writing()
        self._untaken = None

    def send_400_response(self, msg: str) -> None:
        """Answer a malformed request with our error body; uvicorn's `msg` is not shown."""
        self._refuse(400, BROKEN)

    def _look(self) -> None:
        """End the connection if its request is overdue, or its answer has not been received in time; else check again
        after LOOK_SECONDS."""
        now = self.loop.time()
        if not self.transport.get_write_buffer_size():
            self._untaken = None
        elif self._untaken is None:
            self._untaken = now
        elif now - self._untaken > ANSWER_SECONDS:
            self.transport.abort()  # not `close`, which waits for the client to receive the rest
            return
        if not self._waits():
            self._since = None
        elif self._since is None:
            self._since, self._arrived = now, 0
        elif now - self._since > REQUEST_SECONDS + self._arrived / SLOWEST:
            self._refuse(408, SLOW)
            return
        self._late = self.loop.call_later(LOOK_SECONDS, self._look)

    def _make_room(self) -> None:
        """End the oldest connection without a request under way, or else the oldest with an incomplete request."""
        free = (
            each for each in self._open if each is not self and (each.cycle is None or each.cycle.response_complete)
        )
        late = (each for each in self._open if each is not self and each._waits())
        if (oldest := next(chain(free, late), None)) is not None:
            self._open.pop(oldest)  # it ends shortly, and must not be chosen again
            oldest.transport.abort()

    def _waits(self) -> bool:
        """Whether the client must send the next bytes; otherwise it waits for us, perhaps to read its body."""
        if self.conn.their_state is h11.SEND_BODY:
            return not (self.flow.read_paused or self.conn.they_are_waiting_for_100_continue)
        if self.conn.their_state is not h11.IDLE:
            return False
        # Between requests the client owes us nothing; uvicorn's keep-alive timer ends an idle connection.
        return self.cycle is None or bool(self.conn.trailing_data[0])

    def _refuse(self, status: int, message: str) -> None:
        """Answer, and end the connection. If an earlier answer has been sent in part, only end the connection."""
        if self.cycle is not None and not self.cycle.response_complete:
            begun, self.cycle.disconnected = self.cycle.response_started, True
            self.cycle.message_event.set()
            if begun:
                self.transport.close()
                return
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):  # answered before the whole request had arrived
            self.transport.close()
            return
        payload = json.dumps(refused(status, message).body).encode()
        headers = [
            (b"content-type", JSON.encode()),
            (b"content-length", str(len(payload)).encode()),
            (b"connection", b"close"),
            (b"access-control-allow-origin", b"*"),
        ]
        start = h11.Response(status_code=status, headers=headers, reason=HTTPStatus(status).phrase.encode())
        for event in (start, h11.Data(data=payload), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
