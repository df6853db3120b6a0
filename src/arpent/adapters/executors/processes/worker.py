"""Worker process: outside a handle that one thread owns, inside a loop that does what comes through its pipe.

A worker shares nothing with another one, no queue, no lock, no semaphore: whenever it is killed, it is alone with that.
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

from arpent.adapters.executors.processes.limits import limit_memory, resident_mib
from arpent.domain.boundary.unforeseen import panics_as_errors, sentence
from arpent.domain.errors import ArpentError

LOOK_SECONDS = 0.1
"""How often one who waits for a worker looks whether it lives and may go on; an answer wakes at once."""
DEATH_SECONDS = 1.0
"""How long the death of a worker that has hung up may take, to learn its cause …"""
KILL_SECONDS = 5.0
"""… and that of one that was killed."""
ORPHAN_CHECK_SECONDS = 0.5
"""How often a worker looks whether its parent still lives."""
NICENESS = 5
"""Workers give way to whoever answers calls: without it a status call waits for its turn behind them, several times."""
READY = b"ready"
"""What a worker says before its first work."""


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
    """A process started afresh, and our end of its pipe, whose other end no third process has.

    It is a program of its own, not a child of `multiprocessing`, which would run the caller's script again in it:
    `arpent.statistics` is called from scripts that guard nothing, and from notebooks.
    """

    def __init__(self, prepare: Callable[[], None] | None, memory_mib: int | None = None) -> None:
        """`prepare` runs first in it; picklable. `memory_mib`: what it may have. Raises OSError if the machine has no
        room for a process."""
        self._link, theirs = Pipe()
        with theirs:  # so that it closes with the worker
            arguments = [sys.executable, *_flags(), "-c", BOOT, str(theirs.fileno())]
            self._process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()])
        with suppress(OSError):  # it is dead already, as whoever waits for it will find
            self._link.send(sys.path)
            self._link.send_bytes(pickle.dumps((os.getpid(), prepare, memory_mib)))
        self._ready = False

    def make_ready(self, look: Callable[[], None]) -> None:
        """Wait until it takes work. Raises EOFError if it is dead, and what `look` raises."""
        if not self._ready:
            self._ready = self.answer(look) == READY
        elif self._process.poll() is not None:
            raise EOFError

    def give(self, parcel: bytes) -> None:
        """Pickled work. Raises EOFError if it is dead."""
        try:
            self._link.send_bytes(parcel)
        except OSError as error:
            raise EOFError from error

    def answer(self, look: Callable[[], None]) -> bytes:
        """The next message. `look` is called now and then, and raises to end the waiting. Raises EOFError if the worker
        is dead."""
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
        """Mebibytes of memory it has now."""
        return resident_mib(self._process.pid)

    def kill(self) -> None:
        """From any thread."""
        self._process.kill()

    def bury(self) -> str:
        """What it died of; it is killed if it lives."""
        self._link.close()
        with suppress(subprocess.TimeoutExpired):
            return _cause(self._process.wait(DEATH_SECONDS))
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            return _cause(self._process.wait(KILL_SECONDS))
        return "not even of SIGKILL"


def _cause(code: int) -> str:
    """An exit code in words: the number of a signal is negative there."""
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"exit code {code}"


def opened(answer: bytes) -> Any:
    """What came of the work, or the Exception it raised."""
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
    with suppress(EOFError, OSError):  # the parent hung up
        parent, prepare, memory_mib = pickle.loads(link.recv_bytes())
        os.nice(NICENESS)
        Thread(target=_end_with, args=(parent,), daemon=True).start()
        if memory_mib is not None:
            limit_memory(memory_mib)
        if prepare is not None:
            prepare()
        link.send_bytes(READY)
        while True:
            link.send_bytes(_done(link.recv_bytes()))


def _done(parcel: bytes) -> bytes:
    """The pickled outcome of pickled work, or what it raised and where."""
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
    """A parent that was killed cannot end its workers; they notice that they have another one now."""
    while os.getppid() == parent:
        time.sleep(ORPHAN_CHECK_SECONDS)
    os._exit(1)
