"""Worker process: outside, a handle that one thread owns; inside, a loop that runs what comes through its pipe.

A worker shares nothing with another, no queue, lock or semaphore, so that killing it affects nobody else.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe
from threading import Thread
from traceback import format_exc
from typing import Any

from arpent.adapters.executors.processes.limits import keep_memory, limit_memory, resident_mib
from arpent.domain.boundary.unforeseen import panics_as_errors, sentence
from arpent.domain.errors import ArpentError

LOOK_SECONDS = 0.1
"""Pause between checks whether a worker lives and may go on, while waiting for it; an answer ends the wait at once."""
DEATH_SECONDS = 1.0
"""Seconds to wait for the end of a worker that closed its pipe, to learn the cause …"""
KILL_SECONDS = 5.0
"""… and for the end of a worker that was killed."""
ORPHAN_CHECK_SECONDS = 0.5
"""Pause between a worker's checks whether its parent still lives."""
READY = b"ready"
"""A worker's message before its first work."""

BOOT = """import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
import sys
from multiprocessing.connection import Connection
link = Connection(int(sys.argv[1]))
try:
    sys.path[:] = link.recv()
except EOFError:
    sys.exit()
from arpent.adapters.executors.processes.worker import serve_parent
serve_parent(link)"""
"""What a worker runs first: Ctrl-C reaches the whole group, and the parent decides what ends and when."""


class Worker:
    """A freshly started process and this end of its pipe; no third process has the other end.

    It is a program of its own, not a child of `multiprocessing`, which would run the caller's script again in it:
    `arpent.statistics` is called from scripts that guard nothing, and from notebooks.
    """

    def __init__(self, prepare: Callable[[], None] | None, memory_mib: int | None = None) -> None:
        """`prepare`: picklable, runs first in the worker. `memory_mib`: its memory limit. Raises OSError if the machine
        cannot start a process."""
        self._link, theirs = Pipe()
        with theirs:  # so that it closes with the worker
            arguments = [sys.executable, *_flags(), "-c", BOOT, str(theirs.fileno())]
            self._process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()])
        with suppress(OSError):  # it is dead already, as the wait for its answer shows
            self._link.send(sys.path)
            self._link.send_bytes(pickle.dumps((os.getpid(), prepare, memory_mib)))
        self._ready = False

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
        while True:
            look()
            alive = self._process.poll() is None
            if self._link.poll(LOOK_SECONDS if alive else 0):  # last words count
                try:
                    return self._link.recv_bytes()
                except OSError as error:
                    raise EOFError from error
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
        return "not even of SIGKILL"


def _cause(code: int) -> str:
    """An exit code in words: a negative number is a signal."""
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"exit code {code}"


def opened(answer: bytes) -> Any:
    """The outcome of the work. An exception it raised is returned, not raised."""
    outcome, where = pickle.loads(answer)
    if isinstance(outcome, Exception):
        outcome.add_note(where)  # here, since errors of ours take no notes along
    return outcome


def _flags() -> list[str]:
    """The options that this interpreter was started with."""
    found: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    return found


# ---- inside ----------------------------------------------------------------------------------------------------


def serve_parent(link: Connection) -> None:
    """A worker's whole life."""
    from arpent.domain.ports.execution import WORK_NICENESS  # a parent need not load what it imports

    with suppress(EOFError, OSError):  # the parent hung up
        parent, prepare, memory_mib = pickle.loads(link.recv_bytes())
        os.nice(WORK_NICENESS)
        Thread(target=_end_with, args=(parent,), daemon=True).start()
        keep_memory(memory_mib)
        if memory_mib is not None:
            limit_memory(memory_mib)
        if prepare is not None:
            prepare()
        link.send_bytes(READY)
        while True:
            link.send_bytes(_done(link.recv_bytes()))


def _done(parcel: bytes) -> bytes:
    """The pickled outcome of pickled work, or what it raised, with the traceback."""
    try:
        with panics_as_errors():
            function, argument = pickle.loads(parcel)
            return pickle.dumps((function(argument), ""))
    except Exception as error:
        where = f"In the worker:\n{format_exc()}"
        try:
            answer = pickle.dumps((error, where))
            pickle.loads(answer)  # some errors can be pickled, but not be had back
        except Exception:
            return pickle.dumps((ArpentError(sentence(error)), where))
        return answer


def _end_with(parent: int) -> None:
    """End this process when its parent is gone: a parent that was killed cannot end its workers, but they see that
    their parent's id has changed."""
    while os.getppid() == parent:
        time.sleep(ORPHAN_CHECK_SECONDS)
    os._exit(1)
