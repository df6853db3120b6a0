"""Tables: the rows of the runs with the caller's ids and columns, as a long or wide table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from arpent.adapters.formats.vector.copy import own_names
from arpent.api.fields import ID, KEY

OURS = ("from", "to", "output", "band")
OPTIONAL = ("histogram_edges", "histogram_counts", "underflow", "overflow")
"""Columns that are left out if they are empty."""


def long_table(folders: Sequence[Path], fields: pa.Table) -> pa.Table:
    """A row per feature, interval, output and band, in the order of the fields: ID, the caller's columns, the numbers.
    `folders`: where the runs wrote their parts."""
    parts = [ds.dataset(folder, format="parquet").to_table() for folder in folders]
    rows = pa.concat_tables(parts, promote_options="default").drop_columns(["identifier"])
    unasked = [name for name in OPTIONAL if rows[name].null_count == len(rows)]
    rows = rows.drop_columns(unasked)
    own = [name for name in rows.column_names if name != "id"]
    place = pc.index_in(rows["id"], value_set=fields[KEY].combine_chunks())
    rows = rows.append_column("__row", place)
    rows = rows.take(pc.sort_indices(rows, [("__row", "ascending"), *((name, "ascending") for name in OURS)]))
    rows = rows.combine_chunks()
    taken = fields.drop_columns([KEY, "geometry"]).take(rows["__row"])
    columns = {name: taken[given] for given, name in own_names(taken.column_names, (*own, "geometry")).items()}
    return pa.table({**columns, **{name: rows[name] for name in own}})


def wide_table(rows: pa.Table, fields: pa.Table, statistic: str = "mean") -> pa.Table:
    """A row per feature: ID, the caller's columns, and a column per output, band (if there are several) and start of an
    interval: `ndvi_2023-04-01`."""
    numbers = rows.filter(pc.is_valid(rows["output"]))
    keys = _column_names(numbers)
    places = pc.index_in(numbers[ID], value_set=fields[ID].combine_chunks()).to_numpy()
    values = numbers[statistic].to_numpy(zero_copy_only=False).astype(float)
    columns: dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]] = {}
    found = np.array(keys, object)
    for key in sorted(set(keys)):
        column = columns.setdefault(key, np.full(len(fields), np.nan))
        mine = found == key
        column[places[mine]] = values[mine]
    taken = fields.drop_columns([KEY, "geometry"])
    named = {name: taken[given] for given, name in own_names(taken.column_names, (*columns, "geometry")).items()}
    return pa.table({**named, **{key: pa.array(column, from_pandas=True) for key, column in columns.items()}})


def _column_names(numbers: pa.Table) -> list[str]:
    """A name for each row: its output, its band (if there are several), and the day on which its interval begins. Days
    differ, because an interval lasts at least a day."""
    bands = list(zip(numbers["output"].to_pylist(), numbers["band"].to_pylist(), strict=True))
    single = len(set(bands)) == len({output for output, _ in bands})
    for between in "_.":  # a_b could be band b of output a, or output a_b: ids have no dots
        names = [output if single else f"{output}{between}{band}" for output, band in bands]
        if len(set(names)) == len(set(bands)):
            break
    return [f"{name}_{moment:%Y-%m-%d}" for name, moment in zip(names, numbers["from"].to_pylist(), strict=True)]
