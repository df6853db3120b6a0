"""Fork server: a process without threads that has loaded what workers need, and forks them: they start in milliseconds
and share its memory (docs/adr/0024-fork-server.md)."""

from __future__ import annotations

import gc
import os
import pickle
import signal
import subprocess
import sys
import weakref
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe, wait
from multiprocessing.reduction import recv_handle, send_handle
from threading import Lock
from typing import Any

from arpent.adapters.executors.processes.worker_life import serve_parent, started

PATIENCE_SECONDS = 60.0
"""Seconds to wait for an answer of a server, which may be loading, before it is given up."""
END_SECONDS = 5.0
"""Seconds that a server may take to end."""
UNKNOWN = 256
"""In place of an exit code: the server that would know it is gone."""
POSSIBLE = hasattr(os, "pidfd_open")
"""Whether processes can be watched that others have forked (Linux)."""

Load = Callable[[], None]
Surroundings = tuple[dict[str, str], str | None, list[str]]
"""What a program takes from the one that starts it: variables, folder, places of modules."""


class ForkedProcess:
    """A process that a server forked, as far as `subprocess.Popen` would be used for it. It outlives its server."""

    def __init__(self, server: ForkServer, pid: int) -> None:
        self.pid = pid
        self._server = server
        self._code: int | None = None
        # Its server reaps it only when asked to, so this is no other process of the same id.
        self._descriptor = os.pidfd_open(pid)
        weakref.finalize(self, os.close, self._descriptor)

    def poll(self) -> int | None:
        """Its exit code (negative: a signal), UNKNOWN if nobody knows it any more; None: it lives."""
        if self._code is None and wait([self._descriptor], 0):
            try:
                self._code = self._server.reap(self.pid)
            except OSError:
                self._code = UNKNOWN
        return self._code

    def wait(self, seconds: float) -> int:
        """Its exit code, as `poll`. Raises subprocess.TimeoutExpired."""
        wait([self._descriptor], seconds)
        if (code := self.poll()) is None:
            raise subprocess.TimeoutExpired("a worker", seconds)
        return code

    def kill(self) -> None:
        """Kill it; callable from any thread."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)


class ForkServer:
    """A server, from outside. Thread-safe."""

    def __init__(self, link: Connection, pid: int) -> None:
        """`pid`: of the server, a child of this process."""
        self._lock = Lock()
        self._link = link
        self._surroundings = _surroundings()
        self._lost = False
        weakref.finalize(self, _hang_up, link, pid, os.getpid())

    def serves(self) -> bool:
        """Whether what it forks is as a program would be that is started now."""
        return not self._lost and self._surroundings == _surroundings()

    def start(self, descriptor: int, load: Load | None) -> ForkedProcess:
        """Fork a worker that serves the other end of `descriptor`. `load` runs in the server first, once. Raises
        OSError if it cannot."""
        return ForkedProcess(self, self._asked(pickle.dumps(load), descriptor))

    def reap(self, process: int) -> int:
        """The exit code of a worker that has ended. Raises OSError if the server is gone."""
        return self._asked(process)

    def _asked(self, question: bytes | int, descriptor: int | None = None) -> int:
        with self._lock:
            try:
                self._link.send(question)
                if descriptor is not None:
                    send_handle(self._link, descriptor, None)
                if not self._link.poll(PATIENCE_SECONDS):
                    raise TimeoutError("the fork server does not answer")
                answer: int | OSError = self._link.recv()
            except (OSError, EOFError) as error:
                self._lost = True
                raise ConnectionError("the fork server is gone") from error
        if isinstance(answer, OSError):
            raise answer
        return answer


def forked(descriptor: int, load: Load | None) -> ForkedProcess:
    """A worker from this process's server, which is started if there is none. Raises OSError if that fails."""
    try:
        return _current().start(descriptor, load)
    except ConnectionError:  # it was killed; another one has not seen the order
        return _current().start(descriptor, load)


def begin_here() -> None:
    """Make the server a fork of this process, so that nothing is imported twice. Only for programs of arpent's own,
    before they start threads or hold anything open. It never returns in the forked processes: it ends the program."""
    if not POSSIBLE:
        return
    ours, theirs = Pipe()
    gc.freeze()
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # what it means to this program
        ours.close()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        serve(theirs)
        raise SystemExit
    theirs.close()
    _Ours.server = ForkServer(ours, pid)


class _Ours:
    """What belongs to this process, and not to one that its user forks."""

    lock = Lock()
    server: ForkServer | None = None

    @classmethod
    def forget(cls) -> None:
        cls.lock, cls.server = Lock(), None


os.register_at_fork(after_in_child=_Ours.forget)


def _current() -> ForkServer:
    with _Ours.lock:
        if _Ours.server is None or not _Ours.server.serves():
            ours, theirs = Pipe()
            with theirs:
                process = started(serve, ours, theirs)
                process.returncode = 0  # it is reaped like one that this process forked
            _Ours.server = ForkServer(ours, process.pid)
        return _Ours.server


def _surroundings() -> Surroundings:
    folder = None
    with suppress(OSError):  # it may have been removed
        folder = os.getcwd()
    return dict(os.environ), folder, list(sys.path)


def _hang_up(link: Connection, pid: int, owner: int) -> None:
    """End a server, unless this process is a fork of the one that it belongs to."""
    link.close()
    if os.getpid() != owner:
        return
    descriptor = os.pidfd_open(pid)
    if not wait([descriptor], END_SECONDS):  # somebody froze it
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    os.close(descriptor)
    os.waitpid(pid, 0)


# ---- inside ----------------------------------------------------------------------------------------------------


def serve(link: Connection) -> None:
    """The whole life of a server, until its parent hangs up; in what it forks, that of a worker."""
    worker = _worker_of(link)
    if worker is None:
        os._exit(0)  # it holds nothing open that would have to be ended in order
    serve_parent(worker)


def _worker_of(link: Connection) -> Connection | None:
    """Fork as the parent orders; returns the link of a worker in each of them, None in the server at its end."""
    loaded: set[bytes] = set()
    gc.disable()  # nothing that it loads becomes garbage
    with suppress(EOFError, OSError):
        while True:
            question: Any = link.recv()
            if isinstance(question, int):
                link.send(os.waitstatus_to_exitcode(os.waitpid(question, 0)[1]))
                continue
            descriptor = recv_handle(link)
            if question not in loaded:
                loaded.add(question)
                _load(question)
            try:
                process = os.fork()
            except OSError as error:
                process = 0
                link.send(error)
            else:
                if process == 0:
                    gc.enable()
                    link.close()
                    os.set_inheritable(descriptor, False)
                    return Connection(descriptor)
                link.send(process)
            os.close(descriptor)
    return None


def _load(pickled: bytes) -> None:
    """What fails here fails again in the worker, which tells it."""
    with suppress(Exception):
        load = pickle.loads(pickled)
        if load is not None:
            load()
    gc.freeze()  # pages that no collection writes to stay shared
