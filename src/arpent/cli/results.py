"""`arpent results`: one table from the result files of a job, ours or the real service's."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path, PurePosixPath

import pyarrow as pa

from arpent import worker
from arpent.adapters.formats.parquet_rows import assemble
from arpent.adapters.objects.folded import FOLDER, folded_tables, is_folded_table, unfolded
from arpent.adapters.objects.folder import FolderObjects
from arpent.domain.boundary.text import whole_number
from arpent.domain.errors import InvalidRequest
from arpent.domain.location import Location
from arpent.domain.ports.storage import ObjectStore
from arpent.settings import Settings
from arpent.wire.result.reading import Row, is_result, rows_of

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


def unfold(settings: Settings, url: str) -> int:
    """Write the files that a job folded into its table (docs/api.md#results), byte for byte, to where it would have
    written them; returns how many. Raises InvalidRequest if there are none or they lie elsewhere, WorldError."""
    store, place = _open(settings, url)
    tables = folded_tables(store, place)
    if not tables:
        raise InvalidRequest(f"There is nothing to unfold in {url}: give the folder of a job whose results are a table")
    written: set[str] = set()

    def below(table: str) -> Iterator[tuple[str, bytes]]:
        for key, content in unfolded(store, place.at(table)):
            if key.startswith("../") or not key.startswith(place.key):
                raise InvalidRequest(f"The files of {table} would not lie in {url}: give {_around(url, place, table)}")
            written.add(key)
            yield key, content

    for table in tables:
        store.write_many(place, below(table))
    return len(written)


def _around(url: str, place: Location, table: str) -> str:
    """The folder in which the job's lies, to which its template may lead."""
    above = f"/{table}".split(f"/{FOLDER}")[0].rpartition("/")[0].removeprefix("/")
    return place.at(above).url if "://" in url else str(Path(url).resolve().parent / above)


def _batches(store: ObjectStore, place: Location) -> Iterator[list[Row]]:
    keys = [key for key in store.list(place) if key.endswith(".json") or is_folded_table(key)]
    seen: set[str] = set()
    yield from _folded_batches(store, place, sorted(filter(is_folded_table, keys)), seen)
    files = (key for key in keys if key not in seen and not is_folded_table(key))
    with ThreadPoolExecutor(IN_FLIGHT, "results") as pool:
        while batch := list(islice(files, BATCH)):
            read = pool.map(lambda key: _rows(key, store.read(place.at(key))), batch)
            yield [row for rows in read for row in rows]


def _folded_batches(store: ObjectStore, place: Location, tables: list[str], seen: set[str]) -> Iterator[list[Row]]:
    """The rows of files that are folded; of two contents of a key, those of the later table. They are `seen` then:
    some or all may have been unfolded, before or after features were processed again."""
    for table in reversed(tables):
        mine: set[str] = set()
        rows: list[Row] = []
        for key, content in unfolded(store, place.at(table)):
            mine.add(key)
            rows += [] if key in seen else _rows(key, content)
        seen |= mine
        yield rows


def _rows(key: str, content: bytes) -> list[Row]:
    try:
        rows = rows_of(content)
        if not rows and whole_number(PurePosixPath(key).stem) is not None and not is_result(content):
            raise ValueError("it has no `id`, or neither `response` nor `error`")
        return rows
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidRequest(f"{key} is not a result file: {error}") from None
