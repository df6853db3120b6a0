"""Batches: a few of many objects at a time, so that memory holds them however large they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


def batches(entries: Iterable[tuple[str, bytes]], most: int, most_bytes: int) -> Iterator[list[tuple[str, bytes]]]:
    """The entries (name, content), `most` at a time, or fewer that together have `most_bytes`: one at least."""
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
