"""Clocks: processor time of this process and all processes below it, wall time, and peak memory."""

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
    """The time that a piece of work took."""

    cpu: float
    """Seconds of processor time of all processes."""
    wall: float
    """Seconds of elapsed time."""

    def scaled(self, factor: float) -> Taken:
        """Both times multiplied by a factor, to extrapolate from a sample."""
        return Taken(cpu=self.cpu * factor, wall=self.wall * factor)


def pin(cores: int = 1) -> tuple[int, ...]:
    """Pin this process and all that it starts to the last `cores` of its cores; returns their numbers."""
    chosen = tuple(sorted(os.sched_getaffinity(0)))[-cores:]
    os.sched_setaffinity(0, chosen)
    return chosen


def take(work: Callable[[], object]) -> Taken:
    """Time one call."""
    cpu = _processor()  # asking all processes takes some milliseconds, which must not count
    begun = time.perf_counter()
    work()
    wall = time.perf_counter() - begun
    return Taken(cpu=_processor() - cpu, wall=wall)


def best(runs: list[Taken]) -> Taken:
    """The shortest times: anything longer is due to other work on the machine."""
    return Taken(cpu=min(run.cpu for run in runs), wall=min(run.wall for run in runs))


def peak_bytes() -> int:
    """Peak resident memory of this process; ru_maxrss would include that of its parent when it was started."""
    return _high_water(os.getpid())


def forget_peak() -> None:
    """Return free memory to the system and reset the peak of this process: outside benchmarks, another process does
    what was done so far."""
    gc.collect()
    with suppress(AttributeError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


class Watch:
    """Records the peak memory of each process below this one, including those that have ended."""

    def __init__(self, every: float = 0.05) -> None:
        """`every`: seconds between samples; little is missed, since the kernel keeps each process's high-water mark."""
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
        """Peak bytes of the largest process that is `least` to `most` generations below this one (1: its children)."""
        return max((peak for it, peak in self._peaks.items() if least <= self._depths[it] <= most), default=0)

    def _look(self) -> None:
        while not self._over.wait(self._every):
            for process, depth in _depths().items():
                if mark := _high_water(process):  # the last one counts: before exec, a child has its parent's mark
                    self._peaks[process] = mark
                self._depths.setdefault(process, depth)


def peak_below() -> int:
    """Peak resident bytes of the largest process below this one, running or ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    return max([ended, *(_high_water(process) for process in _descendants())])


def _processor() -> float:
    """Processor seconds of this process, of those below it, and of those that have ended and were waited for."""
    own = time.process_time()
    buried = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own + buried.ru_utime + buried.ru_stime + sum(_ticks(process) for process in _descendants()) * TICK


def _descendants() -> list[int]:
    """Ids of the processes below this one."""
    return list(_depths())


def _depths() -> dict[int, int]:
    """Id of a process below this one → how many generations below (1: a child)."""
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
    """Fields of /proc/<process>/stat from the third on; empty if the process has ended."""
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
