"""Update: the fingerprints that a long table carries, and the table as the results that a later request updates."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from arpent.adapters.formats.job_files.fingerprints import LAYOUT, packed, table_digest, told
from arpent.adapters.formats.parquet_columns import ABOUT, schema
from arpent.api.fields import ID, KEY
from arpent.domain.errors import InvalidRequest

FINGERPRINTS = b"arpent.fingerprints"
"""Key in the metadata of a long table: fingerprints of its rows, a Parquet file in base64."""
PART = "part-000000-0.parquet"


def fingerprints_in(folders: Sequence[Path], fields: pa.Table) -> bytes:
    """What the runs noted of their rows, by the caller's ids, in the order of the fields. `folders`: where the runs
    wrote, each with `fingerprints`."""
    files = [pq.ParquetFile(path) for folder in folders for path in sorted((folder / "fingerprints").iterdir())]
    rows = pa.concat_tables([LAYOUT.empty_table(), *(file.read() for file in files)])
    place = pc.index_in(rows["id"], value_set=fields[KEY].combine_chunks())
    order = pc.sort_indices(pa.table({"place": place}), [("place", "ascending")])
    rows, place = rows.take(order), place.take(order)
    named = rows.set_column(0, ID, fields[ID].take(place)).combine_chunks()
    request = next((told(file)[0] for file in files if told(file)[0]), "")
    return base64.b64encode(packed(named, request, ""))


def earlier_results(path: Path, results: Path) -> str | None:
    """Write the table at `path` as the results of a request, into the folder of results; its id. None if there is no
    table yet, or it carries no fingerprints. Raises InvalidRequest if the file is no table of ours."""
    if not path.exists():
        return None
    try:
        file = pq.ParquetFile(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise InvalidRequest(f"{path} cannot be updated, since it is no Parquet file: {error!s:.200}") from None
    metadata = file.schema_arrow.metadata or {}
    if ABOUT not in metadata:
        raise InvalidRequest(f"{path} cannot be updated, since `arpent stats` did not write it")
    if FINGERPRINTS not in metadata:
        return None
    own = pq.ParquetFile(pa.BufferReader(base64.b64decode(metadata[FINGERPRINTS])))
    marks = own.read()
    table = _as_part(file.read(), marks[ID].combine_chunks())
    job = str(uuid4())
    for name in ("parquet", "fingerprints"):
        (results / job / name).mkdir(parents=True)
    part = results / job / "parquet" / PART
    pq.write_table(table, part, compression="zstd", store_schema=False)
    numbered = marks.set_column(0, ID, pa.array(range(len(marks)), pa.int64()))
    payload = packed(numbered, told(own)[0], table_digest(part.read_bytes()))
    (results / job / "fingerprints" / PART).write_bytes(payload)
    return job


def _as_part(rows: pa.Table, ids: pa.Array) -> pa.Table:
    """The rows as the engine writes them; a feature's id is its place in `ids`."""
    numbers = pc.index_in(rows[ID], value_set=ids.cast(rows[ID].type)).cast(pa.int64())
    names = rows.column_names[rows.column_names.index("from") :]
    layout = schema(())
    columns = {name: rows[name] for name in names} | {ID: numbers}
    missing = {field.name: pa.nulls(len(rows), field.type) for field in layout if field.name not in columns}
    return pa.table(columns | missing).filter(pc.is_valid(numbers))
