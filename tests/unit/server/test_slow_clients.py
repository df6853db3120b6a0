"""A request that does not arrive ends its connection, whatever of it came; none that waits for us does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from arpent.server.middleware import ANSWER_SECONDS, LOOK_SECONDS, REQUEST_SECONDS, SLOWEST, ErrorBodyProtocol

HEAD = b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n"


class Clock:
    """A loop whose time passes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0
        self.next: Callable[[], None] | None = None

    def time(self) -> float:
        return self.now

    def call_later(self, seconds: float, action: Callable[[], None]) -> Any:
        if seconds == LOOK_SECONDS and action.__name__ == "_look":
            self.next = action
            return self
        return Clock()  # uvicorn's timer of connections that nobody uses

    def cancel(self) -> None:
        self.next = None

    def create_task(self, work: Any, **_: Any) -> Any:
        work.close()
        return self

    def add_done_callback(self, _: object) -> None:
        """What is under way never ends."""

    def passes(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end and (action := self.next) is not None:
            self.now, self.next = self.now + LOOK_SECONDS, None
            action()


class Wire:
    """A transport that remembers."""

    def __init__(self) -> None:
        self.sent, self.closed, self.untaken = b"", False, 0

    def write(self, data: bytes) -> None:
        self.sent += data

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def get_write_buffer_size(self) -> int:
        return self.untaken

    def is_closing(self) -> bool:
        return self.closed

    def get_extra_info(self, _: str) -> None:
        return None

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


async def _app(scope: Any, receive: Any, send: Any) -> None:
    """Nobody gets so far."""


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def connection(clock: Clock, wire: Wire) -> ErrorBodyProtocol:
    config = Config(_app, log_config=None, lifespan="off")
    made = ErrorBodyProtocol(config, ServerState(), {}, _loop=clock)  # type: ignore[arg-type]
    made.connection_made(wire)  # type: ignore[arg-type]
    return made


@pytest.mark.parametrize("begun", [b"", b"GET /healthz HT", HEAD, HEAD + b"\r\n", HEAD + b"\r\n{"])
def test_what_stops_midway_is_ended(clock: Clock, wire: Wire, connection: ErrorBodyProtocol, begun: bytes) -> None:
    if begun:
        connection.data_received(begun)
    clock.passes(REQUEST_SECONDS - LOOK_SECONDS)
    assert not wire.closed
    clock.passes(3 * LOOK_SECONDS)
    assert wire.closed
    assert wire.sent.startswith(b"HTTP/1.1 408 Request Timeout")
    assert b"did not arrive in time" in wire.sent
    assert clock.next is None


def test_byte_by_byte_is_no_way_to_stay(clock: Clock, wire: Wire, connection: ErrorBodyProtocol) -> None:
    connection.data_received(HEAD + b"\r\n")
    for _ in range(10):
        connection.data_received(b"{")
        clock.passes(LOOK_SECONDS)
    assert wire.closed


def test_a_slow_line_is_waited_for(clock: Clock, wire: Wire, connection: ErrorBodyProtocol) -> None:
    connection.data_received(HEAD + b"\r\n")
    for _ in range(50):
        connection.cycle.body = b""  # it is read as it comes
        connection.data_received(b"x" * int(1.1 * LOOK_SECONDS * SLOWEST))
        connection.flow.read_paused = False
        clock.passes(LOOK_SECONDS)
    assert not wire.closed


@pytest.mark.parametrize("why", ["it is to be answered", "we do not read", "it waits for our 100"])
def test_who_waits_for_us_is_left_alone(clock: Clock, wire: Wire, connection: ErrorBodyProtocol, why: str) -> None:
    if why == "it is to be answered":
        connection.data_received(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
    elif why == "we do not read":
        connection.data_received(HEAD + b"\r\n" + b"x" * (1 << 20))
        assert connection.flow.read_paused
    else:
        connection.data_received(HEAD + b"Expect: 100-continue\r\n\r\n")
    clock.passes(20 * REQUEST_SECONDS)
    assert not wire.closed
    connection.connection_lost(None)
    assert clock.next is None


def answered(connection: ErrorBodyProtocol) -> None:
    """The application answers the present request."""

    async def answer() -> None:
        await connection.cycle.send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}
        )
        await connection.cycle.send({"type": "http.response.body", "body": b"{}"})

    asyncio.run(answer())


