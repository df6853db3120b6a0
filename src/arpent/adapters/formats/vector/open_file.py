"""Open file: a features file of any format as batches of Arrow columns, and the conversion of its rows to Features."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyproj import CRS

from arpent.adapters.formats.geometries import features_of_column
from arpent.adapters.formats.plain_polygons import as_binary
from arpent.domain.errors import FeaturesUnreadable
from arpent.domain.feature import Features

IDENTIFIER = "identifier"
"""The column of identifiers if no other is chosen (sentinelhub.md 2.1)."""
BATCH = 50_000
"""Rows of a batch."""
EXACT = 2.0**53
"""From here on, a double can stand for more than one whole number."""
TEXTS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
"""Kinds of columns that hold text, or bytes that may be text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenFile:
    """An open features file."""

    crs: CRS
    key: str | None
    """Column of the primary keys; None: rows are counted from 0."""
    geometry: str
    """Column of the geometries, WKB."""
    columns: tuple[str, ...]
    """The other columns that are read."""
    batches: Iterator[pa.RecordBatch]
    """Batches of all of these columns, in the order of the layer."""
    linear: Callable[[Sequence[int]], Mapping[int, bytes]] = lambda _: {}
    """Primary keys → WKB with curves as straight segments."""


def columns_to_read(
    there: Sequence[str], columns: Sequence[str] | None, identifier: str | None, name: str
) -> list[str]:
    """The columns to read: the ones asked for (None: all) and that of the identifiers. Raises FeaturesUnreadable if one
    that was named is not in `there`."""
    wanted = list(there if columns is None else columns)
    for column in [*wanted, *([] if identifier is None else [identifier])]:
        if column not in there:
            known = ", ".join(there[:50]) or "none"
            raise FeaturesUnreadable(f"{name} has no column {column!r:.80}; it has {known}")
    extra = IDENTIFIER if identifier is None else identifier
    return list(dict.fromkeys([*wanted, *([extra] if extra in there else [])]))


def batches_with_ids(opened: OpenFile) -> Iterator[tuple[NDArray[np.int64], pa.RecordBatch]]:
    """Each batch with the primary keys of its rows (n,)."""
    start = 0
    for rows in opened.batches:
        if opened.key is None:
            ids = np.arange(start, start + rows.num_rows, dtype=np.int64)
        else:
            ids = np.asarray(rows.column(opened.key).to_numpy(zero_copy_only=False), np.int64)
        start += rows.num_rows
        yield ids, rows


def features_of(opened: OpenFile, ids: NDArray[np.int64], rows: pa.RecordBatch, identifier: str | None) -> Features:
    """The features of one batch; a geometry that cannot be read is None, with its reason in `flaws`."""
    identifiers = texts_of(rows, IDENTIFIER if identifier is None else identifier)
    return features_of_column(opened.crs, ids, identifiers, rows.column(opened.geometry), opened.linear)


def texts_of(rows: pa.RecordBatch, column: str) -> tuple[str | None, ...]:
    """(n,): a column as text; bytes that are not UTF-8 become U+FFFD. None where there is no such column."""
    if column not in rows.schema.names:
        return (None,) * int(rows.num_rows)
    found = rows.column(column)
    if any(is_kind(found.type) for is_kind in TEXTS):
        plain = plain_texts(found)
        if plain is not None:
            return plain
        return tuple(None if each is None else each.decode("utf-8", "replace") for each in as_bytes(found))
    if pa.types.is_floating(found.type) and _greatest(found) >= EXACT:
        raise FeaturesUnreadable(f"The column `{column}` holds numbers that are too large to be exact; make it text.")
    if pa.types.is_integer(found.type):
        return tuple(None if each is None else str(each) for each in found.to_pylist())
    try:
        texts: list[str | None] = found.cast(pa.string()).to_pylist()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise FeaturesUnreadable(f"The column `{column}` is {found.type}; make it text.") from error
    return tuple(texts)


def _greatest(numbers: pa.Array) -> float:
    """The greatest absolute value; 0 if there is none."""
    import pyarrow.compute as pc  # takes long to load, and such columns are rare

    return pc.max(pc.abs(numbers.cast(pa.float64()))).as_py() or 0.0


def plain_texts(column: pa.Array) -> tuple[str | None, ...] | None:
    """The texts of a column; None if it is not of a text type, or holds text that is not UTF-8."""
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return None
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return None
    return tuple(column.to_pylist())


def as_bytes(column: pa.Array) -> list[bytes | None]:
    """The bytes of texts, unchecked, since a file may hold any bytes."""
    found: list[bytes | None] = as_binary(column).to_pylist()
    return found
