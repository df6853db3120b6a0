"""Update: the fingerprints that a long table carries, and how a later request uses the table as earlier results."""

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
"""Key in the metadata of a long table: fingerprints of its rows, as a Parquet file in base64."""
PART = "part-{:06d}-0.parquet"
PART_ROWS = 20_000
"""Approximate rows per part of the earlier table: a worker reads whole every part with features of its partition."""
TILE = 200
"""Approximate features in a group of neighbours: a part holds one group at 100 rows per feature, several at fewer."""


def fingerprints_in(folders: Sequence[Path], fields: Fields, rows: pa.Table) -> bytes:
    """The fingerprints that the runs made of their rows, with the caller's ids. Features that lie close together follow
    each other, since they will share a partition. `folders`: where the runs wrote, each with `fingerprints`; `rows`:
    the long table that these are for."""
    files = [pq.ParquetFile(path) for folder in folders for path in sorted((folder / "fingerprints").iterdir())]
    marks = pa.concat_tables([LAYOUT.empty_table(), *(file.read() for file in files)])
    marks = marks.take(pa.array(_by_tile(marks["id"], fields.features)))
    place = pc.index_in(marks["id"], value_set=fields.table[KEY].combine_chunks())
    named = marks.set_column(0, ID, fields.table[ID].take(place)).combine_chunks()
    request = next((told(file)[0] for file in files if told(file)[0]), "")
    return base64.b64encode(packed(named, request, rows_digest(rows)))


def rows_digest(rows: pa.Table) -> str:
    """Digest of a long table's ids and numbers, which shows whether fingerprints belong to it. It is the same for the
    table in memory and as read from its file, and leaves out the caller's columns."""
    kept = pa.table({name: _plain(rows[name]) for name in (ID, *_numbers(rows))}).combine_chunks()
    sink = io.BytesIO()
    pq.write_table(kept, sink, compression="none", store_schema=False)
    return table_digest(sink.getbuffer())


def earlier_results(path: Path, results: Path) -> str | None:
    """Write the table at `path` into the folder of results, as those of a request, and return its id. None if there is
    no table yet, or it was changed after it was written. Raises InvalidRequest if the file is not a long table."""
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
    except (OSError, ValueError, pa.ArrowException):  # other software truncated them
        return None
    request, digest = told(own)
    return _written(rows, marks, request, results) if digest == rows_digest(rows) else None


def _by_tile(ids: pa.ChunkedArray, features: Features) -> NDArray[np.intp]:
    """(m,): the order of these features in strips from west to east, and from south to north within a strip. It depends
    only on the features."""
    rows = pc.index_in(ids, value_set=pa.array(features.ids)).to_numpy()
    bounds = features.bounds[rows]
    x, y = bounds[:, 0] + bounds[:, 2], bounds[:, 1] + bounds[:, 3]
    strip = np.searchsorted(np.sort(x), x) // max(1, int((len(x) * TILE) ** 0.5))
    return np.lexsort((rows, y, strip))


def _check_long(path: Path, names: Sequence[str], *, ours: bool) -> None:
    """Raise InvalidRequest unless these are the columns of a long table."""
    if {ID, *OURS} <= set(names):
        return
    why = "it is a wide table: only a long one can" if ours else "`arpent stats` did not write it"
    raise InvalidRequest(f"{path} cannot be updated, since {why}")


def _written(rows: pa.Table, marks: pa.Table, request: str, results: Path) -> str:
    """Write rows and fingerprints in parts, as the engine does; returns the id of the request that they seem to be
    from."""
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
    """The columns of a long table that follow the caller's."""
    names: list[str] = rows.column_names
    return names[names.index("from") :]


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column without the dictionary of a caller's categories, which a file does not keep."""
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _as_part(rows: pa.Table, ids: pa.Array) -> pa.Table:
    """The rows as the engine writes them; a feature's id is its position in `ids`."""
    numbers = pc.index_in(rows[ID], value_set=ids.cast(rows[ID].type)).cast(pa.int64())
    layout = schema(())
    columns = {name: rows[name] for name in _numbers(rows)} | {ID: numbers}
    missing = {field.name: pa.nulls(len(rows), field.type) for field in layout if field.name not in columns}
    return pa.table(columns | missing).filter(pc.is_valid(numbers))
