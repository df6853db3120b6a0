"""View: what the page shows of a job's results: which numbers there are, one of them on the map, all of one feature."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from arpent.adapters.formats.parquet_columns import INSTANT, STATISTICS
from arpent.adapters.formats.results.layer import FeatureLayer
from arpent.adapters.formats.results.tables import LAYER_COLUMNS, JobTables
from arpent.adapters.formats.results.vector_tile import encode
from arpent.domain.errors import FeatureNotFound, LimitExceeded
from arpent.domain.finding import Finding, Verdict
from arpent.wire.result.view import Shown, render_overview, render_scale, render_series, render_values

MOST_COLUMNS = 32
"""Columns of numbers that a view keeps: a slider goes over the dates more than once."""
MOST_ROWS = 2_000_000
"""Rows of a table that is sent; a larger one is fetched from its bucket."""
TYPICAL = (2.0, 98.0)
"""Percentiles of all numbers between which colours are spread."""
LISTS = ("histogram_edges", "histogram_counts", "items")
"""Columns of lists, which are text with spaces in CSV."""
FLAGS = {Verdict.WARNING: 1, Verdict.FAILED: 2}
"""Verdict → its number on the map; 0 is none."""
_PERCENTILE = re.compile(r"p[0-9][0-9.e+-]*")
_COUNTS = ("sample_count", "no_data_count", "geometry_pixel_count")


class ResultView:
    """The results of one job at one moment of its life. Each method returns the bytes of an answer."""

    def __init__(self, tables: JobTables) -> None:
        self._tables = tables
        self._column = lru_cache(maxsize=MOST_COLUMNS)(self._read_column)

    def overview(self) -> bytes:
        """JSON: outputs, bands, statistics, intervals, and where the features lie. Raises InvalidRequest."""
        columns = ("from", "to", "output", "band", "status", "sample_count", "no_data_count", "id")
        rows = self._tables.rows(columns) if self._tables.parts() else None
        return render_overview(
            features=len(self._layer.ids),
            extent=self._layer.extent(),
            statistics=self._statistics(),
            slots=[] if rows is None else _slots(rows),
            failed=0 if rows is None else _failed(rows),
            verdicts={verdict.value: int((self._verdicts == flag).sum()) for verdict, flag in FLAGS.items()},
        )

    def scale(self, shown: Shown) -> bytes:
        """JSON: the range of a statistic over all dates. Raises InvalidRequest."""
        rows = self._tables.rows(["from", shown.statistic], _is(output=shown.output, band=shown.band))
        numbers = np.asarray(rows[shown.statistic].to_numpy(zero_copy_only=False), float)
        finite = numbers[np.isfinite(numbers)]
        if not len(finite):
            return render_scale(None)
        return render_scale((float(finite.min()), *np.percentile(finite, TYPICAL).tolist(), float(finite.max())))

    def tile(self, shown: Shown, tile: tuple[int, int, int]) -> bytes:
        """A vector tile (zoom, column, row) with one number of each feature."""
        return encode(self._layer.within(tile, self._column(shown), self._verdicts))

    def values(self, shown: Shown, offset: int, count: int) -> bytes:
        """JSON: a page of features with one number each, in the order of the file."""
        every, numbers = self._layer, self._column(shown)
        rows = range(offset, min(offset + count, len(every.ids)))
        names = {flag: verdict.value for verdict, flag in FLAGS.items()}
        return render_values(
            len(every.ids),
            [
                (int(every.ids[row]), every.identifiers[row].as_py(), _bare(numbers[row]), names.get(self._flag(row)))
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
        ranks = [name for name in self._statistics() if _PERCENTILE.fullmatch(name)]
        return render_series(
            feature=feature,
            identifier=self._layer.identifiers[row].as_py(),
            properties={name: _shown(value) for name, value in self._properties(row).items()},
            extent=self._layer.extent(row),
            findings=self._findings.get(feature, []),
            rows=[] if rows is None else rows.sort_by([("from", "ascending"), ("output", "ascending")]).to_pylist(),
            ranks=ranks,
        )

    def table(self, kind: str) -> bytes:
        """The whole table, `csv` or `parquet`. Raises LimitExceeded if it is too large to be sent."""
        count = len(self._tables.rows(["id"]))
        if count > MOST_ROWS:
            raise LimitExceeded(
                f"The table has {count:,} rows, and at most {MOST_ROWS:,} are sent: fetch its parts from the bucket"
            )
        rows = self._with_properties(self._tables.rows(None))
        sink = io.BytesIO()
        if kind == "parquet":
            pq.write_table(rows, sink, compression="zstd")
        else:
            texts = {name: pa.array([_text(each) for each in rows[name].to_pylist()], pa.string()) for name in LISTS}
            flat = pa.table({name: texts.get(name, rows[name]) for name in rows.column_names})
            pa.csv.write_csv(flat, sink)
        return sink.getvalue()

    def _with_properties(self, rows: pa.Table) -> pa.Table:
        """The rows with the user's columns behind them."""
        fields = self._tables.features(None)
        places = pc.index_in(rows["id"], value_set=fields["id"].combine_chunks())
        for name in fields.column_names:
            if name not in LAYER_COLUMNS:
                rows = rows.append_column(
                    f"feature_{name}" if name in rows.column_names else name, fields[name].take(places)
                )
        return rows

    @cached_property
    def _layer(self) -> FeatureLayer:
        return self._tables.layer()

    @cached_property
    def _findings(self) -> Mapping[int, list[Finding]]:
        return self._tables.findings()

    @cached_property
    def _verdicts(self) -> NDArray[np.int64]:
        """(n,): 0, 1 (a warning) or 2 (failed)."""
        worst = {
            feature: max(FLAGS.get(finding.verdict, 0) for finding in findings)
            for feature, findings in self._findings.items()
        }
        flagged = np.zeros(len(self._layer.ids), np.int64)
        if worst:
            places, known = _places(self._layer.ids, np.array(list(worst), np.int64))
            flagged[places[known]] = np.array(list(worst.values()))[known]
        return flagged

    def _flag(self, row: int) -> int:
        return int(self._verdicts[row])

    def _statistics(self) -> list[str]:
        """Names of the columns of numbers."""
        names = self._tables.names()
        counted = [name for name, _ in STATISTICS if name in names and name not in _COUNTS]
        return counted + [name for name in names if _PERCENTILE.fullmatch(name)]

    def _properties(self, row: int) -> dict[str, Any]:
        table = self._tables.features(None)
        columns = [name for name in table.column_names if name not in LAYER_COLUMNS]
        found: dict[str, Any] = table.select(columns).slice(row, 1).to_pylist()[0] if columns else {}
        return found

    def _read_column(self, shown: Shown) -> NDArray[np.float64]:
        """(n,): the number of each feature, NaN where there is none."""
        numbers = np.full(len(self._layer.ids), np.nan)
        if shown.start is None:
            return numbers
        slot = (pc.field("from") == pa.scalar(shown.start, INSTANT)) & _is(output=shown.output, band=shown.band)
        rows = self._tables.rows(["id", shown.statistic], slot)
        places, known = _places(self._layer.ids, rows["id"].to_numpy())
        numbers[places[known]] = np.asarray(rows[shown.statistic].to_numpy(), float)[known]
        return numbers


