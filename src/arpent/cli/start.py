"""Start: the command line in a process of its own."""

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
    atexit.register(_end_at_once, ending)  # first of all, so that it is called last
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
    """A file whose disk may be full: then what is written is lost."""

    def write(self, content: Any) -> int:
        try:
            return super().write(content) or 0
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            return memoryview(content).nbytes


def _outlive_full_log() -> None:
    """Work goes on where the file that standard error goes to takes no more of what it tells."""
    if sys.stderr is None or sys.stderr.closed or sys.stderr.isatty():
        return
    file = io.BufferedWriter(_ForgivingFile(sys.stderr.fileno(), "w", closefd=False))
    sys.stderr = io.TextIOWrapper(file, sys.stderr.encoding, sys.stderr.errors, line_buffering=True)


def _end_before_it_began(*_: object) -> None:
    """While modules are loaded nothing is to be cleared away, and what is raised in the midst of them is told by their
    lines."""
    os._exit(130)


def _end_at_once(ending: list[int]) -> None:
    """End a process whose command is done, and which all others have left that asked to be called at its end. Python
    would take its modules apart one by one for a tenth of a second."""
    if not ending:
        return
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None and not stream.closed:  # None: the process was started without it
                stream.flush()
    except OSError:
        return  # Python says what went wrong
    os._exit(ending[0])
