"""Columns of the results' table: names, types, and which percentiles a job has (docs/numbers.md)."""

from __future__ import annotations

import pyarrow as pa

from arpent.domain.calculation import Calculations
from arpent.domain.result import PartitionResult
from arpent.wire.result.text import percentile_key

INSTANT = pa.timestamp("us", tz="UTC")

BEFORE = (
    ("id", pa.int64()),
    ("identifier", pa.string()),
    ("from", INSTANT),
    ("to", INSTANT),
    ("output", pa.string()),
    ("band", pa.string()),
)
"""Which number it is."""
STATISTICS = (
    ("min", pa.float64()),
    ("max", pa.float64()),
    ("mean", pa.float64()),
    ("stDev", pa.float64()),
    ("sample_count", pa.int64()),
    ("no_data_count", pa.int64()),
    ("geometry_pixel_count", pa.int64()),
    ("valid_share", pa.float64()),
)
"""Null where there is no number, never NaN for "no data"."""
HISTOGRAM = (
    ("histogram_edges", pa.list_(pa.float64())),
    ("histogram_counts", pa.list_(pa.int64())),
    ("underflow", pa.int64()),
    ("overflow", pa.int64()),
)
ABOUT = b"arpent"
"""Key of the provenance in the metadata of tables and features files: JSON."""
AFTER = (
    ("status", pa.string()),
    ("reason", pa.string()),
    ("items", pa.list_(pa.string())),
)


def percentile_column(k: float) -> str:
    """`p50.0`: p and the key of the JSON files."""
    return f"p{percentile_key(k)}"


def job_ranks(calculations: Calculations) -> tuple[float, ...]:
    """Every k that any band of the job asks for, ascending: each becomes a column of every part."""
    wanted = {
        k for entry in calculations.outputs.values() for percentiles in entry.percentiles.values() for k in percentiles
    }
    return tuple(sorted(wanted))


def found_ranks(result: PartitionResult) -> tuple[float, ...]:
    """Every k that the result has."""
    bands = (band for one in result.intervals for bands in one.outputs.values() for band in bands.values())
    return tuple(sorted({k for band in bands for k in band.ranks}))


def schema(ranks: tuple[float, ...]) -> pa.Schema:
    """The same for every part of a job, whatever came of its features.

    The histogram's columns are always there: a null costs next to nothing, and a table of another job has the same.
    """
    percentiles = tuple((percentile_column(k), pa.float64()) for k in ranks)
    return pa.schema([*BEFORE, *STATISTICS, *percentiles, *HISTOGRAM, *AFTER])
