"""Messages survive the way, and nonsense does not pass for one."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator

import pytest

from arpent.adapters.scripts.v8.protocol import Channel, ChannelClosed


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, Channel]]:
    theirs, ours = socket.socketpair()
    with theirs, ours:
        yield theirs, Channel(ours)


def test_there_and_back(ends: tuple[socket.socket, Channel]) -> None:
    theirs, channel = ends
    Channel(theirs).send({"text": "naïve", "list": [1, None]})
    assert channel.receive(1) == {"text": "naïve", "list": [1, None]}


def test_a_descriptor_rides_along(ends: tuple[socket.socket, Channel]) -> None:
    theirs, channel = ends
    read, write = os.pipe()
    Channel(theirs).send({"n": 1}, (write,))
    message, descriptor = channel.receive_with_descriptor()
    assert message == {"n": 1}
    assert descriptor is not None
    os.write(descriptor, b"x")
    assert os.read(read, 1) == b"x"
    for number in (read, write, descriptor):
        os.close(number)


@pytest.mark.parametrize("body", [b"5", b"[]", b"{", b"\xff"])
def test_nonsense(ends: tuple[socket.socket, Channel], body: bytes) -> None:
    theirs, channel = ends
    theirs.sendall(struct.pack("<I", len(body)) + body)
    with pytest.raises(ValueError):  # noqa: PT011  # of json or ours
        channel.receive(1)


def test_too_long(ends: tuple[socket.socket, Channel]) -> None:
    theirs, channel = ends
    theirs.sendall(struct.pack("<I", 1 << 30))
    with pytest.raises(ValueError, match="too long"):
        channel.receive(1)


def test_an_owner_reads_less() -> None:
    theirs, ours = socket.socketpair()
    with theirs, ours:
        Channel(theirs).send({"a": 1})
        Channel(theirs).send({"a": 100})
        channel = Channel(ours, longest=len('{"a": 1}'))
        assert channel.receive(1) == {"a": 1}
        with pytest.raises(ValueError, match="too long"):
            channel.receive(1)


def test_silence_and_half_a_message(ends: tuple[socket.socket, Channel]) -> None:
    theirs, channel = ends
    with pytest.raises(TimeoutError):
        channel.receive(0.01)
    theirs.sendall(b"\x05")
    with pytest.raises(TimeoutError):
        channel.receive(0.01)
    theirs.close()
    with pytest.raises(ChannelClosed):
        channel.receive(1)
