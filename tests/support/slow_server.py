"""Slow servers: they trickle, stall, say nothing, send without end, or ask for an hour's patience."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n"


def trickle(connection: socket.socket) -> None:
    connection.sendall(HEAD)
    while True:
        connection.sendall(b" ")
        time.sleep(0.05)


def trickle_until_it_closes(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n")
    while True:
        connection.sendall(b" ")
        time.sleep(0.05)


def trickle_headers(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while True:
        connection.sendall(b"x")
        time.sleep(0.05)


def stall(connection: socket.socket) -> None:
    connection.sendall(HEAD + b'{"type": "Catalog", ')
    time.sleep(60)


def say_nothing(connection: socket.socket) -> None:
    time.sleep(60)


def ask_for_an_hour(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 503 Busy\r\nRetry-After: 3600\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


def send_without_end(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    while True:
        connection.sendall(b" " * 65536)


BEHAVIOURS = [trickle, trickle_until_it_closes, trickle_headers, stall, say_nothing, ask_for_an_hour, send_without_end]


ENDLESS = [trickle, trickle_until_it_closes, trickle_headers, stall, say_nothing]
"""Those of whom a wait for each read never hears the end, or not soon."""


@contextmanager
def serving(behave: Callable[[socket.socket], None]) -> Iterator[str]:
    """Its URL; it behaves so to everybody who asks."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    threading.Thread(target=talk, args=(connection,), daemon=True).start()

        def talk(connection: socket.socket) -> None:
            with suppress(OSError), connection:
                connection.recv(65536)
                behave(connection)

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
