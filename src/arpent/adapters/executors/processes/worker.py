"""Worker process: outside a handle that one thread owns, inside a loop that does what comes through its pipe.

A worker shares nothing with another one, no queue, no lock, no semaphore: whenever it is killed, it is alone with that.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
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


class Worker:
    """A process started afresh (spawn), and our end of its pipe, whose other end no third process has."""

    def __init__(self, prepare: Callable[[], None] | None, memory_mib: int | None = None) -> None:
        """`prepare` runs first in it; picklable. `memory_mib`: what it may have. Raises OSError if the machine has no
        room for a process."""
        spawn = multiprocessing.get_context("spawn")
        self._link, theirs = spawn.Pipe()
        with theirs:  # so that it closes with the worker
            arguments = (theirs, os.getpid(), prepare, memory_mib)
            self._process = spawn.Process(target=_live, args=arguments, daemon=True)
            self._process.start()
        self._ready = False

    def make_ready(self, look: Callable[[], None]) -> None:
        """Wait until it takes work. Raises EOFError if it is dead, and what `look` raises."""
        if not self._ready:
            self._ready = self.answer(look) == READY
        elif not self._process.is_alive():
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
            alive = self._process.is_alive()
            if self._link.poll(LOOK_SECONDS if alive else 0):  # last words count
                try:
                    return self._link.recv_bytes()
                except OSError as error:
                    raise EOFError from error
            if not alive:
                raise EOFError

    def resident_mib(self) -> float:
        """Mebibytes of memory it has now."""
        process = self._process.pid
        return 0.0 if process is None else resident_mib(process)

    def kill(self) -> None:
        """From any thread."""
        with suppress(ValueError, AttributeError):  # it was buried meanwhile
            self._process.kill()

    def reap(self) -> str:
        """What it died of; it is killed if it lives."""
        self._link.close()
        self._process.join(DEATH_SECONDS)
        if self._process.exitcode is None:
            self._process.kill()
            self._process.join(KILL_SECONDS)
        code = self._process.exitcode
        if code is None:
            return "not even of SIGKILL"
        self._process.close()
        return _cause(code)


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


# ---- inside ----------------------------------------------------------------------------------------------------


def _live(link: Connection, parent: int, prepare: Callable[[], None] | None, memory_mib: int | None) -> None:
    # Ctrl-C reaches the whole group; the parent decides what ends and when.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICENESS)
    Thread(target=_end_with, args=(parent,), daemon=True).start()
    if memory_mib is not None:
        limit_memory(memory_mib)
    if prepare is not None:
        prepare()
    with suppress(EOFError, OSError):  # the parent hung up
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
