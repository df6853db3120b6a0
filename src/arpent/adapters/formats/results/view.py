"""View: what the page shows of a job's results: an overview, one number per feature on the map, or all of one
feature."""

from __future__ import annotations

import io
from collections import OrderedDict
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from arpent.adapters.formats.parquet_columns import INSTANT, STATISTICS, TINY, is_more
from arpent.adapters.formats.plain_columns import plain_table, python_values
from arpent.adapters.formats.results.features import FLAGS, JobFeatures, places_of
from arpent.adapters.formats.results.layer import FeatureLayer
from arpent.adapters.formats.results.tables import check_bytes
from arpent.adapters.formats.results.vector_tile import encode
from arpent.adapters.formats.vector.copy import own_names
from arpent.domain.errors import FeatureNotFound, InvalidRequest
from arpent.wire.result.view import (
    PERCENTILE,
    Shown,
    render_nested,
    render_overview,
    render_scale,
    render_series,
    render_values,
)

MOST_COLUMNS = 32
"""Columns of numbers that a view caches, since a slider moves over the dates more than once."""
MOST_ROWS = 2_000_000
"""Maximum rows of a table that is sent; a larger one must be fetched from its bucket."""
MOST_TABLE_BYTES = 500_000_000
"""Maximum bytes in memory of a table that is sent."""
TYPICAL = (2.0, 98.0)
"""Percentiles of all numbers between which colours are spread."""
_COUNTS = ("sample_count", "no_data_count", "geometry_pixel_count")


