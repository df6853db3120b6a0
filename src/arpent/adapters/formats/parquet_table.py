"""Parquet table: writes a partition's results as one file in long form: a row per feature, interval, output and
band."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from arpent.adapters.formats.parquet_columns import (
    ABOUT,
    INSTANT,
    TINY,
    found_ranks,
    job_ranks,
    more_columns,
    percentile_column,
    schema,
)
from arpent.domain.calculation import CLOUDY_SHARE, EMPTY, Calculations, more_column, share_column
from arpent.domain.interval import Interval
from arpent.domain.result import BandStatistics, Failure, HistogramCounts, IntervalResult, PartitionResult

OK = "OK"
FAILED = "FAILED"
DICTIONARY_BYTES = 16 * 1024 * 1024
"""Names repeat in every row of a feature; up to this size Parquet stores each only once."""

GROUP_ROWS = 1 << 18
"""Rows of a row group; about this many rows of a table are in memory at a time."""

Columns = dict[str, pa.Array]
Place = tuple[int, int, int]
"""Sort key for rows of an interval: 1 if they failed, else 0; number of the output; number of its band."""
Block = tuple[Columns, NDArray[np.intp], Place]
"""Columns of rows that share interval, output and band; the number of the feature for each row; the rows' place."""


def table(result: PartitionResult, calculations: Calculations | None = None) -> bytes:
    """The Parquet file of one result; without `calculations` it has the percentile columns that occur in the result."""
    ranks = found_ranks(result) if calculations is None else job_ranks(calculations)
    more = () if calculations is None else more_columns(calculations)
    return _rendered([(result, np.ones(len(result.features), bool))], schema(ranks, more), "{}")


def table_of(
    parts: Sequence[tuple[PartitionResult, NDArray[np.bool_]]], calculations: Calculations, about: str
) -> bytes:
    """One Parquet file (zstd) of some features (n,) of each of several results.

    Rows: statistics by interval; then failed intervals (no output and band); then failed features (no interval either);
    failures have `status` FAILED and a `reason`. The schema follows from `calculations` alone, so that all parts of a
    job form one data set, even a part without rows or in which every feature failed. `about`: the provenance (JSON),
    kept in the file's metadata.
    """
    return _rendered(parts, schema(job_ranks(calculations), more_columns(calculations)), about)


def _rendered(parts: Sequence[tuple[PartitionResult, NDArray[np.bool_]]], layout: pa.Schema, about: str) -> bytes:
    pieces = (piece for result, wanted in parts for piece in _pieces(result, wanted, layout))
    sink = io.BytesIO()
    with pq.ParquetWriter(
        sink,
        layout,
        compression="zstd",
        store_schema=False,  # readers get plain types, not those that we build them with
        dictionary_pagesize_limit=DICTIONARY_BYTES,
        use_dictionary=["identifier", "output", "band", "status", "reason", "items.list.element"],
        write_statistics=[name for name in layout.names if name not in ("histogram_edges", "items")],
    ) as writer:
        for rows in _row_groups(pieces, layout):
            writer.write_table(rows)
        writer.add_key_value_metadata({ABOUT: about.encode()})
    return sink.getvalue()


def _row_groups(pieces: Iterable[pa.Table], layout: pa.Schema) -> Iterator[pa.Table]:
    """The rows in groups, the last of which has the rest; one empty group for a table without rows. Each group is
    contiguous, since the pages of the file would otherwise reflect the pieces. At most one group and one piece are in
    memory."""
    held = layout.empty_table()
    for piece in pieces:
        held = pa.concat_tables([held, piece])
        while len(held) > GROUP_ROWS:
            yield held.slice(0, GROUP_ROWS).combine_chunks()
            held = held.slice(GROUP_ROWS)
    yield held.combine_chunks()


