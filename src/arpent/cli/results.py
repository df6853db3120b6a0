"""`arpent results`: one table from the result files of a job, ours or the real service's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import islice
from pathlib import Path, PurePosixPath

import pyarrow as pa

from arpent import worker
from arpent.adapters.formats.parquet_rows import assemble
from arpent.adapters.objects.folded import FOLDER, is_folded_table, unfolded
from arpent.adapters.objects.folder import FolderObjects
from arpent.domain.boundary.text import whole_number
from arpent.domain.errors import InvalidRequest, WorldError
from arpent.domain.location import Location
from arpent.domain.ports.storage import ObjectStore
from arpent.settings import Settings
from arpent.wire.result.collection import features_described
from arpent.wire.result.reading import Row, is_result, rows_of

BATCH = 2048
"""Files read before their rows are packed into columns or compared, which limits memory."""
IN_FLIGHT = 32
"""Files read concurrently: each waits for the store."""
SCHEMES = ("s3", "gs")
DESCRIBED, REPORTED = "/stac/collection.json", "/report/features.json"
"""Endings of the keys of a job's own JSON files, which are not results."""


@dataclass(kw_only=True, slots=True)
class _Found:
    """What was found in a folder of results."""

    results: set[str] = field(default_factory=set)
    """Keys of the features' results."""
    homes: dict[str, str] = field(default_factory=dict)
    """Key of each folded result → folder of the job whose table contains it."""


def collect(settings: Settings, url: str, tell: Callable[[str], None] = lambda line: None) -> pa.Table:
    """The rows of all result files below a folder: a path, `s3://bucket/prefix` or `gs://bucket/prefix`, opened as the
    server opens buckets. `tell` is called if some results are missing. Raises InvalidRequest if there are none, or if
    it is unclear which of two contents counts; WorldError."""
    store, place = _open(settings, url)
    keys, found = list(store.list(place)), _Found()
    table = assemble(_batches(store, place, keys, found))
    if not len(table):
        raise InvalidRequest(f"There are no results in {url}: give the folder that holds the files <feature id>.json")
    _tell_missing(store, place, keys, len(found.results), tell)
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
    """The prefix as a folder, so that job `a` does not include the files of job `ab`."""
    return f"{key.rstrip('/')}/" if key.strip("/") else ""


def unfold(settings: Settings, url: str, tell: Callable[[str], None] = lambda line: None) -> int:
    """Write the files that a job folded into its table (docs/api.md#results), byte for byte, to where it would have
    written them; returns how many. `tell` is called if some are missing. Raises InvalidRequest if there are none, if
    they would lie elsewhere, or if it is unclear which of two contents counts; WorldError."""
    store, place = _open(settings, url)
    keys, found = list(store.list(place)), _Found()
    tables = sorted(filter(is_folded_table, keys))
    if not tables:
        raise InvalidRequest(f"There is nothing to unfold in {url}: give the folder of a job whose results are a table")
    # A job's own files are not results: if there are no others, no table is read for this check.
    _check_files(store, place, {key for key in keys if key.endswith(".json") and not _is_ours(key)}, tables)
    for table in tables if len({_home(table) for table in tables}) > 1 else ():
        for key, _ in unfolded(store, place.at(table)):
            _keep_home(found, key, table)

    def below(table: str) -> Iterator[tuple[str, bytes]]:
        for key, content in unfolded(store, place.at(table)):
            if key.startswith("../") or not key.startswith(place.key):
                raise InvalidRequest(f"The files of {table} would be outside {url}: give {_around(url, place, table)}")
            _keep_home(found, key, table)
            yield key, content

    for table in tables:
        store.write_many(place, below(table))
    _tell_missing(store, place, keys, len(found.homes), tell)
    return len(found.homes)


def _keep_home(found: _Found, key: str, table: str) -> None:
    """Record which job has this result. Raises InvalidRequest if another job has folded a result with the same key."""
    home = _home(table)
    if found.homes.setdefault(key, home) != home:
        raise InvalidRequest(f"{key} is a result of two jobs, {found.homes[key]} and {home}: give the folder of one")


