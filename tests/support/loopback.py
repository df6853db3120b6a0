"""A guard that lets sockets reach this machine only."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest


class NetworkBlocked(RuntimeError):
    """A test wanted to leave this machine."""


def is_local(host: object) -> bool:
    """Whether this host is the machine itself; names other than localhost are not resolved but refused."""
    if host in (None, "", b"", "localhost", b"localhost"):
        return True
    text = host.decode() if isinstance(host, bytes) else str(host)
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return text == socket.gethostname()
    return address.is_loopback or address.is_unspecified


def _check(host: object) -> None:
    if not is_local(host):
        raise NetworkBlocked(f"the network is blocked in tests: {host!r} is not this machine")


def _guarded(name: str) -> Callable[..., Any]:
    original = getattr(socket.socket, name)

    def connect(self: socket.socket, *arguments: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            _check(arguments[-1][0])
        return original(self, *arguments)

    return connect


@contextmanager
def only_loopback() -> Iterator[None]:
    """While it holds, connecting, sending and looking up names beyond this machine raise NetworkBlocked."""
    look_up = socket.getaddrinfo

    def getaddrinfo(host: Any, *arguments: Any, **options: Any) -> Any:
        _check(host)
        return look_up(host, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex", "sendto"):
            patch.setattr(socket.socket, name, _guarded(name), raising=True)
        patch.setattr(socket, "getaddrinfo", getaddrinfo)
        yield
