"""Kernels of this machine, compiled once while several processes collect their tests, and not by each of them."""

from __future__ import annotations

import os
import select
import subprocess

from tests.support.server import arpent

COMPILER = "TESTS_WAIT_FOR_PROCESS"
"""Environment variable by which the processes that run tests know the one that compiles."""
PATIENCE = 300.0
"""Seconds to wait for it; whoever begins before it has ended compiles what is missing, which takes longer."""


def begin() -> subprocess.Popen[bytes]:
    """Compile what is not in the cache, in a process of its own: `arpent warm`."""
    settings = {name: value for name, value in os.environ.items() if not name.startswith("ARPENT_")}
    process = subprocess.Popen(
        [*arpent(), "warm"], env=settings, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.environ[COMPILER] = str(process.pid)
    return process


def wait() -> None:
    """Until it has ended, where there is one. It may be a zombie: it belongs to another process than this one."""
    if COMPILER not in os.environ:
        return
    try:
        process = os.pidfd_open(int(os.environ[COMPILER]))
    except ProcessLookupError:
        return
    select.select([process], [], [], PATIENCE)
    os.close(process)
