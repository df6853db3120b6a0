"""Parquet columns of the results' table: their names and types, and which percentiles a job has (docs/numbers.md)."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from arpent.domain.calculation import CLOUDY_SHARE, MORE, Calculations, more_column, share_column
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
"""Columns before the statistics: they say which number the row holds."""
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
"""Columns of statistics: null where there is no number, never NaN for "no data"."""
TINY = "tiny"
BESIDE = {more_column(CLOUDY_SHARE): pa.float64(), TINY: pa.bool_()}
"""Further columns after those, if they are asked for."""
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
    """Name of the percentile column: p and the key of the JSON files, `p50.0`."""
    return f"p{percentile_key(k)}"


def job_ranks(calculations: Calculations) -> tuple[float, ...]:
    """All k of percentiles that any band of the job asks for, ascending: each becomes a column of every part."""
    wanted = {
        k for entry in calculations.outputs.values() for percentiles in entry.percentiles.values() for k in percentiles
    }
    return tuple(sorted(wanted))


def found_ranks(result: PartitionResult) -> tuple[float, ...]:
    """All k of percentiles that the result has, ascending."""
    bands = (band for one in result.intervals for bands in one.outputs.values() for band in bands.values())
    return tuple(sorted({k for band in bands for k in band.ranks}))


def more_columns(calculations: Calculations) -> tuple[str, ...]:
    """Additional columns that the job asks for: further statistics and shares of classes of any band, and the flag for
    tiny polygons."""
    entries = calculations.outputs.values()
    wanted = {name for entry in entries for more in entry.more.values() for name in more}
    named = (share_column(name) for entry in entries for shares in entry.shares.values() for name, _ in shares)
    flags = (TINY,) if calculations.flagged else ()
    return (*flags, *(more_column(name) for name in MORE if name in wanted), *dict.fromkeys(named))


def is_more(name: str) -> bool:
    """Whether a column is one that `more_columns` may return."""
    return name in BESIDE or name in MORE or name.startswith(share_column(""))


def schema(ranks: tuple[float, ...], more: Iterable[str] = ()) -> pa.Schema:
    """The table's schema, which is the same for all parts of a job, whether or not their features failed.

    The histogram's columns are always there: nulls take little space, and tables of other jobs have the same columns.
    """
    percentiles = tuple((percentile_column(k), pa.float64()) for k in ranks)
    asked = tuple(more)
    beside = tuple((name, kind) for name, kind in BESIDE.items() if name in asked)
    further = tuple((name, pa.float64()) for name in asked if name not in BESIDE)
    return pa.schema([*BEFORE, *STATISTICS, *beside, *percentiles, *further, *HISTOGRAM, *AFTER])
