"""Batches: divides many objects into batches of limited number and size, to limit the memory that they need."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


def batches(entries: Iterable[tuple[str, bytes]], most: int, most_bytes: int) -> Iterator[list[tuple[str, bytes]]]:
    """The entries (name, content) in batches; each is complete with `most` entries, or earlier with `most_bytes` or
    more."""
    batch: list[tuple[str, bytes]] = []
    size = 0
    for entry in entries:
        batch.append(entry)
        size += len(entry[1])
        if len(batch) == most or size >= most_bytes:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
