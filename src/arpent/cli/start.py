"""Start: runs the command line as a process of its own."""

from __future__ import annotations

import atexit
import errno
import io
import os
import signal
import sys
from typing import Any

from arpent.adapters.formats.vector.without_pandas import leave_pandas_out


def start() -> None:
    """Run the command that the arguments name, and end the process."""
    ending: list[int] = []
    atexit.register(_end_at_once, ending)  # registered first, so that it is called last
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end_before_it_began)
    _outlive_full_log()
    leave_pandas_out()
    from arpent.cli.main import app

    try:
        app()
    except SystemExit as ended:
        if ended.code is None or isinstance(ended.code, int):
            ending.append(ended.code or 0)
        raise


class _ForgivingFile(io.FileIO):
    """A file that loses what is written to it while its disk is full."""

    def write(self, content: Any) -> int:
        try:
            return super().write(content) or 0
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            return memoryview(content).nbytes


def _outlive_full_log() -> None:
    """Let work go on when standard error is a file on a full disk."""
    if sys.stderr is None or sys.stderr.closed or sys.stderr.isatty():
        return
    file = io.BufferedWriter(_ForgivingFile(sys.stderr.fileno(), "w", closefd=False))
    sys.stderr = io.TextIOWrapper(file, sys.stderr.encoding, sys.stderr.errors, line_buffering=True)


def _end_before_it_began(*_: object) -> None:
    """End at once while modules are loaded: there is nothing to clean up, and an exception would be reported with a
    line of whichever module it hit."""
    os._exit(130)


def _end_at_once(ending: list[int]) -> None:
    """End a process whose command is done, after all other exit handlers. Python would spend a tenth of a second on
    taking its modules apart one by one."""
    if not ending:
        return
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None and not stream.closed:  # None: the process was started without it
                stream.flush()
    except OSError:
        return  # Python reports what went wrong
    os._exit(ending[0])
