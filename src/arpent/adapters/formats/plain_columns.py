"""Plain columns: users' columns of any type as those that CSV and the formats of GIS can hold, so that no column is in
the way of the numbers that were computed for its features."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.compute as pc

MOST_DIGITS = 19
"""Digits of a decimal number that GDAL takes."""
_BINARY = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary, pa.types.is_binary_view)


def plain(table: pa.Table, *, instants: bool = False, texts: bool = False) -> pa.Table:
    """Lists and structs as JSON, lengths of time, longer decimals and columns without a type as text;
    `instants`: those with a time zone in ISO 8601; `texts`: bytes as text, in hexadecimal where they are none."""
    for place, field in enumerate(table.schema):
        changed = _plain(table.column(place), instants=instants, texts=texts)
        if changed is not None:
            table = table.set_column(place, field.name, changed)
    return table


def _plain(column: pa.ChunkedArray, *, instants: bool, texts: bool) -> pa.ChunkedArray | pa.Array | None:
    """The column in another type; None: it is plain as it is."""
    kind = column.type
    if pa.types.is_nested(kind):
        written = [None if one is None else json.dumps(one, default=str) for one in column.to_pylist()]
        return pa.array(written, pa.string())
    if instants and is_instant(kind):
        return iso_texts(column)
    if texts and any(is_kind(kind) for is_kind in _BINARY):
        return _texts(column)
    if pa.types.is_duration(kind):
        whole = column.cast(pa.duration("us"), safe=False).to_pylist()
        return pa.array([None if one is None else str(one) for one in whole], pa.string())
    if pa.types.is_null(kind) or (pa.types.is_decimal(kind) and kind.precision > MOST_DIGITS):
        return column.cast(pa.string())
    return None


def is_instant(kind: pa.DataType) -> bool:
    """Whether a column holds instants, and not days or times of a clock."""
    return bool(pa.types.is_timestamp(kind)) and kind.tz is not None


def iso_texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Instants in ISO 8601, 2023-06-01T00:00:00Z; with parts of seconds where any has some."""
    try:
        column = column.cast(pa.timestamp("s", "UTC"))
    except pa.ArrowInvalid:  # then with their parts
        column = column.cast(pa.timestamp(column.type.unit, "UTC"))
    return pc.strftime(column, "%Y-%m-%dT%H:%M:%SZ")


def _texts(column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    try:
        return column.cast(pa.large_binary()).cast(pa.large_string())
    except pa.ArrowInvalid:
        return pa.array([None if one is None else one.hex() for one in column.to_pylist()], pa.string())