def _is(**columns: str) -> pc.Expression:
    """Rows where each of these columns has this value."""
    (first, *others) = [pc.field(name) == value for name, value in columns.items()]
    for other in others:
        first = first & other
    return first


def _places(ids: NDArray[np.int64], wanted: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Where each wanted id is among the ids, and whether it is there."""
    order = np.argsort(ids, kind="stable")
    at = np.minimum(np.searchsorted(ids, wanted, sorter=order), max(0, len(ids) - 1))
    places = order[at] if len(ids) else np.zeros(len(wanted), np.intp)
    return places, (ids[places] == wanted) if len(ids) else np.zeros(len(wanted), bool)


def _slots(rows: pa.Table) -> list[dict[str, Any]]:
    """Each interval, output and band, with the number of features that have numbers there."""
    whole = rows.filter(pc.and_(pc.is_valid(rows["from"]), pc.is_valid(rows["output"])))
    has = pc.cast(pc.greater(whole["sample_count"], whole["no_data_count"]), pa.int64())
    counted = whole.append_column("numbers", has).group_by(["from", "to", "output", "band"])
    found: list[dict[str, Any]] = counted.aggregate([("numbers", "sum")]).sort_by("from").to_pylist()
    return found


def _failed(rows: pa.Table) -> int:
    """Features that have a failed row."""
    return len(pc.unique(rows.filter(pc.equal(rows["status"], "FAILED"))["id"]))


def _bare(number: float) -> float | None:
    return float(number) if np.isfinite(number) else None


def _text(values: list[object] | None) -> str | None:
    return None if values is None else " ".join(map(str, values))


def _shown(value: object) -> object:
    """A value of the user's column as JSON has it."""
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
