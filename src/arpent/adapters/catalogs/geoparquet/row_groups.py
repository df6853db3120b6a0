"""Row groups: finds the parts of a stac-geoparquet file that may match a search, and the rows in them that do.

A file's footer holds the least and greatest value of each column per row group, so most row groups are skipped unread.
From the others a few filter columns are read first, and then only the matching rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import shapely
from numpy.typing import NDArray

from arpent.adapters.catalogs.instant import instant_of

Box = tuple[float, float, float, float]
SIDES = ("bbox.xmin", "bbox.ymin", "bbox.xmax", "bbox.ymax")
TIMES = ("datetime", "start_datetime", "end_datetime")
NAMES = ("collection", "constellation")
_HALF_TURN = 180.0
"""Degrees. A wider bounding box may come from a ring that crosses 180, with an area that lies outside the box."""
BATCH = 512
"""Number of rows per batch."""
_FAR = 90.0
"""Degrees. A footprint across 180 is assumed to begin east of this and to end west of minus this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowGroupBounds:
    """Bounds of all rows of a row group."""

    least: tuple[float, float, float, float]
    """Least west, south, east and north, in degrees; -inf if unknown."""
    most: tuple[float, float, float, float]
    """Greatest west, south, east and north; inf if unknown."""
    first: float
    """First second since 1970; -inf if unknown."""
    last: float
    """Last second since 1970; inf if unknown."""
    collections: tuple[str, str] | None
    """Least and greatest `collection`; None if unknown, or if some rows have none."""

    def may_meet(self, boxes: Sequence[Box], first: float, last: float) -> bool:
        """Whether a row may meet one of the boxes and the time from `first` (included) to `last` (excluded)."""
        return self.first < last and self.last >= first and any(self._meets(box) for box in boxes)

    def _meets(self, box: Box) -> bool:
        west, south, east, north = box
        if self.least[1] > north or self.most[3] < south:
            return False
        if self.most[2] - self.least[0] > _HALF_TURN:  # a single row may have such a wide box
            return True
        if any(self.least[0] <= east + turn and self.most[2] >= west + turn for turn in (-360.0, 0.0, 360.0)):
            return True
        across = self.most[0] >= _FAR and self.least[2] <= -_FAR
        return across and (east >= _FAR or west <= -_FAR)


def row_group_bounds(metadata: pq.FileMetaData) -> tuple[RowGroupBounds, ...]:
    """The bounds of each row group, from the footer of a file."""
    columns = {metadata.schema.column(number).path: number for number in range(metadata.num_columns)}
    return tuple(_bounds_of_group(metadata.row_group(number), columns) for number in range(metadata.num_row_groups))


def _bounds_of_group(group: pq.RowGroupMetaData, columns: dict[str, int]) -> RowGroupBounds:
    def bounds(name: str) -> tuple[object, object] | None:
        number = columns.get(name)
        found = None if number is None else group.column(number).statistics
        try:
            return (found.min, found.max) if found is not None and found.has_min_max else None
        except (OverflowError, ValueError):  # a time after the year 9999
            return None

    # Statistics do not cover rows without a box, whose position is only in their geometry.
    sides = [_numbers(bounds(side) if _whole(group, columns.get(side)) else None) for side in SIDES]
    times = [limits for name in TIMES if (limits := _instants(bounds(name))) is not None]
    untimed = all(name not in columns for name in TIMES)
    unsaid = [name for name in TIMES if name in columns and _instants(bounds(name)) is None and not _empty(
        group, columns[name])]  # fmt: skip
    known = bool(times) and not unsaid and not untimed
    names = bounds("collection")
    return RowGroupBounds(
        least=tuple(side[0] for side in sides),  # type: ignore[arg-type]
        most=tuple(side[1] for side in sides),  # type: ignore[arg-type]
        first=min(limits[0] for limits in times) if known else -np.inf,
        last=max(limits[1] for limits in times) if known else np.inf,
        collections=(str(names[0]), str(names[1])) if names and _whole(group, columns["collection"]) else None,
    )


