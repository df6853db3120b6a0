"""Launcher: starts and ends interpreter processes through a zygote process."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from dataclasses import dataclass

from arpent.adapters.scripts.v8.protocol import Channel, ChannelClosed
from arpent.domain.errors import EnvironmentFault

_PATIENCE = 60.0
_LONGEST_ANSWER = 4 << 20
"""Maximum bytes of an answer: the engine limits its answers, but an interpreter taken over by an attacker does not."""
_ENVIRONMENT = ("PATH", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "TMPDIR")
"""Environment variables that a zygote inherits. Language and time zone are left out: a script's results must not depend
on the machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildProcess:
    """The process of one interpreter."""

    channel: Channel
    """Connection to it."""
    process: int
    """Process id, by which the zygote knows it; the zygote reaps it only on request."""
    engine: str
    """Version of V8."""
    obstacle: str | None
    """Why the system-call filter could not be installed; None if it is active."""


class Launcher:
    """One zygote, started when the first interpreter is needed. Thread-safe."""

    def __init__(self, memory_mib: int) -> None:
        self._memory_mib = memory_mib
        self._lock = threading.Lock()
        self._zygote: _Zygote | None = None

    def start(self) -> ChildProcess:
        """Start an interpreter. Raises EnvironmentFault if that fails."""
        with self._lock:
            for _ in range(2):
                zygote = self._running()
                try:
                    return zygote.spawn()
                except (ChannelClosed, TimeoutError, ValueError):
                    self._stop()
        raise EnvironmentFault("No interpreter for evalscripts can be started; the server's log has the details")

    def end(self, child: ChildProcess) -> int:
        """Kill an interpreter if it is alive; returns its exit code (negative: a signal), or 0 if the zygote is
        gone."""
        child.channel.close()
        with self._lock:
            if self._zygote is None or self._zygote.owner != os.getpid():
                return 0
            try:
                return self._zygote.end(child.process)
            except (ChannelClosed, TimeoutError, ValueError):
                self._stop()
                return 0

    def close(self) -> None:
        """End the zygote and with it all interpreters."""
        with self._lock:
            self._stop()

    def _running(self) -> _Zygote:
        if self._zygote is None or self._zygote.owner != os.getpid():
            self._zygote = _Zygote(self._memory_mib)
        return self._zygote

    def _stop(self) -> None:
        if self._zygote is not None and self._zygote.owner == os.getpid():
            self._zygote.close()
        self._zygote = None


class _Zygote:
    """The zygote process, as its parent sees it. Its environment holds no settings, which a script could read through a
    vulnerability of V8."""

    def __init__(self, memory_mib: int) -> None:
        ours, theirs = socket.socketpair()
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ} | {"TZ": "UTC"}
        command = [
            sys.executable,
            "-P",
            "-m",
            "arpent.adapters.scripts.v8.zygote",
            str(theirs.fileno()),
            str(memory_mib),
        ]
        with theirs, _without_interrupts():
            process = subprocess.Popen(
                command,
                pass_fds=(theirs.fileno(),),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        self.owner = os.getpid()
        self._channel = Channel(ours)
        self.close = weakref.finalize(self, _stop, self._channel, process, self.owner)

    def spawn(self) -> ChildProcess:
        ours, theirs = socket.socketpair()
        channel = Channel(ours, _LONGEST_ANSWER)
        try:
            with theirs:
                self._channel.send({}, (theirs.fileno(),), _PATIENCE)
            process = int(str(self._channel.receive(_PATIENCE)["process"]))
            greeting = channel.receive(_PATIENCE)
            obstacle = greeting.get("obstacle", "it did not say")
        except BaseException:
            channel.close()
            raise
        return ChildProcess(
            channel=channel,
            process=process,
            engine=str(greeting.get("engine")),
            obstacle=None if obstacle is None else str(obstacle),
        )

    def end(self, process: int) -> int:
        self._channel.send({"process": process}, seconds=_PATIENCE)
        return int(str(self._channel.receive(_PATIENCE)["status"]))


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    """What is started here hears of no Ctrl-C until it says that it takes no notice: it would show a traceback."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _stop(channel: Channel, process: subprocess.Popen[bytes], owner: int) -> None:
    """Close the channel, upon which the zygote ends its interpreters and itself; kill it if it does not."""
    channel.close()
    if os.getpid() != owner:
        return
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait()
