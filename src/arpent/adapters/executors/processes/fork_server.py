"""Fork server: a process that has loaded the modules that workers need, and forks workers, which start in milliseconds
and share its memory (docs/adr/0024-fork-server.md). It runs no Python threads besides its main one."""

from __future__ import annotations

import atexit
import gc
import os
import pickle
import signal
import subprocess
import sys
import traceback
import weakref
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe, wait
from multiprocessing.reduction import recv_handle, send_handle
from threading import Lock
from typing import Any, NoReturn

from arpent.adapters.executors.processes.worker_life import serve_parent, started

PATIENCE_SECONDS, LOADING_SECONDS = 60.0, 600.0
"""Seconds to wait for a server's answer before giving up: normally, and if it has to load something first."""
END_SECONDS = 5.0
"""Seconds that a server may take to end."""
GONE = "the process that workers are forked from was killed; the kernel's log may say why"
SLOW = "the process that workers are forked from did not answer within %g s: this machine or its disk is overloaded"
UNKNOWN = 256
"""Stands for an exit code that is unknown because the server that knew it is gone."""
Load = Callable[[], None]
Surroundings = tuple[dict[str, str], str | None, list[str]]
"""What a program inherits from its parent: environment variables, working directory, module search path."""


def can_watch() -> bool:
    """Whether this process can watch processes that another one forked: on Linux from 5.3 on, unless a sandbox forbids
    it."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):
        return False
    return True


POSSIBLE = can_watch()


class ForkedProcess:
    """A process that a server forked, with the methods of `subprocess.Popen` that are needed. It can outlive its
    server."""

    def __init__(self, server: ForkServer, pid: int) -> None:
        self.pid = pid
        self._server = server
        self._code: int | None = None
        # The server reaps it only when asked to, so the id cannot belong to another process yet.
        self._descriptor = os.pidfd_open(pid)
        weakref.finalize(self, os.close, self._descriptor)

    def poll(self) -> int | None:
        """The exit code (negative: a signal), UNKNOWN if the server that knew it is gone; None while the process
        runs."""
        if self._code is None and wait([self._descriptor], 0):
            try:
                self._code = self._server.reap(self.pid)
            except OSError:
                self._code = UNKNOWN
        return self._code

    def wait(self, seconds: float) -> int:
        """Wait for the process to end; returns what `poll` does. Raises subprocess.TimeoutExpired."""
        wait([self._descriptor], seconds)
        if (code := self.poll()) is None:
            raise subprocess.TimeoutExpired("a worker", seconds)
        return code

    def kill(self) -> None:
        """Kill the process; callable from any thread."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)


class ForkServer:
    """A handle of a server in the process that started it. Thread-safe."""

    def __init__(self, link: Connection, pid: int, surroundings: Surroundings) -> None:
        """`pid`: process id of the server, a child of this process that was started in these `surroundings`."""
        self._lock = Lock()
        self._link = link
        self._descriptor = os.pidfd_open(pid)
        self._surroundings = surroundings
        self._loaded: set[bytes] = set()
        self._lost = False
        weakref.finalize(self, _hang_up, link, self._descriptor, pid, os.getpid())

    def serves(self) -> bool:
        """Whether the server answers, and its workers would inherit what a program started now would inherit."""
        return not self._lost and self._surroundings == _surroundings()

    def start(self, load: Load | None) -> tuple[Connection, ForkedProcess]:
        """Fork a worker; returns a new pipe to it, which no worker of an earlier try can have, and its process. `load`
        runs in the server first, once. Raises OSError if no worker can be forked."""
        ours, theirs = Pipe()
        try:
            with theirs:
                pid = self._asked(pickle.dumps(load), theirs.fileno())
        except OSError:
            ours.close()  # ends the worker if it was forked all the same
            raise
        try:
            return ours, ForkedProcess(self, pid)
        except OSError:
            ours.close()
            self.reap(pid)
            raise

    def reap(self, process: int) -> int:
        """The exit code of a worker that has ended. Raises OSError if the server is gone."""
        return self._asked(process)

    def _asked(self, question: bytes | int, descriptor: int | None = None) -> int:
        with self._lock:
            if self._lost:
                raise ConnectionError(GONE)
            known = isinstance(question, int) or question in self._loaded
            seconds = PATIENCE_SECONDS if known else LOADING_SECONDS
            try:
                self._link.send(question)
                if descriptor is not None:
                    send_handle(self._link, descriptor, None)
                if not self._link.poll(seconds):
                    raise TimeoutError
                answer: int | OSError = self._link.recv()
            except (OSError, EOFError) as error:
                self._lost = True
                with suppress(OSError):  # else it might still fork a worker later
                    signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)
                raise ConnectionError(SLOW % seconds if isinstance(error, TimeoutError) else GONE) from error
            if isinstance(question, bytes):
                self._loaded.add(question)
        if isinstance(answer, OSError):
            raise answer
        return answer


