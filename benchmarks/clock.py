"""Clocks: processor time of this process and everything below it, wall time, and peak memory."""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

TICK = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What something took."""

    cpu: float
    """Seconds of processor time, of all processes."""
    wall: float
    """Seconds that passed."""

    def scaled(self, factor: float) -> Taken:
        """Extrapolated from a sample."""
        return Taken(cpu=self.cpu * factor, wall=self.wall * factor)


def pin(cores: int = 1) -> tuple[int, ...]:
    """Keep this process and all it starts on the first `cores` of its cores."""
    chosen = tuple(sorted(os.sched_getaffinity(0)))[-cores:]
    os.sched_setaffinity(0, chosen)
    return chosen


def take(work: Callable[[], object]) -> Taken:
    """Time one call."""
    cpu = _processor()  # to ask all processes takes some milliseconds, which are not the call's
    begun = time.perf_counter()
    work()
    wall = time.perf_counter() - begun
    return Taken(cpu=_processor() - cpu, wall=wall)


def best(runs: list[Taken]) -> Taken:
    """The fastest: what the others had on top was somebody else's."""
    return Taken(cpu=min(run.cpu for run in runs), wall=min(run.wall for run in runs))


def peak_bytes() -> int:
    """Most memory that this process has had resident; ru_maxrss would count what its parent had when it started it."""
    return _high_water(os.getpid())


def forget_peak() -> None:
    """Give back what is free, and count the peak of this process anew: what it did before is the work of another one
    where people run it."""
    gc.collect()
    with suppress(AttributeError):  # of glibc only
        ctypes.CDLL(None).malloc_trim(0)
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


class Watch:
    """Peak memory of each process below this one, also of those that have ended by the time it is asked for."""

    def __init__(self, every: float = 0.05) -> None:
        """`every`: seconds between looks; the kernel keeps the high-water mark, so that little is missed."""
        self._every = every
        self._peaks: dict[int, int] = {}
        self._depths: dict[int, int] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def peak(self, least: int, most: int) -> int:
        """Bytes of the largest process that is so many steps below this one (1: its children)."""
        return max((peak for it, peak in self._peaks.items() if least <= self._depths[it] <= most), default=0)

    def _look(self) -> None:
        while not self._over.wait(self._every):
            for process, depth in _depths().items():
                if mark := _high_water(process):  # the last counts: before its exec a child has its parent's
                    self._peaks[process] = mark
                self._depths.setdefault(process, depth)


def peak_below() -> int:
    """Most memory that any process below has resident, or had when it was the largest that has ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    return max([ended, *(_high_water(process) for process in _descendants())])


def _processor() -> float:
    """Seconds of this process, of those below it, and of those they have buried."""
    own = time.process_time()
    buried = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own + buried.ru_utime + buried.ru_stime + sum(_ticks(process) for process in _descendants()) * TICK


def _descendants() -> list[int]:
    """Processes below this one."""
    return list(_depths())


def _depths() -> dict[int, int]:
    """Process below this one → how many steps."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            parents[int(entry.name)] = int(fields[1])
    found: dict[int, int] = {}
    wave, depth = {os.getpid()}, 0
    while wave := {process for process, parent in parents.items() if parent in wave}:
        depth += 1
        found |= dict.fromkeys(wave, depth)
    return found


def _ticks(process: int) -> int:
    fields = _stat(process)
    return sum(int(value) for value in fields[11:15]) if fields else 0


def _stat(process: int) -> list[str]:
    """Fields of /proc/<process>/stat from the third on; none if it is gone."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _high_water(process: int) -> int:
    try:
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0
