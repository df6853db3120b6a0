"""Tables: the rows of the runs with the caller's ids and columns, long or wide; and what the rows came to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from arpent.adapters.formats.vector.copy import own_name
from arpent.api.fields import ID, KEY

OURS = ("from", "to", "output", "band")
OPTIONAL = ("histogram_edges", "histogram_counts", "underflow", "overflow")
"""Columns that are left out where nothing is in them."""
MOST_REASONS = 5
LETTERS = 200
"""Of a reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a job's rows came to; a row is a feature in an interval."""

    features: int
    intervals: int
    numbers: int
    """Rows with a number."""
    empty: int
    """Rows whose samples are all masked, by clouds or otherwise."""
    absent: int
    """Rows without imagery."""
    failed: int
    """Rows with an error."""
    reasons: tuple[tuple[str, int], ...] = ()
    """The commonest reasons of those, and how often."""

    def fields(self) -> dict[str, object]:
        """The summary as the fields of a JSON object."""
        return {
            "features": self.features,
            "intervals": self.intervals,
            "withNumbers": self.numbers,
            "allMasked": self.empty,
            "withoutImagery": self.absent,
            "failed": self.failed,
            "reasons": [{"reason": reason, "count": count} for reason, count in self.reasons],
        }

    def sentences(self) -> list[str]:
        """For a person."""
        total = self.features * self.intervals
        lines = [
            f"{total:,} rows ({self.features:,} features x {self.intervals} intervals): {self.numbers:,} with numbers, "
            f"{self.empty:,} all masked, {self.absent:,} without imagery, {self.failed:,} failed"
        ]
        return lines + [f"{count:,} x {reason}" for reason, count in self.reasons]


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
    taken = fields.drop_columns([KEY, "geometry"]).take(rows["__row"])
    columns = {own_name(name, (*own, "geometry")): taken[name] for name in taken.column_names}
    return pa.table({**columns, **{name: rows[name] for name in own}})


def wide_table(rows: pa.Table, fields: pa.Table, statistic: str = "mean") -> pa.Table:
    """A row per feature: ID, the caller's columns, and a column per output, band (if there are several) and start of an
    interval: `ndvi_2023-04-01`."""
    numbers = rows.filter(pc.is_valid(rows["output"]))
    bands = len(set(zip(numbers["output"].to_pylist(), numbers["band"].to_pylist(), strict=True)))
    outputs = len(numbers["output"].unique())
    starts = [f"{moment:%Y-%m-%d}" for moment in numbers["from"].to_pylist()]
    keys = [
        (output if bands == outputs else f"{output}_{band}") + f"_{start}"
        for output, band, start in zip(numbers["output"].to_pylist(), numbers["band"].to_pylist(), starts, strict=True)
    ]
    places = pc.index_in(numbers[ID], value_set=fields[ID].combine_chunks()).to_numpy()
    values = numbers[statistic].to_numpy(zero_copy_only=False).astype(float)
    columns: dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]] = {}
    found = np.array(keys, object)
    for key in sorted(set(keys)):
        column = columns.setdefault(key, np.full(len(fields), np.nan))
        mine = found == key
        column[places[mine]] = values[mine]
    taken = fields.drop_columns([KEY, "geometry"])
    named = {own_name(name, (*columns, "geometry")): taken[name] for name in taken.column_names}
    return pa.table({**named, **{key: pa.array(column, from_pandas=True) for key, column in columns.items()}})


def summary_of(rows: pa.Table, features: int, intervals: int) -> Summary:
    """What the rows of a long table came to."""
    failed = pc.equal(rows["status"], "FAILED")
    whole = rows.filter(pc.and_(failed, pc.is_null(rows["from"])))
    some = rows.filter(pc.and_(failed, pc.is_valid(rows["from"])))
    good = rows.filter(pc.invert(failed))
    valid = pc.greater(good["sample_count"], good["no_data_count"])
    slots = pa.table({ID: good[ID], "from": good["from"], "valid": valid}).group_by([ID, "from"])
    seen = slots.aggregate([("valid", "max")])["valid_max"]
    numbers = int(pc.sum(seen).as_py() or 0)
    lost = len(some.group_by([ID, "from"]).aggregate([])) + len(whole) * intervals
    present = len(seen) + lost
    reasons = Counter({reason: count * intervals for reason, count in _counted(whole).items()})
    reasons.update(_counted(some))
    return Summary(
        features=features,
        intervals=intervals,
        numbers=numbers,
        empty=len(seen) - numbers,
        absent=max(0, features * intervals - present),
        failed=lost,
        reasons=tuple(reasons.most_common(MOST_REASONS)),
    )


def _counted(rows: pa.Table) -> Mapping[str, int]:
    counts = pc.value_counts(rows["reason"].combine_chunks()).to_pylist() if len(rows) else []
    return {str(each["values"])[:LETTERS]: int(each["counts"]) for each in counts}