def _pieces(result: PartitionResult, wanted: NDArray[np.bool_], layout: pa.Schema) -> Iterator[pa.Table]:
    """The rows of one result, interval by interval. Their order does not depend on the parts of an interval, that is on
    which features saw the same scenes or were computed by an earlier request."""
    texts, whole = _identity(result), np.isin(np.arange(len(result.features)), list(result.failures))
    parts: dict[Interval, list[IntervalResult]] = {}
    for one in result.intervals:
        parts.setdefault(one.interval, []).append(one)
    for interval in sorted(parts):
        chosen = wanted & ~whole
        blocks = [block for one in parts[interval] for block in _blocks(one, chosen, result.geometry_pixel_count)]
        piece = pa.Table.from_batches([_batch(columns, rows, texts, layout) for columns, rows, _ in blocks], layout)
        yield piece if len(parts[interval]) == 1 or not blocks else piece.take(_order(blocks))
    rows = np.flatnonzero(whole & wanted)
    if len(rows):
        yield pa.Table.from_batches([_batch(_reasons(result.failures, rows), rows, texts, layout)], layout)


def _order(blocks: Sequence[Block]) -> pa.Array:
    """Indices that put the rows of the blocks in order."""
    places = [np.broadcast_to(np.array(place)[:, np.newaxis], (len(place), len(rows))) for _, rows, place in blocks]
    keys = np.vstack([np.hstack(places), np.concatenate([rows for _, rows, _ in blocks])])
    return pa.array(np.lexsort(keys[::-1]))


def _identity(result: PartitionResult) -> Columns:
    """The columns (n,) of the features themselves, which every row of a feature repeats."""
    features = result.features
    return {
        "id": pa.array(features.ids, pa.int64()),
        "identifier": pa.array(features.identifiers, pa.string()),
        "geometry_pixel_count": pa.array(result.geometry_pixel_count, pa.int64()),
    } | ({} if result.tiny is None else {TINY: pa.array(result.tiny)})


def _batch(columns: Columns, rows: NDArray[np.intp], identity: Columns, layout: pa.Schema) -> pa.RecordBatch:
    """A block's columns in the layout's order, with the features' own columns; null for columns that the block
    lacks."""
    taken = pa.array(rows)
    found = {name: column.take(taken) for name, column in identity.items()} | columns
    arrays = [found[field.name] if field.name in found else pa.nulls(len(rows), field.type) for field in layout]
    return pa.RecordBatch.from_arrays(arrays, schema=layout)


def _blocks(one: IntervalResult, wanted: NDArray[np.bool_], inside: NDArray[np.int64]) -> Iterator[Block]:
    """The rows of one part of an interval. `inside` (n,): number of samples inside each feature."""
    present, broken = one.present & wanted, np.isin(np.arange(len(wanted)), list(one.failures))
    slot = {"from": one.interval.start, "to": one.interval.end}
    rows = np.flatnonzero(present & ~broken)
    frame = {name: _same(moment, len(rows), INSTANT) for name, moment in slot.items()}
    frame |= {"items": _items(one, rows), "status": _same(OK, len(rows), pa.string())}
    for first, (output, bands) in enumerate(one.outputs.items()):
        for second, (name, band) in enumerate(bands.items()):
            named = {"output": _same(output, len(rows), pa.string()), "band": _same(name, len(rows), pa.string())}
            yield frame | named | _numbers(band, rows, inside), rows, (0, first, second)
    rows = np.flatnonzero(present & broken)
    if len(rows):
        frame = {name: _same(moment, len(rows), INSTANT) for name, moment in slot.items()}
        yield frame | {"items": _items(one, rows)} | _reasons(one.failures, rows), rows, (1, 0, 0)


def _same(value: object, count: int, kind: pa.DataType) -> pa.Array:
    return pa.repeat(pa.scalar(value, kind), count)


def _reasons(failures: Mapping[int, Failure], rows: NDArray[np.intp]) -> Columns:
    reasons = [f"{failures[row].type}: {failures[row].message}" for row in rows.tolist()]
    return {"status": _same(FAILED, len(rows), pa.string()), "reason": pa.array(reasons, pa.string())}