def _whole(group: pq.RowGroupMetaData, column: int | None) -> bool:
    """Whether it is known that each row of this row group has a value in the column."""
    found = None if column is None else group.column(column).statistics
    return found is not None and found.null_count == 0


def _empty(group: pq.RowGroupMetaData, column: int) -> bool:
    """Whether the column is empty in this row group."""
    found = group.column(column).statistics
    return found is not None and found.null_count == group.num_rows


def _numbers(bounds: tuple[object, object] | None) -> tuple[float, float]:
    if bounds is None or not all(isinstance(each, int | float) for each in bounds):
        return -np.inf, np.inf
    least, most = float(bounds[0]), float(bounds[1])  # type: ignore[arg-type]
    # Some writers store NaN, or the bounds in the wrong order: such statistics are ignored.
    return (least, most) if least <= most else (-np.inf, np.inf)


def _instants(bounds: tuple[object, object] | None) -> tuple[float, float] | None:
    if bounds is None or not all(isinstance(each, datetime) for each in bounds):
        return None
    first, last = (each.replace(tzinfo=each.tzinfo or UTC).timestamp() for each in bounds)  # type: ignore[attr-defined]
    return (first, last + 1e-3) if first <= last else None  # statistics may be truncated to milliseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterColumns:
    """The filter columns of a row group of n rows."""

    bounds: NDArray[np.float64]
    """(n, 4): west, south, east, north in degrees; west > east if across 180; infinite if unknown."""
    first: NDArray[np.float64]
    """(n,): first second since 1970; -inf if unknown."""
    last: NDArray[np.float64]
    """(n,): last second since 1970; inf if unknown."""
    names: NDArray[np.int64]
    """(n,): index into `pairs`."""
    pairs: tuple[tuple[str | None, str | None], ...]
    """All distinct (collection, constellation) of the rows."""

    def rows(self, boxes: Sequence[Box], first: float, last: float, wanted: Sequence[bool]) -> NDArray[np.intp]:
        """Numbers of the rows that meet one of the boxes and the time, and whose pair is wanted. `wanted`: for each of
        `pairs`, whether it is."""
        west, south, east, north = self.bounds.T
        inside = np.zeros(len(west), bool)
        across = west > east
        for box in boxes:
            level = (south <= box[3]) & (north >= box[1])
            for turn in (-360.0, 0.0, 360.0):
                begins, ends = west <= box[2] + turn, east >= box[0] + turn
                inside |= level & np.where(across, begins | ends, begins & ends)
        timely = (self.first < last) & (self.last >= first)
        return np.flatnonzero(inside & timely & np.array([*wanted, False])[self.names])

    @property
    def bytes(self) -> int:
        """Size in memory."""
        return self.bounds.nbytes + self.first.nbytes + self.last.nbytes + self.names.nbytes


def read_filter_columns(file: pq.ParquetFile, group: int, told: Mapping[str, str]) -> FilterColumns:
    """Read the filter columns of one row group. `told`: values, valid for all rows, of columns that the file lacks."""
    present = set(file.schema_arrow.names)
    box = file.schema_arrow.field("bbox").type if "bbox" in present else None
    bounded = box is not None and pa.types.is_struct(box) and all(box.get_field_index(side[5:]) >= 0 for side in SIDES)
    wanted = [*(SIDES if bounded else ("geometry",)), *(name for name in (*TIMES, *NAMES) if name in present)]
    table = file.read_row_group(group, columns=wanted)
    count = table.num_rows
    instants = {name: _seconds(table.column(name)) for name in TIMES if name in present}
    nothing = np.full(count, np.nan)
    begins = np.fmin(instants.get("datetime", nothing), instants.get("start_datetime", nothing))
    ends = np.fmax(instants.get("datetime", nothing), instants.get("end_datetime", nothing))
    names = [_texts(table.column(name)) if name in present else [told.get(name)] * count for name in NAMES]
    numbers: dict[tuple[str | None, str | None], int] = {}
    rows = [numbers.setdefault(pair, len(numbers)) for pair in zip(*names, strict=True)]
    return FilterColumns(
        bounds=_bounds(table, bounded=bounded),
        first=np.where(np.isnan(begins), -np.inf, begins),
        last=np.where(np.isnan(ends), np.where(np.isnan(begins), np.inf, begins), ends),
        names=np.array(rows, np.int64),
        pairs=tuple(numbers),
    )