def test_one_connection_serves_one_request_after_another(
    clock: Clock, wire: Wire, connection: ErrorBodyProtocol
) -> None:
    for number in range(1, 30):
        connection.data_received(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
        answered(connection)
        clock.passes(LOOK_SECONDS)
        assert not wire.closed
        assert wire.sent.count(b"HTTP/1.1 ") == wire.sent.count(b"HTTP/1.1 200") == number


def test_the_next_request_of_a_connection_must_arrive_too(
    clock: Clock, wire: Wire, connection: ErrorBodyProtocol
) -> None:
    connection.data_received(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
    answered(connection)
    clock.passes(20 * REQUEST_SECONDS)
    assert not wire.closed
    connection.data_received(b"GET /x HT")
    clock.passes(REQUEST_SECONDS + 3 * LOOK_SECONDS)
    assert wire.closed
    assert b"HTTP/1.1 408 Request Timeout" in wire.sent


def test_what_is_answered_before_it_arrived_is_ended(clock: Clock, wire: Wire, connection: ErrorBodyProtocol) -> None:
    connection.data_received(HEAD + b"\r\n{")
    answered(connection)
    clock.passes(REQUEST_SECONDS + 3 * LOOK_SECONDS)
    assert wire.closed
    assert wire.sent.count(b"HTTP/1.1 ") == 1, "a second answer would be one to the next request"


def test_an_answer_that_nobody_takes_ends_its_connection(
    clock: Clock, wire: Wire, connection: ErrorBodyProtocol
) -> None:
    """Byte by byte is no taking: pieces count, and the last of them."""
    connection.data_received(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
    connection.pause_writing()
    for left in range(300_000, 299_000, -100):
        wire.untaken = left
        clock.passes(LOOK_SECONDS)
    assert wire.closed


def test_an_answer_that_is_taken_slowly_is_left_alone(clock: Clock, wire: Wire, connection: ErrorBodyProtocol) -> None:
    connection.data_received(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
    for _ in range(30):
        connection.pause_writing()
        wire.untaken = 300_000
        clock.passes(ANSWER_SECONDS - 2 * LOOK_SECONDS)
        connection.resume_writing()
    assert not wire.closed
    wire.untaken = 0
    clock.passes(20 * ANSWER_SECONDS)
    assert not wire.closed


def opened(clock: Clock, sent: bytes) -> tuple[ErrorBodyProtocol, Wire]:
    config, wire = Config(_app, log_config=None, lifespan="off"), Wire()
    made = ErrorBodyProtocol(config, ServerState(), {}, _loop=clock)  # type: ignore[arg-type]
    made.connection_made(wire)  # type: ignore[arg-type]
    if sent:
        made.data_received(sent)
    return made, wire


def test_who_sends_nothing_makes_room_for_who_does(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many connections somebody opens, another one gets an answer; what is being answered stays."""
    monkeypatch.setattr(ErrorBodyProtocol, "_open", {})
    monkeypatch.setattr(ErrorBodyProtocol, "most", 3)
    whole = b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n"
    _, busy = opened(clock, whole)
    _, body = opened(clock, HEAD + b"\r\n{")
    silent = [opened(clock, begun)[1] for begun in (b"", b"GET /hea", b"")]
    assert [wire.closed for wire in (busy, body, *silent)] == [False, False, True, True, False]
    opened(clock, whole)
    opened(clock, whole)
    assert [wire.closed for wire in (busy, body, silent[2])] == [False, True, True]
    _, last = opened(clock, whole)
    assert [busy.closed, last.closed] == [False, False], "nobody who is being answered is hung up on"
