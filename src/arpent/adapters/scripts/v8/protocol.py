"""Protocol: JSON messages over a socket between a runtime, its zygote and its interpreters; never pickle."""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Mapping, Sequence
from typing import cast

_HEADER = struct.Struct("<I")
_LONGEST = 32 << 20
Message = Mapping[str, object]


class ChannelClosed(Exception):
    """The other side has closed the connection, or died."""


class Channel:
    """Length-prefixed JSON messages; file descriptors can be sent along."""

    def __init__(self, link: socket.socket, longest: int = _LONGEST) -> None:
        """`longest`: maximum bytes of a message that is accepted."""
        self._link = link
        self._longest = longest

    def send(self, message: Message, descriptors: Sequence[int] = (), seconds: float | None = None) -> None:
        """Send a message. Raises ChannelClosed, TimeoutError."""
        body = json.dumps(message).encode()
        self._link.settimeout(seconds)
        try:
            if descriptors:
                socket.send_fds(self._link, [_HEADER.pack(len(body))], list(descriptors))
            else:
                self._link.sendall(_HEADER.pack(len(body)))
            self._link.sendall(body)
        except TimeoutError:
            raise
        except OSError as error:
            raise ChannelClosed from error

    def receive(self, seconds: float | None = None) -> Message:
        """The next message; descriptors sent with it are dropped. Raises ChannelClosed, TimeoutError, ValueError."""
        until = None if seconds is None else time.monotonic() + seconds
        return _message(self._read(self._length(self._read(_HEADER.size, until)), until))

    def receive_with_descriptor(self) -> tuple[Message, int | None]:
        """The next message and the descriptor sent with it, or None; waits without limit. Raises ChannelClosed,
        ValueError."""
        self._link.settimeout(None)
        try:
            header, descriptors, _, _ = socket.recv_fds(self._link, _HEADER.size, 1)
        except OSError as error:
            raise ChannelClosed from error
        if not header:
            raise ChannelClosed
        header += self._read(_HEADER.size - len(header), None)
        return _message(self._read(self._length(header), None)), descriptors[0] if descriptors else None

    def close(self) -> None:
        self._link.close()

    def _length(self, header: bytes) -> int:
        length = int(_HEADER.unpack(header)[0])
        if length > self._longest:
            raise ValueError("a message is too long")
        return length

    def _read(self, count: int, until: float | None) -> bytes:
        parts = bytearray()
        while len(parts) < count:
            self._link.settimeout(None if until is None else max(1e-3, until - time.monotonic()))
            try:
                part = self._link.recv(min(count - len(parts), 1 << 20))
            except TimeoutError:
                raise
            except OSError as error:
                raise ChannelClosed from error
            if not part:
                raise ChannelClosed
            parts += part
            if until is not None and time.monotonic() > until:
                raise TimeoutError
        return bytes(parts)


def _message(body: bytes) -> Message:
    message = json.loads(body)
    if not isinstance(message, dict):
        raise ValueError("a message is not an object")
    return cast(Message, message)
