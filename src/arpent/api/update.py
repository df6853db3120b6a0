"""Update: the fingerprints that a long table carries, and the table as the results that a later request updates."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from arpent.adapters.formats.job_files.fingerprints import LAYOUT, packed, table_digest, told
from arpent.adapters.formats.parquet_columns import ABOUT, schema
from arpent.api.fields import ID, KEY, Fields
from arpent.api.tables import OURS
from arpent.domain.errors import InvalidRequest
from arpent.domain.feature import Features

FINGERPRINTS = b"arpent.fingerprints"
"""Key in the metadata of a long table: fingerprints of its rows, a Parquet file in base64."""
PART = "part-{:06d}-0.parquet"
PART_ROWS = 20_000
"""Rows of a part of the earlier table, about: a worker reads the parts whole that have features of its partition."""
TILE = 200
"""Features of a group of neighbours, about: a part holds one group if each feature has 100 rows, several if fewer."""


def fingerprints_in(folders: Sequence[Path], fields: Fields, rows: pa.Table) -> bytes:
    """What the runs noted of their rows, by the caller's ids; features that lie together follow each other, since they
    will be in one partition. `folders`: where the runs wrote, each with `fingerprints`; `rows`: the long table that
    these are for."""
    files = [pq.ParquetFile(path) for folder in folders for path in sorted((folder / "fingerprints").iterdir())]
    marks = pa.concat_tables([LAYOUT.empty_table(), *(file.read() for file in files)])
    marks = marks.take(pa.array(_by_tile(marks["id"], fields.features)))
    place = pc.index_in(marks["id"], value_set=fields.table[KEY].combine_chunks())
    named = marks.set_column(0, ID, fields.table[ID].take(place)).combine_chunks()
    request = next((told(file)[0] for file in files if told(file)[0]), "")
    return base64.b64encode(packed(named, request, rows_digest(rows)))


def rows_digest(rows: pa.Table) -> str:
    """Of the ids and numbers of a long table, by which they are known to be those that the fingerprints are of. The
    same for the table in memory and as its file gives it back; the caller's columns may change."""
    kept = pa.table({name: _plain(rows[name]) for name in (ID, *_numbers(rows))}).combine_chunks()
    sink = io.BytesIO()
    pq.write_table(kept, sink, compression="none", store_schema=False)
    return table_digest(sink.getbuffer())


def earlier_results(path: Path, results: Path) -> str | None:
    """Write the table at `path` as the results of a request, into the folder of results; its id. None if there is no
    table yet, or one that was not left as it was written. Raises InvalidRequest if the file is no long table."""
    if not path.exists():
        return None
    try:
        file = pq.ParquetFile(path)
        metadata = file.schema_arrow.metadata or {}
        _check_long(path, file.schema_arrow.names, ours=ABOUT in metadata)
        if FINGERPRINTS not in metadata:
            return None
        rows = file.read()
    except (OSError, pa.ArrowException) as error:
        raise InvalidRequest(f"{path} cannot be updated, since it is not a Parquet file: {error!s:.200}") from None
    try:
        own = pq.ParquetFile(pa.BufferReader(base64.b64decode(metadata[FINGERPRINTS])))
        marks = own.read()
    except (OSError, ValueError, pa.ArrowException):  # other software cut them
        return None
    request, digest = told(own)
    return _written(rows, marks, request, results) if digest == rows_digest(rows) else None


def _by_tile(ids: pa.ChunkedArray, features: Features) -> NDArray[np.intp]:
    """(m,): the order of these features by strips from west to east, in each from south to north. It depends on
    nothing but the features."""
    rows = pc.index_in(ids, value_set=pa.array(features.ids)).to_numpy()
    bounds = features.bounds[rows]
    x, y = bounds[:, 0] + bounds[:, 2], bounds[:, 1] + bounds[:, 3]
    strip = np.searchsorted(np.sort(x), x) // max(1, int((len(x) * TILE) ** 0.5))
    return np.lexsort((rows, y, strip))


def _check_long(path: Path, names: Sequence[str], *, ours: bool) -> None:
    """Raises InvalidRequest unless these are the columns of a long table."""
    if {ID, *OURS} <= set(names):
        return
    why = "it is a wide table: only a long one can" if ours else "`arpent stats` did not write it"
    raise InvalidRequest(f"{path} cannot be updated, since {why}")


def _written(rows: pa.Table, marks: pa.Table, request: str, results: Path) -> str:
    """Write rows and fingerprints in parts, as the engine does; the id of the request that they seem to be of."""
    table = _as_part(rows, marks[ID].combine_chunks()).combine_chunks()
    job = str(uuid4())
    for name in ("parquet", "fingerprints"):
        (results / job / name).mkdir(parents=True)
    numbered = marks.set_column(0, ID, pa.array(range(len(marks)), pa.int64()))
    size = max(1, PART_ROWS * len(marks) // max(1, len(table)))
    owner = table["id"].to_numpy() // size
    order = np.argsort(owner, kind="stable")
    cuts = np.searchsorted(owner[order], range(max(1, -(-len(marks) // size)) + 1))
    for number, (begin, end) in enumerate(pairwise(cuts)):
        part = results / job / "parquet" / PART.format(number)
        pq.write_table(table.take(order[begin:end]), part, compression="zstd", store_schema=False)
        payload = packed(numbered.slice(number * size, size), request, table_digest(part.read_bytes()))
        (results / job / "fingerprints" / part.name).write_bytes(payload)
    return job


def _numbers(rows: pa.Table) -> list[str]:
    """The columns of a long table behind the caller's."""
    names: list[str] = rows.column_names
    return names[names.index("from") :]


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Without the dictionary of a caller's categories, which a file does not keep."""
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _as_part(rows: pa.Table, ids: pa.Array) -> pa.Table:
    """The rows as the engine writes them; a feature's id is its place in `ids`."""
    numbers = pc.index_in(rows[ID], value_set=ids.cast(rows[ID].type)).cast(pa.int64())
    layout = schema(())
    columns = {name: rows[name] for name in _numbers(rows)} | {ID: numbers}
    missing = {field.name: pa.nulls(len(rows), field.type) for field in layout if field.name not in columns}
    return pa.table(columns | missing).filter(pc.is_valid(numbers))
