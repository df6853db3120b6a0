"""Earlier: reads back the results of an earlier request from its table, where their fingerprints still match."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from arpent.adapters.formats.job_files.fingerprints import LAYOUT, table_digest, told
from arpent.adapters.formats.job_files.memory_limit import within_memory
from arpent.adapters.formats.parquet_columns import job_ranks, more_columns, percentile_column, schema
from arpent.domain.calculation import Calculation, Calculations, more_column, share_column
from arpent.domain.errors import StorageNotFound
from arpent.domain.interval import Interval
from arpent.domain.location import Location
from arpent.domain.ports.storage import ObjectStore
from arpent.domain.result import BandStatistics, HistogramCounts, IntervalResult

MOST_READ_BACK = 4 << 30
"""Maximum bytes of one file that is read back."""
MOST_MIB = 4096
"""Mebibytes that reading the files may take: clients can change them, and a few kilobytes may unpack to any size."""
TOO_MUCH = "The results of an earlier job take too much memory, and are recomputed"
MOST_UPDATES = 2
"""Jobs whose fingerprints are kept in memory; the least recently used one is dropped first."""

MARKS = pa.schema([LAYOUT.field(name) for name in ("id", "feature")])
WHOLE = ("id", "from", "to", "output", "band", "sample_count", "no_data_count", "items")
"""Columns that are not null in any row with numbers."""
DAMAGED = (pa.ArrowException, OSError, KeyError, ValueError, StorageNotFound)
"""Errors that reading a damaged or missing file raises; a store that does not answer raises other errors."""
log = logging.getLogger(__name__)


class EarlierTable:
    """The tables and fingerprints of one earlier request. Made by `open_tables`."""

    def __init__(self, store: ObjectStore, folder: Location) -> None:
        """`folder`: prefix of the request's own objects, with a slash at its end. Raises StorageDenied,
        StorageUnavailable."""
        self._store, self._folder = store, folder
        self._left_out: set[int] = set()
        self._names: list[str] = []
        self._keep([])
        try:
            with within_memory(MOST_MIB):
                self._open()
        except MemoryError:
            self._keep([])
            log.warning(TOO_MUCH)

    def _open(self) -> None:
        """Read which features are in which part."""
        folder = self._folder
        try:
            listed = self._store.list(folder.at(f"{folder.key}fingerprints/"))
            keys = sorted(key for key in listed if key.endswith(".parquet"))
        except StorageNotFound:
            keys = []
        self._names = [key.rpartition("/")[2] for key in keys]
        self._keep([self._index(number) for number in range(len(keys))])

    def _keep(self, parts: Sequence[tuple[NDArray[np.uint8], NDArray[np.int64]]]) -> None:
        """`parts`: fingerprints (n, 16) and ids (n,) of the features of each part."""
        self._marks = np.concatenate([np.zeros((0, 16), np.uint8), *(marks for marks, _ in parts)])
        self._ids = np.concatenate([np.zeros(0, np.int64), *(ids for _, ids in parts)])
        self._part = np.repeat(np.arange(len(parts)), [len(ids) for _, ids in parts])
        first = _first(self._marks)
        self._order = np.argsort(first, kind="stable")
        self._sorted = first[self._order]

    def rows_of(
        self,
        request: str,
        features: NDArray[np.uint8],
        calculations: Calculations,
        integer: Callable[[str, str], bool],
    ) -> KnownRows:
        """The rows that are still valid for these features, as described at the port EarlierResults. Raises
        StorageDenied, StorageUnavailable."""
        layout = schema(job_ranks(calculations), more_columns(calculations))
        try:
            with within_memory(MOST_MIB):
                return KnownRows(*self._found(request, features, layout), calculations, integer)
        except MemoryError:
            log.warning(TOO_MUCH)
            return KnownRows(np.full(len(features), -1), [], [], calculations, integer)

    def _found(
        self, request: str, features: NDArray[np.uint8], layout: pa.Schema
    ) -> tuple[NDArray[np.int64], list[pa.Table], list[pa.Table]]:
        """The id (n,) of each feature in the earlier tables, -1 where it is in none; and for each part that holds some
        of these features, their fingerprints, and their rows with numbers."""
        places = np.searchsorted(self._sorted, _first(features))
        inside = places < len(self._sorted)
        entries = self._order[np.where(inside, places, 0)] if len(self._order) else np.zeros(len(features), np.intp)
        if len(self._order):
            inside &= (self._marks[entries] == features).all(axis=1)
        states, tables = [], []
        for part in np.unique(self._part[entries[inside]]) if inside.any() else ():
            wanted = pa.array(np.unique(self._ids[entries[inside & (self._part[entries] == part)]]))
            if (read := self._read(int(part), request, wanted, layout)) is not None:
                states.append(read[0])
                tables.append(read[1])
        old = np.where(inside, self._ids[entries], -1) if len(self._ids) else np.full(len(features), -1)
        return old, states, tables

    def _index(self, number: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """(n, 16) fingerprints of the features of a part, and their ids (n,)."""
        try:
            found = self._fingerprints(number).read(["id", "feature"]).cast(MARKS)
            _check_whole(found)
            marks = found["feature"].combine_chunks()
            whole = np.frombuffer(marks.buffers()[1], np.uint8, 16 * len(marks), 16 * marks.offset)
            return whole.reshape(len(marks), 16), found["id"].to_numpy()
        except DAMAGED as error:
            self._leave_out(number, error)
            return np.zeros((0, 16), np.uint8), np.zeros(0, np.int64)

    def _fingerprints(self, number: int) -> pq.ParquetFile:
        place = self._folder.at(f"{self._folder.key}fingerprints/{self._names[number]}")
        return pq.ParquetFile(pa.BufferReader(self._store.read(place, MOST_READ_BACK)))

    def _read(self, number: int, request: str, wanted: pa.Array, layout: pa.Schema) -> tuple[pa.Table, pa.Table] | None:
        """Fingerprints and rows of these features; None if the part belongs to another request, or its table is another
        one or damaged."""
        if number in self._left_out:
            return None
        try:
            return self._verified(number, request, wanted, layout)
        except DAMAGED as error:
            self._leave_out(number, error)
            return None

    def _leave_out(self, number: int, error: Exception) -> None:
        """Ignore this part, so that its rows are computed again."""
        self._left_out.add(number)
        log.warning("Part %s of an earlier job cannot be read, and is recomputed: %s", self._names[number], error)

    def _verified(
        self, number: int, request: str, wanted: pa.Array, layout: pa.Schema
    ) -> tuple[pa.Table, pa.Table] | None:
        file = self._fingerprints(number)
        asked, digest = told(file)
        if asked != request:
            return None
        place = self._folder.at(f"{self._folder.key}parquet/{self._names[number]}")
        payload = self._store.read(place, MOST_READ_BACK)
        if table_digest(payload) != digest:
            return None
        states = file.read().cast(LAYOUT)
        _check_whole(states)
        fine = pc.field("id").isin(wanted) & (pc.field("status") == "OK")
        rows = pq.read_table(pa.BufferReader(payload), filters=fine)
        _check_layout(rows, layout)
        return states.filter(pc.is_in(states["id"], value_set=wanted)), rows


class KnownRows:
    """The rows of an earlier request for the features of one partition, by interval."""

    def __init__(
        self,
        ids: NDArray[np.int64],
        states: Sequence[pa.Table],
        tables: Sequence[pa.Table],
        calculations: Calculations,
        integer: Callable[[str, str], bool],
    ) -> None:
        """`ids` (n,): id of each feature in the earlier tables; -1 if it is in none."""
        self._ids, self._calculations, self._integer = ids, calculations, integer
        self._states = _by_interval(ids, states)
        rows = pa.concat_tables([schema(()).empty_table(), *tables], promote_options="default")
        numbers = pc.sort_indices(rows, [("from", "ascending"), ("to", "ascending")])
        self._rows = rows.take(numbers).combine_chunks()
        self._slices = _slices(*(_microseconds(self._rows[name]) for name in ("from", "to")))

    def known(self, interval: Interval, states: NDArray[np.uint64]) -> NDArray[np.bool_]:
        before = self._states.get(_key(interval))
        if before is None or _key(interval) not in self._slices:
            return np.zeros(len(self._ids), bool)
        known: NDArray[np.bool_] = (before == states) & (self._places(interval)[1] >= 0).any(axis=0)
        return known

    def results(self, interval: Interval, wanted: NDArray[np.bool_], items: Sequence[str]) -> Iterator[IntervalResult]:
        pairs, places = self._places(interval)
        rows = self._rows.slice(*_span(self._slices[_key(interval)]))
        kinds, kind = np.unique(places[:, wanted] >= 0, axis=1, return_inverse=True)
        members = np.flatnonzero(wanted)
        for number in range(kinds.shape[1]):  # more than one only if updateOutput made other bands for some features
            present = np.zeros(len(self._ids), bool)
            present[members[kind.ravel() == number]] = True
            there = np.flatnonzero(kinds[:, number])
            outputs: dict[str, dict[str, BandStatistics]] = {}
            for pair in there.tolist():
                output, band = pairs[pair]
                taken = rows.take(pa.array(np.maximum(places[pair], 0)))
                wish, kept = self._calculations.of(output, band), outputs.setdefault(output, {})
                kept[band] = _band(taken, wish, self._integer(output, band))
            used = _used(rows.take(pa.array(np.maximum(places[there[0]], 0)))["items"], present, items)
            yield IntervalResult(interval=interval, present=present, outputs=outputs, items=tuple(items), used=used)

    def _places(self, interval: Interval) -> tuple[list[tuple[str, str]], NDArray[np.int64]]:
        """Output and band, in the order of the table; and for each the row (n,) of each feature in the slice of the
        interval, -1 where there is none."""
        part = self._rows.slice(*_span(self._slices[_key(interval)]))
        names = list(zip(part["output"].to_pylist(), part["band"].to_pylist(), strict=True))
        pairs = list(dict.fromkeys(names))
        numbers = {pair: number for number, pair in enumerate(pairs)}
        which = np.array([numbers[name] for name in names])
        ids = part["id"].to_numpy()
        places = np.full((len(pairs), len(self._ids)), -1, np.int64)
        for number in range(len(pairs)):
            rows = np.flatnonzero(which == number)
            rows = rows[np.argsort(ids[rows], kind="stable")]
            found = np.minimum(np.searchsorted(ids[rows], self._ids), len(rows) - 1)
            places[number] = np.where(ids[rows][found] == self._ids, rows[found], -1)
        return pairs, places


_OPENED: OrderedDict[tuple[str, Location], EarlierTable] = OrderedDict()


def open_tables(job_id: str, store: ObjectStore, folder: Location) -> EarlierTable:
    """The results of the request whose own objects are in `folder`, for use by the job `job_id`; their fingerprints are
    read once per job in each process. Raises StorageDenied, StorageUnavailable."""
    key = (job_id, folder)
    found = _OPENED.pop(key, None) or EarlierTable(store, folder)
    _OPENED[key] = found
    if len(_OPENED) > MOST_UPDATES:
        _OPENED.popitem(last=False)
    return found


def _check_whole(marks: pa.Table) -> None:
    """Raises ValueError for nulls, and for lists of a feature that differ in length."""
    lists = [pc.list_value_length(column) for column in marks.columns if pa.types.is_list(column.type)]
    if any(column.null_count for column in marks.columns) or not all(each.equals(lists[0]) for each in lists):
        raise ValueError("its fingerprints are incomplete")


def _check_layout(rows: pa.Table, layout: pa.Schema) -> None:
    """Raises ValueError unless rows with numbers are as arpent writes them: anyone who may write into the bucket may
    have changed them. `layout`: all columns that the request asks for."""
    wrong = [field.name for field in layout if field.name not in rows.column_names or (
        rows.schema.field(field.name).type != field.type)]  # fmt: skip
    missing = [name for name in WHOLE if name not in wrong and rows[name].null_count]
    if wrong or missing:
        raise ValueError(f"its columns {', '.join([*wrong, *missing])} are not those of a table")


def _first(marks: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """(n,): the first half of each fingerprint (n, 16)."""
    return np.ascontiguousarray(marks[:, :8]).view(np.uint64).ravel()


def _key(interval: Interval) -> tuple[int, int]:
    return _stamp(interval.start), _stamp(interval.end)


def _stamp(moment: object) -> int:
    return int(pa.scalar(moment, pa.timestamp("us", tz="UTC")).value)


def _microseconds(column: pa.ChunkedArray) -> NDArray[np.int64]:
    return np.asarray(column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy(), np.int64)


def _span(part: slice) -> tuple[int, int]:
    return part.start, part.stop - part.start


def _slices(starts: NDArray[np.int64], ends: NDArray[np.int64]) -> dict[tuple[int, int], slice]:
    """Interval → the slice of its rows, for rows (m,) in the order of their intervals."""
    cuts = np.flatnonzero((np.diff(starts) != 0) | (np.diff(ends) != 0)) + 1
    bounds = [0, *cuts.tolist(), len(starts)] if len(starts) else [0]
    return {(int(starts[low]), int(ends[low])): slice(low, high) for low, high in pairwise(bounds)}


def _by_interval(ids: NDArray[np.int64], tables: Sequence[pa.Table]) -> dict[tuple[int, int], NDArray[np.uint64]]:
    """Interval → state (n,) of each feature, 0 where it has no numbers."""
    whole = pa.concat_tables([LAYOUT.empty_table(), *tables]).combine_chunks()
    starts, ends = (_microseconds(pa.chunked_array([pc.list_flatten(whole[name])])) for name in ("from", "to"))
    owners = np.repeat(whole["id"].to_numpy(), pc.list_value_length(whole["from"]).to_numpy())
    states = pc.list_flatten(whole["state"]).to_numpy()
    order = np.lexsort((owners, ends, starts))
    starts, ends, owners, states = (column[order] for column in (starts, ends, owners, states))
    found = {}
    for key, part in _slices(starts, ends).items():
        there = owners[part]
        at = np.minimum(np.searchsorted(there, ids), len(there) - 1)
        found[key] = np.where(there[at] == ids, states[part][at], np.uint64(0))
    return found


def _band(rows: pa.Table, wish: Calculation, integer: bool) -> BandStatistics:
    """One band's statistics, a row per feature."""
    return BandStatistics(
        minimum=_numbers(rows["min"]),
        maximum=_numbers(rows["max"]),
        mean=_numbers(rows["mean"]),
        standard_deviation=_numbers(rows["stDev"]),
        sample_count=rows["sample_count"].to_numpy(),
        no_data_count=rows["no_data_count"].to_numpy(),
        percentiles=np.column_stack([_numbers(rows[percentile_column(k)]) for k in wish.percentiles])
        if wish.percentiles
        else None,
        ranks=wish.percentiles,
        more={name: _numbers(rows[more_column(name)]) for name in wish.more}
        | {name: _numbers(rows[name]) for name in (share_column(each) for each, _ in wish.shares)},
        histogram=None if wish.histogram is None else _histogram(rows, integer),
    )


