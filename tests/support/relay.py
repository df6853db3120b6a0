"""A relay of TCP connections that remembers what passed: for what listens where others cannot reach, and for ears."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Thread

MOST = 64 << 20
"""Bytes remembered."""


@dataclass(kw_only=True)
class Relay:
    """Listens, and connects each client to the given address."""

    listening: socket.socket
    target: tuple[str, int]
    heard: bytearray = field(default_factory=bytearray)
    """What passed, in both directions, if it listens in."""
    listens_in: bool = False
    threads: list[Thread] = field(default_factory=list)
    """One per connection that there ever was."""
    _connections: list[tuple[socket.socket, socket.socket]] = field(default_factory=list)

    @property
    def address(self) -> str:
        """host:port."""
        host, port = self.listening.getsockname()[:2]
        return f"{host}:{port}"

    def serve(self) -> None:
        while True:
            try:
                caller, _ = self.listening.accept()
            except OSError:
                return
            try:
                called = socket.create_connection(self.target)
            except OSError:
                caller.close()
                continue
            self._connections.append((caller, called))
            self.threads.append(Thread(target=self._connect, args=(caller, called), daemon=True))
            self.threads[-1].start()

    def close(self) -> None:
        """Hang up everywhere; the threads close what is theirs."""
        for end in (self.listening, *(end for pair in self._connections for end in pair)):
            _hang_up(end)

    def _connect(self, caller: socket.socket, called: socket.socket) -> None:
        with caller, called:
            back = Thread(target=self._pass_on, args=(called, caller), daemon=True)
            back.start()
            self._pass_on(caller, called)
            back.join()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while piece := source.recv(1 << 16):
                if self.listens_in and len(self.heard) < MOST:
                    self.heard += piece
                sink.sendall(piece)
        _hang_up(source)
        _hang_up(sink)


def _hang_up(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)


@contextmanager
def relay(target: tuple[str, int], host: str = "127.0.0.1", *, listens_in: bool = False) -> Iterator[Relay]:
    """A relay to a target on this machine, listening on any free port of `host`."""
    with socket.create_server((host, 0)) as listening:
        made = Relay(listening=listening, target=target, listens_in=listens_in)
        serving = Thread(target=made.serve, daemon=True)
        serving.start()
        try:
            yield made
        finally:
            made.close()
            serving.join()
            for thread in made.threads:
                thread.join()
