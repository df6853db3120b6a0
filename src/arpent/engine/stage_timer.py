"""Stage timer: measures the time of each stage of a partition; time in a nested stage counts only for that stage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from time import perf_counter
from typing import TypeVar

from arpent.domain.boundary.pulse import pulse

Entry = TypeVar("Entry")

SEARCH, READ, SCRIPT, REDUCE, RENDER, WRITE, OTHER = "search", "read", "script", "reduce", "render", "write", "other"
"""The stages: catalogue search; image bytes to samples; evalscript; samples to statistics; statistics to JSON; writing
of objects; everything else."""

AT_ONCE = 64
"""Number of entries that are produced between two readings of the clock."""


class Stopwatch:
    """Measures the stages of one partition in one thread. A stopwatch that is not running may be shared."""

    def __init__(self, *, running: bool = True) -> None:
        self._running = running
        self._spent: dict[str, float] = {}
        self._stages = [OTHER]
        self._since = perf_counter()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time inside the `with` block for this stage."""
        if not self._running:
            yield
            return
        self._account()
        self._stages.append(name)
        try:
            yield
        finally:
            self._account()
            self._stages.pop()

    def each(self, name: str, entries: Iterable[Entry]) -> Iterator[Entry]:
        """Yield the same entries and count the time to produce them for this stage. They are produced in batches,
        because many entries take less time than reading the clock."""
        remaining = iter(entries)
        while True:
            with self.stage(name):
                some = list(islice(remaining, AT_ONCE))
            if not some:
                return
            yield from some

    @property
    def seconds(self) -> tuple[tuple[str, float], ...]:
        """(stage, seconds so far), sorted by stage."""
        self._account()
        return tuple(sorted(self._spent.items()))

    def _account(self) -> None:
        now = perf_counter()
        self._spent[self._stages[-1]] = self._spent.get(self._stages[-1], 0.0) + now - self._since
        self._since = now
        pulse()
