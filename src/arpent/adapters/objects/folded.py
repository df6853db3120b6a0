"""Folded: an ObjectStore that writes many small objects as one, a Parquet table of keys and contents, and its
reader."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from functools import partial
from operator import itemgetter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from arpent.domain.errors import WorldError
from arpent.domain.location import Location
from arpent.domain.ports.storage import ObjectStore

FOLDER = "documents/"
"""Folder of these tables in a job's folder."""
PLACE = b"arpent:folder"
"""Name of the entry in a table's metadata that holds the key of the folder in which `FOLDER` was when it was
written."""
LAYOUT = pa.schema([pa.field("key", pa.string(), nullable=False), pa.field("content", pa.binary(), nullable=False)])


class FoldedObjects:
    """An ObjectStore for one partition of a job; all calls except `write_many` are passed on to `store` unchanged."""

    def __init__(self, store: ObjectStore, folder: Location, name: str) -> None:
        """`folder`: the job's folder; `name`: that of the partition's table. If two tables hold the same key, the one
        whose name comes later in the alphabet counts."""
        self._store = store
        self._folder = folder
        self._place = folder.at(f"{folder.key}{FOLDER}{name}.parquet")
        self._entries: list[tuple[str, bytes]] = []

    def read(self, location: Location, most: int | None = None) -> bytes:
        return self._store.read(location, most)

    def download(self, location: Location, path: Path, most: int | None = None) -> None:
        self._store.download(location, path, most)

    def write(self, location: Location, payload: bytes) -> None:
        self._store.write(location, payload)

    def write_many(self, prefix: Location, entries: Iterable[tuple[str, bytes]]) -> None:
        """`prefix` must be in the folder's bucket. Each call writes one object with the entries of all calls so far, in
        the order of the keys. It replaces the object of an earlier attempt, however many calls that made."""
        if found := list(entries):
            every = sorted([*self._entries, *found], key=itemgetter(0))
            self._store.write(self._place, _folded(every, self._folder.key))
            self._entries = every  # reached only if the store accepted it

    def list(self, prefix: Location) -> Iterator[str]:
        return self._store.list(prefix)


def _folded(entries: list[tuple[str, bytes]], folder: str) -> bytes:
    keys, contents = zip(*entries, strict=True)
    table = pa.table([pa.array(keys, pa.string()), pa.array(contents, pa.binary())], schema=LAYOUT)
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, LAYOUT, compression="zstd", use_dictionary=False, write_statistics=False) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({PLACE: folder.encode()})
    return sink.getvalue()


def is_folded_table(key: str) -> bool:
    """Whether an object with this key is a table of folded objects."""
    return key.endswith(".parquet") and f"/{key}".rpartition("/")[0].endswith(f"/{FOLDER[:-1]}")


def unfolded(store: ObjectStore, table: Location) -> Iterator[tuple[str, bytes]]:
    """(key, content) of a table's objects, in the table's order. If the table was moved together with its folder, the
    keys are adapted to where it is now: they are in the job's folder or in the one above, which is `../` if the job's
    folder is the whole bucket. Raises WorldError if the table is damaged, and what the store raises."""
    payload = store.read(table)
    try:
        file = pq.ParquetFile(io.BytesIO(payload))
        before = (file.schema_arrow.metadata or {}).get(PLACE) or (file.metadata.metadata or {})[PLACE]
        now = f"/{table.key}".rpartition(f"/{FOLDER}")[0].removeprefix("/")
        moved = partial(_moved, before.decode(), f"{now}/" if now else "")
        for batch in file.iter_batches(4096):
            for key, content in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                yield moved(key), content
    except (pa.ArrowException, OSError, KeyError, ValueError, TypeError) as error:
        raise WorldError(f"{table.url} is damaged: {error}", transient=False) from None


def _moved(before: str, now: str, key: str) -> str:
    """The key after the job's folder was moved. Since anyone who may write into a bucket can write such tables, keys
    outside the folder that holds the job's folder, which no template produces, raise ValueError."""
    if key.startswith(before):
        folder, name = now, key.removeprefix(before)
    elif key.startswith(above := _above(before)):
        folder, name = _above(now) if now else "../", key.removeprefix(above)
    else:
        raise ValueError(f"{key!r:.200} is not next to the job's folder {before!r:.200}")
    if {".", ".."} & set(name.split("/")):
        raise ValueError(f"{key!r:.200} is not a key")
    return folder + name


def _above(folder: str) -> str:
    """The folder that holds this one, ending in a slash; empty if that is the bucket."""
    above = folder.rstrip("/").rpartition("/")[0]
    return f"{above}/" if above else ""
