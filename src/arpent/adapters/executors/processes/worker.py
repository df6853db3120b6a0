"""Worker: a handle of a worker process, which one thread owns.

A worker shares nothing with another, no queue, lock or semaphore, so that killing it affects nobody else.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from arpent.adapters.executors.processes.fork_server import POSSIBLE, UNKNOWN, ForkedProcess, Load, forked
from arpent.adapters.executors.processes.limits import resident_mib
from arpent.adapters.executors.processes.worker_life import PULSE, READY, serve_parent, started

LOOK_SECONDS = 0.1
"""Pause between checks whether a worker lives and may go on, while waiting for it; an answer ends the wait at once."""
MOST_STILL_SECONDS = 1.0
"""Maximum time that counts between two of these checks: more passes only if this process itself is suspended."""
DEATH_SECONDS = 1.0
"""Seconds to wait for the end of a worker that closed its pipe, to learn the cause …"""
KILL_SECONDS = 5.0
"""… and for the end of a worker that was killed."""


class Worker:
    """A freshly started process and this end of its pipe; no third process has the other end.

    It is forked from a server (`fork_server`) or, where that is impossible, started as a program of its own; never by
    `multiprocessing`, which would run the caller's script again in it: `arpent.statistics` is called from notebooks,
    and from scripts without a `__main__` guard.
    """

    def __init__(
        self, prepare: Callable[[], None] | None, memory_mib: int | None = None, load: Load | None = None
    ) -> None:
        """`prepare`: picklable, runs first in the worker. `memory_mib`: its memory limit. `load`: picklable, runs first
        in the process from which the worker is forked. Raises OSError if the machine cannot start a process."""
        self._process: ForkedProcess | subprocess.Popen[bytes]
        self._link, self._process = forked(load) if POSSIBLE else started(serve_parent)
        with suppress(OSError):  # it is dead already, which `answer` will notice
            self._link.send_bytes(pickle.dumps((os.getpid(), prepare, memory_mib)))
        self._ready = False
        self.still = 0.0
        """Seconds since the work's last sign of progress."""

    def make_ready(self, look: Callable[[], None]) -> None:
        """Wait until the worker is ready. Raises EOFError if it is dead, and what `look` raises."""
        if not self._ready:
            self._ready = self.answer(look) == READY
        elif self._process.poll() is not None:
            raise EOFError

    def give(self, parcel: bytes) -> None:
        """Send pickled work. Raises EOFError if the worker is dead."""
        try:
            self._link.send_bytes(parcel)
        except OSError as error:
            raise EOFError from error

    def answer(self, look: Callable[[], None]) -> bytes:
        """Wait for the next message. `look` is called periodically and raises to end the wait. Raises EOFError if the
        worker is dead."""
        self.still, looked = 0.0, time.monotonic()
        while True:
            look()
            now = time.monotonic()
            self.still += min(now - looked, MOST_STILL_SECONDS)
            looked = now
            alive = self._process.poll() is None
            if self._link.poll(LOOK_SECONDS if alive else 0):  # a last message still counts
                try:
                    message = self._link.recv_bytes()
                except OSError as error:
                    raise EOFError from error
                if message != PULSE:
                    return message
                self.still = 0.0
                continue
            if not alive:
                raise EOFError

    def resident_mib(self) -> float:
        """Mebibytes of memory that the worker uses now."""
        return resident_mib(self._process.pid)

    def kill(self) -> None:
        """Kill the worker; callable from any thread."""
        self._process.kill()

    def reap(self) -> str:
        """Kill the worker if it lives, reap it, and return the cause of its death in words."""
        self._link.close()
        with suppress(subprocess.TimeoutExpired):
            return _cause(self._process.wait(DEATH_SECONDS))
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            return _cause(self._process.wait(KILL_SECONDS))
        return "SIGKILL did not end it"


def _cause(code: int) -> str:
    """An exit code in words: a negative number is a signal."""
    if code == UNKNOWN:
        return "for an unknown reason"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"exit code {code}"


def opened(answer: bytes) -> Any:
    """The outcome of the work. An exception it raised is returned, not raised."""
    outcome, where = pickle.loads(answer)
    if isinstance(outcome, Exception):
        outcome.add_note(where)  # here, since pickling our errors drops notes
    return outcome
