"""One client's bodies and answers fill no memory, however many connections it opens."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from arpent.domain.errors import RateLimited
from arpent.server import held_bytes
from arpent.server.held_bytes import PIECE, HeldBytes

SENT = b"x" * 600
Handler = Callable[[Any, Any, Any], Awaitable[None]]


@pytest.fixture(autouse=True)
def little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_bytes, "MOST_HELD_BYTES", 1000)


async def takes(receive: Any) -> bytes:
    body = b""
    while (message := await receive())["more_body"]:
        body += message["body"]
    return body + bytes(message["body"])


def answering(body: bytes, status: int = 200) -> Handler:
    async def handler(scope: Any, receive: Any, send: Any) -> None:
        await takes(receive)
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": body})

    return handler


class Call:
    """A request of a client; its body ends when `end` is set, and its answer is taken when `taken` is."""

    def __init__(
        self, app: HeldBytes, client: str | None, body: bytes = SENT, path: str = "/x", method: str = "GET"
    ) -> None:
        self.end, self.taken, self.messages = asyncio.Event(), asyncio.Event(), [body]
        self.sent: list[Any] = []
        state = {} if client is None else {"client": client}
        scope = {"type": "http", "path": path, "method": method, "state": state, "headers": []}
        self.task = asyncio.ensure_future(app(scope, self.receive, self.send))

    async def receive(self) -> Any:
        if self.messages:
            return {"type": "http.request", "body": self.messages.pop(), "more_body": True}
        await self.end.wait()
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(self, message: Any) -> None:
        self.sent.append(message)
        await self.taken.wait()


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def test_a_further_body_is_refused_until_another_is_gone() -> None:
    async def play() -> None:
        app = HeldBytes(answering(b"ok"), but=("/files",))
        first, second = Call(app, "me"), Call(app, "me")
        await settle()
        third, other, file = Call(app, "me"), Call(app, "you"), Call(app, "me", path="/files")
        await settle()
        with pytest.raises(RateLimited, match="under way hold"):
            await third.task
        for call in (first, other, file):
            assert not call.task.done()
            call.end.set()
            call.taken.set()
            await call.task
        fourth = Call(app, "me")
        await settle()
        for call in (second, fourth):
            assert not call.task.done()
            call.task.cancel()

    asyncio.run(play())


def test_a_single_one_may_be_larger() -> None:
    async def play() -> None:
        only = Call(HeldBytes(answering(b"y" * 9000)), "me", b"x" * 5000)
        only.end.set()
        only.taken.set()
        await only.task
        assert [each.get("status") for each in only.sent] == [200, None]

    asyncio.run(play())


def test_who_takes_a_large_answer_may_go_on() -> None:
    """A table of results takes minutes on a slow line; the status of jobs is asked for meanwhile."""

    async def play() -> None:
        answers = {"/table": b"y" * 9000, "/status": b"z" * 500}

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await answering(answers[scope["path"]])(scope, receive, send)

        held = HeldBytes(app)
        table = Call(held, "me", b"", "/table")
        table.end.set()
        await settle()
        for _ in range(3):
            status = Call(held, "me", b"", "/status")
            status.end.set()
            status.taken.set()
            await status.task
            assert [each.get("status") for each in status.sent] == [200, None]
        assert not table.task.done()
        table.taken.set()
        await table.task

    asyncio.run(play())


@pytest.mark.parametrize(("status", "seen"), [(200, 429), (201, 201)])
def test_an_answer_is_held_until_it_is_taken(status: int, seen: int) -> None:
    """Piece by piece; another answer of the client is refused meanwhile, before anything of it is sent. But where
    something was stored (201), it would be stored again."""

    async def play() -> None:
        app = HeldBytes(answering(b"y" * (3 * PIECE), status))
        first = Call(app, "me", b"")
        first.end.set()
        await settle()
        assert len(first.sent) == 1, "no piece before the one before it is taken"
        second = Call(app, "me", b"")
        second.end.set()
        second.taken.set()
        await second.task
        assert second.sent[0]["status"] == seen
        first.taken.set()
        await first.task
        assert [len(each.get("body", b"")) for each in first.sent] == [0, PIECE, PIECE, PIECE]
        assert [each.get("more_body") for each in first.sent] == [None, True, True, False]

    asyncio.run(play())
