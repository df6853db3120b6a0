"""Worker's life: the code that runs in a worker process, which executes the work that arrives through its pipe."""

from __future__ import annotations

import os
import pickle
import select
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe
from threading import Lock, Thread
from traceback import format_exc

from arpent.adapters.executors.processes.limits import keep_memory, limit_memory
from arpent.domain.boundary.pulse import hear_pulses
from arpent.domain.boundary.unforeseen import panics_as_errors, sentence
from arpent.domain.errors import ArpentError

READY = b"ready"
"""A worker's message before its first work."""
PULSE = b"pulse"
"""A worker's message that its work makes progress; any number may come before an answer, and one after it."""
PULSE_SECONDS = 1.0
"""Minimum pause between two of these messages."""
LAST_SECONDS = 0.5
"""Seconds that a worker has to end by itself after its parent is gone, as one that waits for work does."""

BOOT = """import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
import sys
from multiprocessing.connection import Connection
link = Connection(int(sys.argv[1]))
try:
    sys.path[:] = link.recv()
except EOFError:
    sys.exit()
from {place} import {life}
{life}(link)"""
"""Code that a newly started program runs first. It ignores SIGINT: Ctrl-C reaches the whole process group, but the
parent decides what ends and when."""


def started(life: Callable[[Connection], None]) -> tuple[Connection, subprocess.Popen[bytes]]:
    """Start a Python program that runs `life`, with this program's interpreter options and module search path; returns
    a pipe to it, and its process."""
    flags: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    boot = BOOT.format(place=life.__module__, life=life.__name__)
    ours, theirs = Pipe()
    with theirs:  # so that the pipe closes when the program ends
        arguments = [sys.executable, *flags, "-c", boot, str(theirs.fileno())]
        process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()])
    with suppress(OSError):  # it is dead already, which the caller will notice
        ours.send(sys.path)
    return ours, process


def serve_parent(link: Connection) -> None:
    """Run a worker until its parent hangs up."""
    from arpent.domain.ports.execution import WORK_NICENESS  # a parent need not load what it imports

    with suppress(EOFError, OSError):  # the parent hung up
        parent, prepare, memory_mib = pickle.loads(link.recv_bytes())
        os.nice(WORK_NICENESS)
        Thread(target=_end_with, args=(parent, link.fileno()), daemon=True).start()
        keep_memory(memory_mib)
        if memory_mib is not None:
            limit_memory(memory_mib)
        if prepare is not None:
            prepare()
        link.send_bytes(READY)
        pulses = Pulses(link)
        hear_pulses(pulses)
        while True:
            answer = _done(link.recv_bytes())
            with pulses.lock:
                link.send_bytes(answer)


class Pulses:
    """Reports to the parent that the work of this process makes progress. Thread-safe."""

    def __init__(self, link: Connection) -> None:
        self.lock = Lock()
        """Held while something is sent through the pipe."""
        self._link = link
        self._space = select.poll()
        self._space.register(link, select.POLLOUT)
        self._next = 0.0

    def __call__(self) -> None:
        now = time.monotonic()
        if now >= self._next and self.lock.acquire(blocking=False):
            try:
                self._next = now + PULSE_SECONDS
                with suppress(OSError):  # the parent is gone, which `_end_with` handles
                    if self._space.poll(0):  # else sending would block the work
                        self._link.send_bytes(PULSE)
            finally:
                self.lock.release()


def _done(parcel: bytes) -> bytes:
    """Do pickled work; returns its pickled outcome, or the exception that it raised, with the traceback."""
    try:
        with panics_as_errors():
            function, argument = pickle.loads(parcel)
            return pickle.dumps((function(argument), ""))
    except Exception as error:
        where = f"In the worker:\n{format_exc()}"
        try:
            answer = pickle.dumps((error, where))
            pickle.loads(answer)  # some errors can be pickled, but not unpickled
        except Exception:
            return pickle.dumps((ArpentError(sentence(error)), where))
        return answer


def _end_with(parent: int, link: int) -> None:
    """End this process when its parent has died, and so cannot end its workers, or has hung up. Both are watched:
    another process that the parent forked may keep the pipe open."""
    watch = select.poll()
    watch.register(link, 0)  # reports only that the other side hung up
    gone = False
    try:
        watch.register(os.pidfd_open(parent), select.POLLIN)
    except ProcessLookupError:
        gone = True
    except (AttributeError, OSError):  # not supported here: watch the pipe only
        pass
    if not gone:
        watch.poll()
    time.sleep(LAST_SECONDS)
    os._exit(1)