def _home(table: str) -> str:
    """The folder of the job to which this table belongs."""
    return f"/{table}".rpartition(f"/{FOLDER}")[0].removeprefix("/")


def _check_files(store: ObjectStore, place: Location, files: set[str], tables: list[str]) -> None:
    """Check that those files which are also in tables were unfolded from one of them. Raises InvalidRequest if
    something else has written one, because it cannot be known which content is newer."""
    folded: dict[str, set[bytes]] = {}
    for table in tables if files else ():
        for key, content in unfolded(store, place.at(table)):
            if key in files:
                folded.setdefault(key, set()).add(blake2b(content, digest_size=16).digest())
    remaining = iter(folded.items())
    with ThreadPoolExecutor(IN_FLIGHT, "results") as pool:
        while batch := list(islice(remaining, BATCH)):
            contents = pool.map(lambda each: store.read(place.at(each[0])), batch)
            for (key, known), content in zip(batch, contents, strict=True):
                if blake2b(content, digest_size=16).digest() in known:
                    continue
                raise InvalidRequest(
                    f"{key} differs from its copy in {FOLDER}: something else has written it, and which of "
                    f"the two is newer is unknown. Move this file or {FOLDER} away"
                )


def _is_ours(key: str) -> bool:
    return f"/{key}".endswith((DESCRIBED, REPORTED))


def _tell_missing(
    store: ObjectStore, place: Location, keys: list[str], count: int, tell: Callable[[str], None]
) -> None:
    """Report missing results, if the folder is that of one job with more features than results."""
    described = [key for key in keys if f"/{key}".endswith(DESCRIBED)]
    if len(described) != 1:
        return
    try:
        features = features_described(store.read(place.at(described[0])))
    except WorldError:
        return
    if features is not None and count < features:
        tell(f"{count:,} of {features:,} features have a result here: the job has not ended, or objects are missing")


def _around(url: str, place: Location, table: str) -> str:
    """The folder that contains the job's folder, in case the job's template leads out of its own."""
    above = f"/{table}".split(f"/{FOLDER}")[0].rpartition("/")[0].removeprefix("/")
    return place.at(above).url if "://" in url else str(Path(url).resolve().parent / above)


def _batches(store: ObjectStore, place: Location, keys: list[str], found: _Found) -> Iterator[list[Row]]:
    tables = sorted(filter(is_folded_table, keys))
    yield from _folded_batches(store, place, tables, found)
    _check_files(store, place, {key for key in keys if key in found.homes}, tables)
    files = (key for key in keys if key.endswith(".json") and key not in found.homes)
    with ThreadPoolExecutor(IN_FLIGHT, "results") as pool:
        while batch := list(islice(files, BATCH)):
            read = pool.map(lambda key: _rows(key, store.read(place.at(key)), found), batch)
            yield [row for rows in read for row in rows]


def _folded_batches(store: ObjectStore, place: Location, tables: list[str], found: _Found) -> Iterator[list[Row]]:
    """The rows of folded files. If several tables contain a key, the later table counts. Some or all files may also
    have been unfolded, before or after features were processed again."""
    for table in reversed(tables):
        mine: set[str] = set()
        rows: list[Row] = []
        for key, content in unfolded(store, place.at(table)):
            mine.add(key)
            rows += [] if key in found.homes else _rows(key, content, found)
        for key in mine:
            _keep_home(found, key, table)
        yield rows


def _rows(key: str, content: bytes, found: _Found) -> list[Row]:
    try:
        rows = rows_of(content)
        if rows or is_result(content):
            found.results.add(key)
        elif whole_number(PurePosixPath(key).stem) is not None:
            raise ValueError("it has no `id`, or neither `response` nor `error`")
        return rows
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidRequest(f"{key} is not a result file: {error}") from None
