"""Plain columns: converts users' columns of any type to types that CSV, JSON, pandas and GIS formats can hold, so that
no such column prevents the results from being written."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.compute as pc

MOST_DIGITS = 19
"""Maximum digits of a decimal number that GDAL accepts."""
_BINARY = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary, pa.types.is_binary_view)
_TEXT = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
_UNFIT = (ValueError, OverflowError, pa.ArrowException)
"""Errors that Arrow raises for values that no Python object can represent: nanoseconds, years after 9999, text that is
not UTF-8."""


def plain_table(table: pa.Table, *, instants: bool = False, texts: bool = False) -> pa.Table:
    """Convert lists and structs to JSON; durations, decimals of more than MOST_DIGITS digits and columns of type null
    to text; and text to valid UTF-8. `instants`: convert timestamps with a time zone to ISO 8601; `texts`: convert
    bytes to text, in hexadecimal if they are not UTF-8."""
    for place, field in enumerate(table.schema):
        changed = _plain(table.column(place), instants=instants, texts=texts)
        if changed is not None:
            table = table.set_column(place, field.name, changed)
    return table


def for_pandas(table: pa.Table) -> pa.Table:
    """Convert text to valid UTF-8, and times of day to microseconds, since Python's have no nanoseconds."""
    for place, field in enumerate(table.schema):
        column = table.column(place)
        if field.type == pa.time64("ns"):
            table = table.set_column(place, field.name, column.cast(pa.time64("us"), safe=False))
        elif any(is_kind(field.type) for is_kind in _TEXT) and (valid := _valid(column)) is not None:
            table = table.set_column(place, field.name, valid)
    return table


def python_values(column: pa.ChunkedArray | pa.Array) -> list[object]:
    """The values (n,) as Python objects; as text if no Python object can represent them, None if even that fails."""
    try:
        found: list[object] = column.to_pylist()
    except _UNFIT:
        found = [_value(one) for one in column]
    return found


def _value(scalar: pa.Scalar) -> object:
    shorter = (pa.time64("us"),) if pa.types.is_time(scalar.type) else ()
    for kind in (scalar.type, *shorter, pa.string(), pa.large_binary()):
        try:
            found = scalar.cast(kind, safe=False).as_py()
        except _UNFIT:
            continue
        return found.decode("utf-8", "replace") if kind == pa.large_binary() else found
    return None


def _plain(column: pa.ChunkedArray | pa.Array, *, instants: bool, texts: bool) -> pa.ChunkedArray | pa.Array | None:
    """The column in another type; None if it is plain already."""
    kind = column.type
    if instants and pa.types.is_timestamp(kind) and kind.tz is not None:
        return iso_texts(column)
    if texts and any(is_kind(kind) for is_kind in _BINARY):
        return _texts(column)
    if any(is_kind(kind) for is_kind in _TEXT):
        return _valid(column)
    if pa.types.is_nested(kind) or pa.types.is_duration(kind):
        return _written(column)
    if pa.types.is_null(kind) or (pa.types.is_decimal(kind) and kind.precision > MOST_DIGITS):
        return column.cast(pa.string())
    return None


def _written(column: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray | pa.Array:
    if pa.types.is_duration(column.type):
        found = [None if one is None else str(one) for one in column.cast(pa.duration("us"), safe=False).to_pylist()]
    else:
        found = [None if one is None else json.dumps(one, default=str) for one in python_values(column)]
    return pa.array(found, pa.string())


def iso_texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Instants in ISO 8601, 2023-06-01T00:00:00Z; with fractions of seconds if any of them has one."""
    try:
        column = column.cast(pa.timestamp("s", "UTC"))
    except pa.ArrowInvalid:  # some have fractions of seconds
        column = column.cast(pa.timestamp(column.type.unit, "UTC"))
    return pc.strftime(column, "%Y-%m-%dT%H:%M:%SZ")


def _texts(column: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray | pa.Array:
    try:
        return column.cast(pa.large_binary()).cast(pa.large_string())
    except pa.ArrowInvalid:
        return pa.array([None if one is None else one.hex() for one in column.to_pylist()], pa.string())


def _valid(column: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray | pa.Array | None:
    """The column of text as valid UTF-8, since files may hold any bytes in it; None if it is valid already."""
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return pa.array(python_values(column), pa.string())
    return None