def forked(load: Load | None) -> tuple[Connection, ForkedProcess]:
    """Fork a worker from this process's server, which is started if there is none; returns the pipe to the worker, and
    its process. Raises OSError if that fails."""
    try:
        return _current().start(load)
    except ConnectionError:  # the server is gone; a new one has not seen the request
        return _current().start(load)


def begin_here() -> None:
    """Fork the server from this process, so that nothing is imported twice. Only for arpent's own programs, before they
    start threads or open files or connections. It never returns in the forked processes."""
    if not POSSIBLE:
        return
    ours, theirs = Pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    gc.freeze()
    surroundings = _surroundings()
    pid = os.fork()
    if pid == 0:
        _live_here(ours, theirs)
    theirs.close()
    _Ours.server = ForkServer(ours, pid, surroundings)


def _live_here(ours: Connection, theirs: Connection) -> NoReturn:
    """Run the server and its workers as forks of this program, and exit at the end: they must not continue the
    program's code."""
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # the program's own handler must not run here
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            signal.signal(signal.SIGHUP, signal.SIG_DFL)
        ours.close()
        with open(os.devnull, "rb") as nothing:
            os.dup2(nothing.fileno(), 0)
        serve(theirs)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()  # as `multiprocessing` does
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


class _Ours:
    """The server of this process; not inherited by processes that the user's code forks."""

    lock = Lock()
    server: ForkServer | None = None

    @classmethod
    def forget(cls) -> None:
        cls.lock, cls.server = Lock(), None


os.register_at_fork(after_in_child=_Ours.forget)


def _current() -> ForkServer:
    with _Ours.lock:
        if _Ours.server is None or not _Ours.server.serves():
            surroundings = _surroundings()
            link, process = started(serve)
            process.returncode = 0  # `_hang_up` reaps it, not Popen
            _Ours.server = ForkServer(link, process.pid, surroundings)
        return _Ours.server


def _surroundings() -> Surroundings:
    folder = None
    with suppress(OSError):  # it may have been removed
        folder = os.getcwd()
    return dict(os.environ), folder, list(sys.path)


def _hang_up(link: Connection, descriptor: int, pid: int, owner: int) -> None:
    """End a server, unless this process is a fork of the one that owns the server."""
    link.close()
    if os.getpid() == owner:
        if not wait([descriptor], END_SECONDS):  # it may be suspended
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        with suppress(ChildProcessError):  # a program that ignores SIGCHLD has no children to wait for
            os.waitpid(pid, 0)
    os.close(descriptor)


# ---- in the server's process -----------------------------------------------------------------------------------


def serve(link: Connection) -> None:
    """Run a server until its parent hangs up; in each process that it forks, run a worker."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # where it is ignored, the kernel would reap the workers
    worker = _worker_of(link)
    if worker is None:
        os._exit(0)  # it holds nothing open that needs an orderly end
    serve_parent(worker)


def _worker_of(link: Connection) -> Connection | None:
    """Fork workers as the parent requests. Returns in each worker its link to the parent; in the server, at its end,
    None."""
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
    """Run the pickled function. Errors are ignored here: they occur again in the worker, which reports them."""
    with suppress(Exception):
        load = pickle.loads(pickled)
        if load is not None:
            load()
    gc.freeze()  # pages that garbage collection does not write to stay shared
