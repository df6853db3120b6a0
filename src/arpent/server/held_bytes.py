"""Held bytes: limits how much memory one client's bodies and answers occupy at once. Connections cost a client nothing,
so hundreds of them could fill the memory with bodies that never end and answers that are never received."""

from __future__ import annotations

from collections.abc import Collection
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from arpent.domain.errors import RateLimited
from arpent.server.middleware import answer
from arpent.wire.problems import problem

MOST_HELD_BYTES = 64_000_000
"""Maximum bytes of one client's bodies and answers in memory. Its largest request is not counted, so that it may
continue while it receives one large answer."""
PIECE = 1 << 18
"""Bytes of an answer that are sent at once; the next piece waits until the client has received this one."""
TOO_MUCH = (
    f"Bodies and answers of your requests under way hold more than {MOST_HELD_BYTES} bytes, the largest not counted; "
    "send the next when one of them has ended."
)


Held = dict[str, dict[int, int]]
"""Client → number of each of its requests → bytes held for that request."""


class HeldBytes:
    """Middleware around the routes, which identify the client before they read a body."""

    def __init__(self, app: ASGIApp, but: Collection[str] = ()) -> None:
        """`but`: paths whose bodies are not kept in memory."""
        self._app = app
        self._but = but
        self._held: Held = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        share = _Share(self._held, scope)
        try:
            counted = receive if scope["path"] in self._but else share.receiving(receive)
            await self._app(scope, counted, share.sending(scope, receive, send))
        finally:
            share.release()


class _Share:
    """The bytes held for one request."""

    def __init__(self, held: Held, scope: Scope) -> None:
        self._held = held
        self._state = scope.setdefault("state", {})
        self._client = ""

    def hold(self, size: int, *, refusing: bool = True) -> None:
        """Count `size` more bytes. Raises RateLimited if the client then holds too much, unless `refusing` is False."""
        client = self._state.get("client")
        if client is None or not size:  # no client: such a body is short, and the answer the same for all
            return
        held = self._held.get(client, {})
        new = {**held, id(self): held.get(id(self), 0) + size}
        if refusing and sum(new.values()) - max(new.values()) > MOST_HELD_BYTES:
            raise RateLimited(TOO_MUCH)
        self._client, self._held[client] = client, new

    def release(self) -> None:
        """Stop counting the bytes of this request."""
        held = self._held.get(self._client, {})
        held.pop(id(self), None)
        if not held:
            self._held.pop(self._client, None)

    def receiving(self, receive: Receive) -> Receive:
        async def counted() -> Message:
            message = await receive()
            self.hold(len(message.get("body", b"")))
            return message

        return counted

    def sending(self, scope: Scope, receive: Receive, send: Send) -> Send:
        start: Message | None = None
        refused = False

        async def piecewise(message: Message) -> None:
            nonlocal start, refused
            if refused:
                return
            if message["type"] == "http.response.start":
                start = message
                return
            try:
                # After 201 or 204 the request has taken effect: if it were refused now, its client would repeat it.
                harmless = start is None or start["status"] == HTTPStatus.OK
                self.hold(len(message.get("body", b"")), refusing=harmless)
            except RateLimited as error:
                if start is None:  # part of the answer has been sent already
                    raise
                refused = True
                await answer(problem(error))(scope, receive, send)
                return
            if start is not None:
                await send(start)
                start = None
            for part in _pieces(message):
                await send(part)

        return piecewise


def _pieces(message: Message) -> list[Message]:
    """The message, with its body cut into pieces."""
    body = memoryview(message.get("body", b""))
    if len(body) <= PIECE:
        return [message]
    pieces: list[Message] = [
        {**message, "body": body[at : at + PIECE], "more_body": True} for at in range(0, len(body), PIECE)
    ]
    pieces[-1]["more_body"] = message.get("more_body", False)
    return pieces
