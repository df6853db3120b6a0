"""The port of object storage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from arpent.domain.location import Location


class ObjectStore(Protocol):
    """Reads and writes objects in buckets. Writes are atomic: an object is either complete or absent.

    Every method raises StorageDenied, StorageNotFound or StorageUnavailable, naming bucket, key and action.
    """

    def read(self, location: Location, most: int | None = None) -> bytes:
        """The content of one object. Raises LimitExceeded if it has more than `most` bytes."""

    def download(self, location: Location, path: Path, most: int | None = None) -> None:
        """Stream one object into a local file. Raises LimitExceeded if it has more than `most` bytes."""

    def write(self, location: Location, payload: bytes) -> None:
        """Write one object, replacing any existing one. Raises StorageDenied, StorageNotFound, StorageUnavailable."""

    def write_many(self, prefix: Location, entries: Iterable[tuple[str, bytes]]) -> None:
        """Write many objects, given as (key, payload), to the bucket of `prefix`, several at a time. Raises the first
        error; other objects may have been written."""

    def list(self, prefix: Location) -> Iterator[str]:
        """Keys of all objects under a prefix, in no particular order. Raises StorageDenied, StorageNotFound,
        StorageUnavailable."""
