"""Parquet rows: builds a job's table from rows read back from its result files, and writes it as Parquet or CSV."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from arpent.adapters.formats.parquet_columns import is_more, schema
from arpent.adapters.formats.plain_columns import plain_table
from arpent.wire.result.text import percentile_key

Row = Mapping[str, object]


def assemble(batches: Iterable[Sequence[Row]]) -> pa.Table:
    """One table with the columns of docs/numbers.md, sorted by id, interval, output and band. It has the percentiles
    that any row has. `items` is null, because result files do not contain it."""
    parts = [pa.Table.from_pylist(list(rows), schema(_ranks(rows), _more(rows))) for rows in batches]
    every = sorted({float(name[1:]) for part in parts for name in part.column_names if _is_percentile(name)})
    layout = schema(tuple(every), dict.fromkeys(name for part in parts for name in part.column_names if is_more(name)))
    whole = pa.concat_tables([layout.empty_table(), *parts], promote_options="default").select(layout.names)
    keys = ("id", "from", "output", "band")
    return whole.take(pc.sort_indices(whole, [(key, "ascending") for key in keys]))


def write_parquet(table: pa.Table, path: Path) -> None:
    """Write the table as a Parquet file, compressed by zstd."""
    pq.write_table(table, path, compression="zstd", store_schema=False)


def write_csv(table: pa.Table, sink: BinaryIO | Path) -> None:
    """Write the table as CSV with a header; instants in ISO 8601, lists as JSON, nulls empty."""
    pyarrow.csv.write_csv(plain_table(table, instants=True, texts=True), sink)


def _ranks(rows: Sequence[Row]) -> tuple[float, ...]:
    return tuple(sorted({float(name[1:]) for row in rows for name in row if _is_percentile(name)}))


def _more(rows: Sequence[Row]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for row in rows for name in row if is_more(name)))


def _is_percentile(name: str) -> bool:
    """Whether the name is that of a percentile column: `p33.0`, but not `p` or a name that only starts with p."""
    try:
        return name.startswith("p") and name == f"p{percentile_key(float(name[1:]))}"
    except ValueError:
        return False
