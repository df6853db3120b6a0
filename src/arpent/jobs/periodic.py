"""Periodic tasks: small tasks that run alongside the runner's loop, each repeated after its own pause."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event as Flag
from threading import Thread
from time import monotonic

from arpent.domain.boundary.unforeseen import panics_as_errors
from arpent.domain.errors import WorldError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodicTask:
    """A task that is repeated."""

    name: str
    """Name in the log."""
    seconds: float
    """Pause between two runs, in seconds."""
    action: Callable[[], object]
    """The task; if it raises, it is tried again after the pause."""


class PeriodicTasks:
    """Runs tasks in its own thread until it is closed; closing runs each task once more."""

    def __init__(self, tasks: Sequence[PeriodicTask]) -> None:
        self._tasks = tasks
        self._stop = Flag()
        self._thread = Thread(target=self._run, name="rounds", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread, then run each task once more."""
        self._stop.set()
        self._thread.join()
        for task in self._tasks:
            _do(task)

    def _run(self) -> None:
        due = dict.fromkeys(range(len(self._tasks)), 0.0)
        while True:
            for number, task in enumerate(self._tasks):
                if monotonic() >= due[number]:
                    _do(task)
                    due[number] = monotonic() + task.seconds
            if self._stop.wait(max(0.01, min(due.values(), default=1.0) - monotonic())):
                return


def _do(task: PeriodicTask) -> None:
    try:
        with panics_as_errors():
            task.action()
    except Exception as error:
        expected = isinstance(error, WorldError) and error.transient
        log.warning("%s is tried again later: %s", task.name, error, exc_info=not expected)
