"""`arpent results`: one table from the result files of a job, ours or the real service's."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import pyarrow as pa

from arpent import worker
from arpent.adapters.formats.parquet_rows import assemble
from arpent.adapters.objects.folder import FolderObjects
from arpent.domain.errors import InvalidRequest
from arpent.domain.location import Location
from arpent.domain.ports.storage import ObjectStore
from arpent.settings import Settings
from arpent.wire.result.reading import Row, rows_of

BATCH = 2048
"""Files read before their rows are packed into columns; bounds memory."""
IN_FLIGHT = 32
"""Files read concurrently: each waits for the store."""
SCHEMES = ("s3", "gs")


def collect(settings: Settings, url: str) -> pa.Table:
    """The rows of every result file below a folder: a path, `s3://bucket/prefix` or `gs://bucket/prefix`, opened as the
    server opens buckets. Raises InvalidRequest if there are none, WorldError."""
    store, place = _open(settings, url)
    table = assemble(_batches(store, place))
    if not len(table):
        raise InvalidRequest(f"There are no results in {url}: give the folder that holds the files <feature id>.json")
    return table


def _open(settings: Settings, url: str) -> tuple[ObjectStore, Location]:
    scheme, separator, rest = url.partition("://")
    if separator:
        if scheme not in SCHEMES:
            raise InvalidRequest(f"{url} is neither a folder nor s3://bucket/prefix nor gs://bucket/prefix")
        bucket, _, key = rest.partition("/")
        if not bucket:
            raise InvalidRequest(f"{url} names no bucket: write {scheme}://bucket/prefix")
        worker.check_places(settings)
        return worker.objects(settings), Location(scheme=scheme, bucket=bucket, key=_below(key))
    folder = Path(url).resolve()
    if not url or not folder.is_dir():
        raise InvalidRequest(f"{url!r} is not a folder")
    return FolderObjects(folder.parent), Location(scheme="s3", bucket=folder.name, key="")


def _below(key: str) -> str:
    """The prefix as a folder: job `a` must not include the files of job `ab`."""
    return f"{key.rstrip('/')}/" if key.strip("/") else ""


def _batches(store: ObjectStore, place: Location) -> Iterator[list[Row]]:
    keys = (key for key in store.list(place) if key.endswith(".json"))
    with ThreadPoolExecutor(IN_FLIGHT, "results") as pool:
        while batch := list(islice(keys, BATCH)):
            read = pool.map(lambda key: _rows(store, place.at(key)), batch)
            yield [row for rows in read for row in rows]


def _rows(store: ObjectStore, location: Location) -> list[Row]:
    try:
        return rows_of(store.read(location))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidRequest(f"{location.key} is not a result file: {error}") from None