def _texts(column: pa.ChunkedArray) -> list[str | None]:
    """The values of a column; None for those that are not text."""
    return [each if isinstance(each, str) else None for each in column.to_pylist()]


def _bounds(table: pa.Table, *, bounded: bool) -> NDArray[np.float64]:
    if not bounded:
        shapes = [each if isinstance(each, bytes) else None for each in table.column("geometry").to_pylist()]
        found = shapely.bounds(shapely.from_wkb(shapes, on_invalid="ignore"))
    else:
        box = pc.struct_field
        column = table.column("bbox")
        found = np.stack(
            [box(column, side.partition(".")[2]).cast(pa.float64()).to_numpy(zero_copy_only=False) for side in SIDES], 1
        )
    wide = found[:, 2] - found[:, 0] > _HALF_TURN
    found[wide, 0], found[wide, 2] = -np.inf, np.inf
    widest = np.array([-np.inf, -np.inf, np.inf, np.inf])
    return np.where(np.isnan(found).any(axis=1, keepdims=True), widest, found)


def _seconds(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """Seconds since 1970 (n,); NaN if missing or invalid."""
    if pa.types.is_timestamp(column.type):
        micros = column.cast(pa.timestamp("us", column.type.tz), safe=False).cast(pa.int64())
        return np.asarray(micros.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64) / 1e6
    found = np.full(len(column), np.nan)
    for row, text in enumerate(column.to_pylist()):
        with suppress(ValueError, OverflowError):
            found[row] = instant_of(text).timestamp()
    return found


def whole_rows(file: pq.ParquetFile, group: int, rows: NDArray[np.intp]) -> Iterator[tuple[int, dict[str, object]]]:
    """Yield (row, its columns) for these `rows`, which must be in ascending order. Reads in batches, so that memory use
    does not depend on the size of the row group."""
    start, wanted = 0, iter(rows.tolist())
    following = next(wanted, None)
    for batch in file.iter_batches(batch_size=BATCH, row_groups=[group]):
        inside = []
        while following is not None and following < start + batch.num_rows:
            inside.append(following - start)
            following = next(wanted, None)
        if inside:
            whole = _plain_times(batch)
            for row in inside:  # slice them one by one: `take` does not support the string views of some writers
                yield start + row, _python(whole.slice(row, 1))[0]
        if following is None:
            return
        start += batch.num_rows


def _plain_times(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with nanoseconds truncated to microseconds, the resolution of Python's datetime."""
    columns = [
        column.cast(pa.timestamp("us", column.type.tz), safe=False)
        if pa.types.is_timestamp(column.type) and column.type.unit == "ns" else column
        for column in batch.columns
    ]  # fmt: skip
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _python(batch: pa.RecordBatch) -> list[dict[str, object]]:
    """The rows as Python objects. A value that Python cannot represent, such as a time after the year 9999, becomes
    None without affecting the values around it."""
    try:
        found: list[dict[str, object]] = batch.to_pylist()
    except (OverflowError, ValueError):
        columns = {name: [_value(each) for each in batch.column(name)] for name in batch.schema.names}
        found = [{name: column[row] for name, column in columns.items()} for row in range(batch.num_rows)]
    return found


def _value(scalar: pa.Scalar) -> object:
    try:
        return scalar.as_py()
    except (OverflowError, ValueError):
        if isinstance(scalar, pa.StructScalar):
            return {name: _value(each) for name, each in scalar.items()}
        if isinstance(scalar, pa.MapScalar):
            return [(_value(pair["key"]), _value(pair["value"])) for pair in scalar.values]
        if isinstance(scalar, pa.ListScalar):
            return [_value(each) for each in scalar.values]
        return None
