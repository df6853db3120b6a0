"""Granted: an ObjectStore that checks for every object whether its client may use it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from arpent.domain.errors import StorageDenied
from arpent.domain.location import Location
from arpent.domain.ports.storage import ObjectStore
from arpent.jobs.bucket_grants import BucketGrants


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantedObjects:
    """The store for one client. Requests are checked when they are made, but grants may change until they run, and a
    template's keys are known only then."""

    store: ObjectStore
    """The store with the buckets."""
    grants: BucketGrants
    """What the client may use."""

    def read(self, location: Location, most: int | None = None) -> bytes:
        return self.store.read(self._allowed(location, "read"), most)

    def download(self, location: Location, path: Path, most: int | None = None) -> None:
        self.store.download(self._allowed(location, "read"), path, most)

    def write(self, location: Location, payload: bytes) -> None:
        self.store.write(self._allowed(location, "write"), payload)

    def write_many(self, prefix: Location, entries: Iterable[tuple[str, bytes]]) -> None:
        if not self.grants.allows(prefix.at("")):  # not the whole bucket: check each key
            entries = ((self._allowed(prefix.at(key), "write").key, content) for key, content in entries)
        self.store.write_many(prefix, entries)

    def list(self, prefix: Location) -> Iterator[str]:
        return self.store.list(self._allowed(prefix, "list"))

    def _allowed(self, location: Location, action: str) -> Location:
        if not self.grants.allows(location):
            raise StorageDenied(f"Cannot {action} {location.url}: {self.grants.refusal(location)}.")
        return location
