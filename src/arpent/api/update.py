"""Update: the fingerprints that a long table carries, and the table as the results that a later request updates."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from arpent.adapters.formats.job_files.fingerprints import LAYOUT, packed, table_digest, told
from arpent.adapters.formats.parquet_columns import ABOUT, schema
from arpent.api.fields import ID, KEY
from arpent.api.tables import OURS
from arpent.domain.errors import InvalidRequest

FINGERPRINTS = b"arpent.fingerprints"
"""Key in the metadata of a long table: fingerprints of its rows, a Parquet file in base64."""
PART = "part-000000-0.parquet"


def fingerprints_in(folders: Sequence[Path], fields: pa.Table, rows: pa.Table) -> bytes:
    """What the runs noted of their rows, by the caller's ids, in the order of the fields. `folders`: where the runs
    wrote, each with `fingerprints`; `rows`: the long table that these are for."""
    files = [pq.ParquetFile(path) for folder in folders for path in sorted((folder / "fingerprints").iterdir())]
    marks = pa.concat_tables([LAYOUT.empty_table(), *(file.read() for file in files)])
    place = pc.index_in(marks["id"], value_set=fields[KEY].combine_chunks())
    order = pc.sort_indices(pa.table({"place": place}), [("place", "ascending")])
    marks, place = marks.take(order), place.take(order)
    named = marks.set_column(0, ID, fields[ID].take(place)).combine_chunks()
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
        raise InvalidRequest(f"{path} cannot be updated, since it is no Parquet file: {error!s:.200}") from None
    try:
        own = pq.ParquetFile(pa.BufferReader(base64.b64decode(metadata[FINGERPRINTS])))
        marks = own.read()
    except (OSError, ValueError, pa.ArrowException):  # other software cut them
        return None
    request, digest = told(own)
    return _written(rows, marks, request, results) if digest == rows_digest(rows) else None


def _check_long(path: Path, names: Sequence[str], *, ours: bool) -> None:
    """Raises InvalidRequest unless these are the columns of a long table."""
    if {ID, *OURS} <= set(names):
        return
    why = "it is a wide table: only a long one can" if ours else "`arpent stats` did not write it"
    raise InvalidRequest(f"{path} cannot be updated, since {why}")


def _written(rows: pa.Table, marks: pa.Table, request: str, results: Path) -> str:
    """Write rows and fingerprints as the engine does; the id of the request that they seem to be of."""
    table = _as_part(rows, marks[ID].combine_chunks())
    job = str(uuid4())
    for name in ("parquet", "fingerprints"):
        (results / job / name).mkdir(parents=True)
    part = results / job / "parquet" / PART
    pq.write_table(table, part, compression="zstd", store_schema=False)
    numbered = marks.set_column(0, ID, pa.array(range(len(marks)), pa.int64()))
    payload = packed(numbered, request, table_digest(part.read_bytes()))
    (results / job / "fingerprints" / PART).write_bytes(payload)
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