class ResultView:
    """The results of one job at one moment of its life. Each method returns the bytes of an answer."""

    def __init__(self, features: JobFeatures) -> None:
        self._features = features
        self._tables = features.tables
        self._columns: OrderedDict[Shown, NDArray[np.float64]] = OrderedDict()
        """Cached columns of numbers, the most recently used one last."""

    def overview(self) -> bytes:
        """JSON: outputs, bands, statistics, intervals, and the extent of the features. Raises InvalidRequest."""
        columns = ("from", "to", "output", "band", "status", "sample_count", "no_data_count", "id")
        rows = self._tables.rows(columns) if self._tables.parts() else None
        return render_overview(
            features=len(self._layer.ids),
            extent=self._layer.extent(),
            statistics=self._statistics,
            slots=[] if rows is None else _slots(rows),
            failed=0 if rows is None else _failed(rows),
            verdicts={verdict.value: int((self._features.verdicts == flag).sum()) for verdict, flag in FLAGS.items()},
        )

    def scale(self, shown: Shown) -> bytes:
        """JSON: the range of a statistic over all dates. Raises InvalidRequest."""
        self._check_statistic(shown.statistic)
        rows = self._tables.rows(["from", shown.statistic], _is(output=shown.output, band=shown.band))
        numbers = np.asarray(rows[shown.statistic].to_numpy(zero_copy_only=False), float)
        finite = numbers[np.isfinite(numbers)]
        if not len(finite):
            return render_scale(None)
        return render_scale((float(finite.min()), *np.percentile(finite, TYPICAL).tolist(), float(finite.max())))

    def tile(self, shown: Shown, tile: tuple[int, int, int]) -> bytes:
        """A vector tile (zoom, column, row) with one number of each feature."""
        return encode(self._layer.within(tile, self._column(shown), self._features.verdicts))

    def values(self, shown: Shown, offset: int, count: int) -> bytes:
        """JSON: a page of features with one number each, in the order of the file."""
        every, numbers, flags = self._layer, self._column(shown), self._features.verdicts
        rows = range(offset, min(offset + count, len(every.ids)))
        names = {flag: verdict.value for verdict, flag in FLAGS.items()}
        return render_values(
            len(every.ids),
            [
                (int(every.ids[row]), every.identifiers[row].as_py(), _bare(numbers[row]), names.get(int(flags[row])))
                for row in rows
            ],
        )

    def series(self, feature: int) -> bytes:
        """JSON: everything about one feature: its columns, its findings and all its numbers. Raises
        FeatureNotFound."""
        found = np.flatnonzero(self._layer.ids == feature)
        if not len(found):
            raise FeatureNotFound(f"The request has no feature {feature}")
        row = int(found[0])
        rows = self._tables.rows(None, pc.field("id") == feature) if self._tables.parts() else None
        return render_series(
            feature=feature,
            identifier=self._layer.identifiers[row].as_py(),
            properties={name: _shown(value) for name, value in self._tables.properties(row).items()},
            extent=self._layer.extent(row),
            findings=self._features.findings.get(feature, []),
            rows=[] if rows is None else rows.sort_by([("from", "ascending"), ("output", "ascending")]).to_pylist(),
            further=[name for name in self._tables.names() if PERCENTILE.fullmatch(name) or is_more(name)],
        )

    def table(self, kind: str) -> bytes:
        """The whole table, `csv` or `parquet`. Raises LimitExceeded if it is too large to be sent."""
        rows = self._with_properties(self._tables.whole(MOST_ROWS, MOST_TABLE_BYTES))
        sink = io.BytesIO()
        if kind == "parquet":
            pq.write_table(rows, sink, compression="zstd")
        else:
            flat = pa.table({name: _flat(rows[name]) for name in rows.column_names})
            pa.csv.write_csv(plain_table(flat, instants=True, texts=True), sink)
        return sink.getvalue()

    def _with_properties(self, rows: pa.Table) -> pa.Table:
        """The rows with the user's columns appended. Raises LimitExceeded."""
        fields = self._tables.fields()
        places = pc.index_in(rows["id"], value_set=fields["id"].combine_chunks())
        size = rows.nbytes
        for name in fields.column_names:
            if name == "id":
                continue
            # Before a long text is repeated for each date; assumes that all features have about the same number of
            # rows.
            size += fields[name].nbytes * len(rows) // max(1, len(fields))
            check_bytes(size, MOST_TABLE_BYTES)
            free = own_names([name], rows.column_names)[name]
            rows = rows.append_column(free, fields[name].take(places))
        return rows

    @property
    def _layer(self) -> FeatureLayer:
        return self._features.layer

    @cached_property
    def _statistics(self) -> list[str]:
        """Names of the columns of numbers; none before there is a table."""
        names = self._tables.names()
        counted = [name for name, _ in STATISTICS if name in names and name not in _COUNTS]
        further = [name for name in names if is_more(name) and name != TINY]
        return counted + [name for name in names if PERCENTILE.fullmatch(name)] + further

    def _check_statistic(self, name: str) -> None:
        if self._statistics and name not in self._statistics:
            raise InvalidRequest.at("statistic", f"is {name!r:.40}, but must be one of {', '.join(self._statistics)}")

    def _column(self, shown: Shown) -> NDArray[np.float64]:
        """(n,): the number of each feature, NaN where there is none. Raises InvalidRequest."""
        numbers = self._columns.pop(shown, None)
        self._columns[shown] = self._read_column(shown) if numbers is None else numbers
        if len(self._columns) > MOST_COLUMNS:
            self._columns.popitem(last=False)
        return self._columns[shown]

    def _read_column(self, shown: Shown) -> NDArray[np.float64]:
        numbers = np.full(len(self._layer.ids), np.nan)
        if shown.start is None:
            return numbers
        self._check_statistic(shown.statistic)
        slot = (pc.field("from") == pa.scalar(shown.start, INSTANT)) & _is(output=shown.output, band=shown.band)
        rows = self._tables.rows(["id", shown.statistic], slot)
        places, known = places_of(self._layer.ids, rows["id"].to_numpy())
        numbers[places[known]] = np.asarray(rows[shown.statistic].to_numpy(), float)[known]
        return numbers


def _is(**columns: str) -> pc.Expression:
    """A filter for rows where each of these columns has this value."""
    (first, *others) = [pc.field(name) == value for name, value in columns.items()]
    for other in others:
        first = first & other
    return first


def _slots(rows: pa.Table) -> list[dict[str, Any]]:
    """Each interval, output and band, with the number of features that have numbers there."""
    whole = rows.filter(pc.and_(pc.is_valid(rows["from"]), pc.is_valid(rows["output"])))
    has = pc.cast(pc.greater(whole["sample_count"], whole["no_data_count"]), pa.int64())
    counted = whole.append_column("numbers", has).group_by(["from", "to", "output", "band"])
    found: list[dict[str, Any]] = counted.aggregate([("numbers", "sum")]).sort_by("from").to_pylist()
    return found


def _failed(rows: pa.Table) -> int:
    """Number of features that have a failed row."""
    return len(pc.unique(rows.filter(pc.equal(rows["status"], "FAILED"))["id"]))


def _bare(number: float) -> float | None:
    return float(number) if np.isfinite(number) else None


def _flat(column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    """The column as it is written to CSV: if it is nested, lists become text with spaces, other values JSON."""
    if not pa.types.is_nested(column.type):
        return column
    return pa.array([render_nested(value) for value in python_values(column)], pa.string())


def _shown(value: object) -> object:
    """A value of a user's column as JSON can hold it."""
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