def _items(one: IntervalResult, rows: NDArray[np.intp]) -> pa.Array:
    """Ids of the items that gave samples to each feature; null where unknown."""
    if one.used is None:
        return pa.nulls(len(rows), pa.list_(pa.string()))
    used = np.asarray(one.used, bool)[:, rows].T
    offsets = np.concatenate(([0], np.cumsum(used.sum(axis=1)))).astype(np.int32)
    return pa.ListArray.from_arrays(offsets, pa.array(one.items, pa.string()).take(pa.array(np.nonzero(used)[1])))


def _numbers(band: BandStatistics, rows: NDArray[np.intp], inside: NDArray[np.int64]) -> Columns:
    valid = band.sample_count[rows] - band.no_data_count[rows]
    empty = valid == 0
    share = valid / np.maximum(inside[rows], 1)
    columns = {
        "min": _number(band.minimum[rows], empty),
        "max": _number(band.maximum[rows], empty),
        "mean": _number(band.mean[rows], empty),
        "stDev": _number(band.standard_deviation[rows], empty),
        "sample_count": pa.array(band.sample_count[rows]),
        "no_data_count": pa.array(band.no_data_count[rows]),
        "valid_share": pa.array(share, mask=(inside[rows] == 0) & empty),
    }
    if band.percentiles is not None:
        for place, k in enumerate(band.ranks):
            columns[percentile_column(k)] = _number(band.percentiles[rows, place], empty)
    for name, numbers in band.more.items():
        columns[more_column(name)] = _number(np.asarray(numbers[rows], float), empty & _needs_samples(name))
    if band.histogram is not None:
        columns |= _histogram(band.histogram, rows)
    return columns


def _number(found: NDArray[np.float64], missing: NDArray[np.bool_]) -> pa.Array:
    """The numbers, null where there is none: without a valid sample, or where infinite samples give none (as stDev)."""
    return pa.array(found, mask=missing | np.isnan(found))


def _needs_samples(name: str) -> bool:
    """Whether this statistic has no number without a valid sample."""
    return not (name in EMPTY or name == CLOUDY_SHARE or name.startswith(share_column("")))


def _histogram(histogram: HistogramCounts, rows: NDArray[np.intp]) -> Columns:
    if histogram.edge_offsets is None or histogram.count_offsets is None:
        edges = np.tile(histogram.edges, (len(rows), 1))
        lists = {"histogram_edges": _even(edges), "histogram_counts": _even(histogram.counts[rows])}
        missing = None
    else:
        missing = np.diff(histogram.edge_offsets)[rows] == 0
        lists = {
            "histogram_edges": _ragged(*_of_bins(histogram.edges, histogram.edge_offsets), rows, missing),
            "histogram_counts": _ragged(histogram.counts, histogram.count_offsets, rows, missing),
        }
    tails = {
        "underflow": pa.array(histogram.underflow[rows], mask=missing),
        "overflow": pa.array(histogram.overflow[rows], mask=missing),
    }
    return lists | tails


def _even(matrix: NDArray[np.float64] | NDArray[np.int64]) -> pa.Array:
    offsets = np.arange(len(matrix) + 1, dtype=np.int32) * matrix.shape[1]
    return pa.ListArray.from_arrays(offsets.astype(np.int32), pa.array(matrix.ravel()))


def _of_bins(edges: NDArray[np.float64], offsets: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The edges without those that bound no bin, as in the result files."""
    lengths = np.diff(offsets)
    lone = lengths == 1
    return np.delete(edges, offsets[:-1][lone]), np.concatenate(([0], np.cumsum(np.where(lone, 0, lengths))))


def _ragged(
    flat: NDArray[np.float64] | NDArray[np.int64],
    offsets: NDArray[np.int64],
    rows: NDArray[np.intp],
    missing: NDArray[np.bool_],
) -> pa.Array:
    """The slices of these rows as lists; null where there is no histogram."""
    lists = pa.ListArray.from_arrays(offsets.astype(np.int32), pa.array(flat))
    return lists.take(pa.array(rows, mask=missing))
