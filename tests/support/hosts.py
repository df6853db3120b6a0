"""Hosts: network namespaces of this machine on a switch of their own, that can be cut off and joined again.

The switch is a namespace, too: no packet between hosts meets this machine's own firewall. The addresses belong to a
block that is kept for tests of networks (RFC 2544), so that nobody's real network is hidden.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

BLOCK = "198.18"


@dataclass(frozen=True, kw_only=True)
class Host:
    """Runs processes with a network of its own; files are this machine's."""

    name: str
    address: str
    enter: Sequence[str]
    """In front of a command: run it there."""
    port: str
    """Its socket of the switch."""


@dataclass(kw_only=True)
class Network:
    """Hosts, and this machine as one of them."""

    mark: str
    number: int
    """Third number of all addresses."""
    hosts: dict[str, Host] = field(default_factory=dict)

    @property
    def home(self) -> str:
        """This machine's own address on the switch."""
        return f"{BLOCK}.{self.number}.1"

    @property
    def switch(self) -> str:
        return f"arpent-{self.mark}-switch"

    def cut(self, name: str) -> None:
        """Pull its cable."""
        _ip("-n", self.switch, "link", "set", self.hosts[name].port, "down")

    def join(self, name: str) -> None:
        """Plug it in again."""
        _ip("-n", self.switch, "link", "set", self.hosts[name].port, "up")

    def _plug(self, stack: ExitStack, place: Sequence[str], address: str, number: int) -> str:
        """A cable from the switch to where `place` (arguments of ip) leads; the name of its socket."""
        port, end = f"port{number}", f"arp{self.mark}{number}"
        _ip("-n", self.switch, "link", "add", port, "type", "veth", "peer", "name", end)
        _ip("-n", self.switch, "link", "set", port, "master", "switch", "up")
        _ip("-n", self.switch, "link", "set", end, "netns", place[1] if place else str(os.getpid()))
        if not place:
            stack.callback(_ip, "link", "delete", end)
        _ip(*place, "address", "add", f"{address}/24", "dev", end)
        _ip(*place, "link", "set", end, "up")
        return port

    def _begin(self, stack: ExitStack, names: Sequence[str]) -> None:
        _namespace(stack, self.switch)
        _ip("-n", self.switch, "link", "add", "switch", "type", "bridge")
        _ip("-n", self.switch, "link", "set", "switch", "up")
        self._plug(stack, (), self.home, 1)
        for number, name in enumerate(names, start=2):
            space, address = f"arpent-{self.mark}-{name}", f"{BLOCK}.{self.number}.{number}"
            _namespace(stack, space)
            _ip("-n", space, "link", "set", "lo", "up")
            port = self._plug(stack, ("-n", space), address, number)
            enter = ("ip", "netns", "exec", space)
            self.hosts[name] = Host(name=name, address=address, enter=enter, port=port)


def hindrance() -> str:
    """Why this machine can have no hosts; nothing if it can."""
    if shutil.which("ip") is None:
        return "there is no command `ip` (Debian: iproute2)"
    if os.geteuid() != 0:
        return "only root may make network namespaces"
    name = f"arpent-{uuid.uuid4().hex[:6]}-try"
    try:
        with ExitStack() as stack:
            _namespace(stack, name)
            _ip("-n", name, "link", "add", "one", "type", "veth", "peer", "name", "other")
            _ip("-n", name, "link", "add", "switch", "type", "bridge")
    except RuntimeError as error:
        return str(error)
    return ""


@contextmanager
def network(*names: str) -> Iterator[Network]:
    """Hosts of these names. What runs in them must have ended before."""
    mark = uuid.uuid4().hex[:6]
    made = Network(mark=mark, number=int(mark, 16) % 250 + 1)
    with ExitStack() as stack:
        made._begin(stack, names)
        yield made


def _namespace(stack: ExitStack, name: str) -> None:
    _ip("netns", "add", name)
    stack.callback(_ip, "netns", "delete", name)


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"`ip {' '.join(arguments)}` fails: {done.stderr.strip()}")