def _numbers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """The values of a column, NaN for null."""
    return np.asarray(column.to_numpy(zero_copy_only=False), np.float64)


def _histogram(rows: pa.Table, integer: bool) -> HistogramCounts:
    """Histograms with separate edges for each feature. An empty list is a histogram without bins, which has one
    edge."""
    edges, counts = (rows[name].combine_chunks() for name in ("histogram_edges", "histogram_counts"))
    lengths = np.asarray(pc.fill_null(pc.list_value_length(edges), 0).to_numpy(zero_copy_only=False), np.int64)
    lone = (lengths == 0) & np.asarray(pc.is_valid(edges).to_numpy(zero_copy_only=False))
    starts = np.append(0, np.cumsum(lengths))
    flat = np.insert(np.asarray(pc.list_flatten(edges).to_numpy(), np.float64), starts[:-1][lone], 0.0)
    bins = np.asarray(pc.fill_null(pc.list_value_length(counts), 0).to_numpy(zero_copy_only=False), np.int64)
    return HistogramCounts(
        edges=flat,
        counts=np.asarray(pc.list_flatten(counts).to_numpy(), np.int64),
        edge_offsets=np.append(0, np.cumsum(np.where(lone, 1, lengths))),
        count_offsets=np.append(0, np.cumsum(bins)),
        underflow=_counts(rows["underflow"]),
        overflow=_counts(rows["overflow"]),
        integer=integer,
    )


def _counts(column: pa.ChunkedArray) -> NDArray[np.int64]:
    return np.asarray(pc.fill_null(column, 0).to_numpy(), np.int64)


def _used(column: pa.ChunkedArray, present: NDArray[np.bool_], items: Sequence[str]) -> NDArray[np.bool_]:
    """(items, n): which items gave samples to the features that are present."""
    used = np.zeros((len(items), len(present)), bool)
    rows = np.flatnonzero(present)
    for row, given in zip(rows.tolist(), column.take(pa.array(rows)).to_pylist(), strict=True):
        place = 0
        for item in given:  # in the order of `items`, in which an item of two inputs is listed twice
            while items[place] != item:
                place += 1
            used[place, row] = True
            place += 1
    return used
