"""Held: an ObjectStore for leased work, which refuses to write after its process was suspended for too long."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from types import TracebackType

from arpent.adapters.objects.standstill import Standstill
from arpent.domain.boundary.wanted import while_held
from arpent.domain.location import Location
from arpent.domain.ports.storage import ObjectStore

SHARE = 0.5
"""Share of a lease for which the process may stand still: up to a third of the lease may have passed before."""
EVERY = 32
"""Number of objects written between two checks."""


class HeldObjects:
    """An ObjectStore for one piece of work, during which this context is entered. After a standstill another process
    may have finished the work, and what this one found (images may be gone, permissions may have ended) must not
    replace good results. Then writes raise WorkLost, including those under way whose objects do not have their final
    names yet. All other calls are passed on to `store` unchanged."""

    def __init__(self, store: ObjectStore, lease_seconds: float, still: Standstill | None = None) -> None:
        self._store = store
        self._still = still or Standstill(SHARE * lease_seconds)

    def __enter__(self) -> HeldObjects:
        self._still.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._still.__exit__(kind, error, trace)

    def check(self) -> None:
        """Raises WorkLost if the process stood still for too long since the context was entered."""
        self._still.check()

    def read(self, location: Location, most: int | None = None) -> bytes:
        return self._store.read(location, most)

    def download(self, location: Location, path: Path, most: int | None = None) -> None:
        self._store.download(location, path, most)

    def write(self, location: Location, payload: bytes) -> None:
        self.check()
        with while_held(self.check):
            self._store.write(location, payload)

    def write_many(self, prefix: Location, entries: Iterable[tuple[str, bytes]]) -> None:
        with while_held(self.check):
            self._store.write_many(prefix, self._checked(entries))

    def list(self, prefix: Location) -> Iterator[str]:
        return self._store.list(prefix)

    def _checked(self, entries: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
        remaining = iter(entries)
        while some := list(islice(remaining, EVERY)):
            self.check()
            yield from some
