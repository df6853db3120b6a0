"""Folded: an ObjectStore that writes many small objects as one, a table of keys and contents; and what unfolds it."""

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
"""Folder of such tables in a job's folder."""
PLACE = b"arpent:folder"
"""Name, in a table's metadata, of the key of the folder that `FOLDER` lies in."""
LAYOUT = pa.schema([pa.field("key", pa.string(), nullable=False), pa.field("content", pa.binary(), nullable=False)])


class FoldedObjects:
    """For one partition of a job; everything but `write_many` goes to the store as it is."""

    def __init__(self, store: ObjectStore, folder: Location, name: str) -> None:
        """`folder`: the job's; `name`: of the partition's table. A name that comes later in the alphabet counts where
        two hold the same key."""
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
        """`prefix` has the bucket of the folder. Each call writes one object with what all calls gave, in the order of
        the keys, so that nothing stays of an earlier attempt, however many calls that made, and in whatever order."""
        if found := list(entries):
            every = sorted([*self._entries, *found], key=itemgetter(0))
            self._store.write(self._place, _folded(every, self._folder.key))
            self._entries = every  # not if the store refused it

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
    """Whether an object of this key is such a table."""
    return key.endswith(".parquet") and f"/{key}".rpartition("/")[0].endswith(f"/{FOLDER[:-1]}")


def unfolded(store: ObjectStore, table: Location) -> Iterator[tuple[str, bytes]]:
    """(key, content) of a table's objects, in the table's order. The keys are those of the bucket where the table lies
    now, if it was moved together with its folder: in the job's folder or in the one above, which is `../` if the
    bucket is the job's folder. Raises WorldError if it is damaged, and what the store raises."""
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
    """The key after the job's folder was moved. Whoever may write into a bucket can write such tables: no key leads out
    of the folder that holds the job's, as those of a template never do. Raises ValueError."""
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
    """The folder that holds this one, with a slash at its end unless it is the bucket."""
    above = folder.rstrip("/").rpartition("/")[0]
    return f"{above}/" if above else ""
