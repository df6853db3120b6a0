"""Fingerprints of a table's rows, in a Parquet file next to it: a row per feature, with lists over its intervals."""

from __future__ import annotations

import io
from collections.abc import Sequence
from hashlib import sha256

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from arpent.adapters.formats.parquet_columns import INSTANT
from arpent.domain.interval import Interval
from arpent.domain.result import PartitionResult

LAYOUT = pa.schema(
    [
        ("id", pa.int64()),
        ("feature", pa.binary(16)),
        ("from", pa.list_(INSTANT)),
        ("to", pa.list_(INSTANT)),
        ("state", pa.list_(pa.uint64())),
    ]
)
"""`feature`: fingerprint of the feature's geometry; `state`: fingerprints of the items that reach it, per interval.
Only intervals with numbers are listed."""
REQUEST, TABLE = b"arpent.request", b"arpent.table"
"""Keys of the metadata: the fingerprint of the request, and the digest of the table."""


def fingerprints_of(parts: Sequence[tuple[PartitionResult, NDArray[np.bool_]]], table: bytes) -> bytes:
    """The file of fingerprints of some features (n,) of each of several results, whose rows are in `table`."""
    known = [(result, wanted) for result, wanted in parts if result.fingerprints is not None]
    rows = pa.concat_tables([LAYOUT.empty_table(), *(_rows(result, wanted) for result, wanted in known)])
    request = next((result.fingerprints.request for result, _ in known if result.fingerprints is not None), "")
    return packed(rows.combine_chunks(), request, table_digest(table))


def packed(rows: pa.Table, request: str, table: str) -> bytes:
    """The Parquet file as bytes. `request`: fingerprint of the request; `table`: digest of the table."""
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, rows.schema, compression="zstd", store_schema=False) as writer:
        writer.write_table(rows)
        writer.add_key_value_metadata({REQUEST: request.encode(), TABLE: table.encode()})
    return sink.getvalue()


def table_digest(table: bytes | memoryview) -> str:
    """Digest of a table's bytes, which identifies the table that fingerprints belong to."""
    return sha256(table).hexdigest()


def told(file: pq.ParquetFile) -> tuple[str, str]:
    """Fingerprint of the request, and digest of the table, from the file's metadata."""
    metadata = file.schema_arrow.metadata or {}
    return metadata.get(REQUEST, b"").decode(), metadata.get(TABLE, b"").decode()


def _rows(result: PartitionResult, wanted: NDArray[np.bool_]) -> pa.Table:
    assert result.fingerprints is not None
    count = len(result.features)
    whole = np.isin(np.arange(count), list(result.failures))
    fine: dict[Interval, NDArray[np.bool_]] = {}
    for one in result.intervals:
        broken = np.isin(np.arange(count), list(one.failures))
        fine[one.interval] = fine.get(one.interval, np.zeros(count, bool)) | (one.present & ~broken)
    intervals = [interval for interval in sorted(fine) if interval in result.fingerprints.states]
    matrix = np.array([fine[interval] & wanted & ~whole for interval in intervals], bool).reshape(-1, count)
    rows, places = np.nonzero(matrix.T)
    offsets = pa.array(np.append(0, np.cumsum(matrix.sum(axis=0))).astype(np.int32))
    states = np.array([result.fingerprints.states[interval] for interval in intervals], np.uint64).reshape(-1, count)
    taken = pa.array(places)
    lists = {
        "from": pa.array([interval.start for interval in intervals], INSTANT).take(taken),
        "to": pa.array([interval.end for interval in intervals], INSTANT).take(taken),
        "state": pa.array(states[places, rows], pa.uint64()),
    }
    # Not copied: to make a list of 50,000 bytes objects takes longer than compressing the whole file.
    features = pa.py_buffer(np.ascontiguousarray(result.fingerprints.features, np.uint8))
    columns = {
        "id": pa.array(result.features.ids, pa.int64()),
        "feature": pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), count, [None, features]),
    }
    columns |= {name: pa.ListArray.from_arrays(offsets, values) for name, values in lists.items()}
    return pa.table(columns, schema=LAYOUT).filter(pa.array(matrix.any(axis=0)))
