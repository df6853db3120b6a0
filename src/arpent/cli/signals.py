"""Signals: how a command ends before its time."""

from __future__ import annotations

import os
import signal
import threading

GRACE_SECONDS, INTERRUPTED = 15.0, 130
"""After this many seconds a command that was asked to end ends as if it were killed, with this exit code."""


def interrupt_on_signals(*, hang_up: bool) -> None:
    """What asks this process to end acts as Ctrl-C: what was begun is cleared away. `hang_up`: also the end of its
    terminal, unless that is ignored, as below nohup."""
    signal.signal(signal.SIGTERM, _interrupt)
    if hang_up and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, _interrupt)


def stop_on_signals() -> threading.Event:
    """What is set when this process is asked to end."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _interrupt(*_: object) -> None:
    """Python drops what is raised in a callback of its own, and a library may drop it, or wait for what it cut off."""
    end = threading.Timer(GRACE_SECONDS, os._exit, (INTERRUPTED,))
    end.daemon = True
    end.start()
    raise KeyboardInterrupt
