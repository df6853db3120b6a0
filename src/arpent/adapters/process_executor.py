"""Executor on this machine's processes: a worker that dies costs its own ticket only."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, CancelledError
from contextlib import suppress
from threading import Thread

from pebble import ProcessExpired, ProcessFuture, ProcessPool

from arpent.errors import WorkerDied, WorldError
from arpent.model.partition import Outcome
from arpent.ports import Lease

ORPHAN_CHECK_SECONDS = 0.5
"""How often a worker looks whether its parent still lives."""
NICENESS = 5
"""Workers give way to whoever answers calls: without it a status call waits for its turn behind them, several times."""


class ProcessTicket:
    """Work in a worker process."""

    def __init__(self, future: ProcessFuture[Outcome]) -> None:
        self._future = future

    def done(self) -> bool:
        return bool(self._future.done())

    def begun(self) -> bool:
        return bool(self._future.running() or self._future.done())

    def result(self) -> Outcome:
        try:
            return self._future.result()
        except ProcessExpired as error:
            raise WorkerDied(f"A worker process died ({_cause(error.exitcode)})") from error
        except BrokenExecutor as error:
            raise WorldError("The worker processes died", transient=True) from error
        except CancelledError as error:
            raise WorldError("The work was cancelled", transient=True) from error

    def cancel(self) -> None:
        self._future.cancel()  # type: ignore[no-untyped-call]


class ProcessExecutor:
    """A fixed number of workers, started afresh (spawn) so that they share nothing with this process."""

    def __init__(self, workers: int, prepare: Callable[[], None] | None = None) -> None:
        """`prepare` runs first in every worker (logging); picklable."""
        self._workers = workers
        self._prepare = prepare
        self._running: set[ProcessFuture[Outcome]] = set()
        self._pool = self._fresh_pool()
        self._closed = False

    def _fresh_pool(self) -> ProcessPool:
        return ProcessPool(
            max_workers=self._workers,
            initializer=_begin_worker,
            initargs=(os.getpid(), self._prepare),
            context=multiprocessing.get_context("spawn"),
        )

    @property
    def slots(self) -> int:
        return self._workers

    def submit(self, function: Callable[[Lease], Outcome], lease: Lease) -> ProcessTicket:
        if self._closed:
            raise WorldError("The worker processes have ended", transient=True)
        try:
            future = self._pool.schedule(function, args=[lease])
        except RuntimeError:
            # The pool does not survive it when a worker dies that has not begun anything; what it had in hand has
            # failed with it. Another takes its place.
            self._end_pool()
            self._pool = self._fresh_pool()
            try:
                future = self._pool.schedule(function, args=[lease])
            except RuntimeError as error:
                raise WorldError(f"No worker processes can be had: {error}", transient=True) from error
        self._running.add(future)
        future.add_done_callback(self._running.discard)
        return ProcessTicket(future)

    def close(self) -> None:
        self._closed = True
        for future in tuple(self._running):  # the pool would leave those that wait for them waiting
            future.cancel()  # type: ignore[no-untyped-call]
        self._end_pool()

    def _end_pool(self) -> None:
        with suppress(RuntimeError):  # what is broken already
            self._pool.stop()  # type: ignore[no-untyped-call]
            self._pool.join()


def _cause(code: int) -> str:
    """An exit code in words: the number of a signal is negative there."""
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"exit code {code}"


def _begin_worker(parent: int, prepare: Callable[[], None] | None) -> None:
    # Ctrl-C reaches the whole group; the parent decides what ends and when.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICENESS)
    Thread(target=_end_with, args=(parent,), daemon=True).start()
    if prepare is not None:
        prepare()


def _end_with(parent: int) -> None:
    """A parent that was killed cannot end its workers; they notice that they have another one now."""
    while os.getppid() == parent:
        time.sleep(ORPHAN_CHECK_SECONDS)
    os._exit(1)
