"""The port of object storage: buckets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from arpent.domain.location import Location


class ObjectStore(Protocol):
    """Buckets. Writes are atomic: an object is there whole or not at all.
    Raises StorageDenied, StorageNotFound or StorageUnavailable, naming bucket, key and action."""

    def read(self, location: Location, most: int | None = None) -> bytes:
        """One object, whole. Raises LimitExceeded if it has more than `most` bytes."""

    def download(self, location: Location, path: Path, most: int | None = None) -> None:
        """One object into a local file, streaming. Raises LimitExceeded if it has more than `most` bytes."""

    def write(self, location: Location, payload: bytes) -> None:
        """One object."""

    def write_many(self, prefix: Location, entries: Iterable[tuple[str, bytes]]) -> None:
        """Many objects (key, payload) in the bucket of `prefix`, concurrently, with a bounded number in flight."""

    def list(self, prefix: Location) -> Iterator[str]:
        """Keys below a prefix."""
