"""Tables: the files of a job's results, read through the store that holds them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyproj import CRS

from arpent.adapters.formats.parquet_columns import AFTER, BEFORE, BESIDE, HISTOGRAM, STATISTICS, is_more
from arpent.adapters.formats.plain_columns import python_values
from arpent.adapters.formats.results.damaged import check_columns, results_file
from arpent.adapters.formats.results.layer import FeatureLayer
from arpent.domain.errors import InvalidRequest, LimitExceeded, StorageNotFound
from arpent.domain.finding import Finding
from arpent.domain.location import Location
from arpent.domain.ports.storage import ObjectStore
from arpent.wire.result.report import parse_report
from arpent.wire.result.view import PERCENTILE

TABLE_COLUMNS = dict((*BEFORE, *STATISTICS, *HISTOGRAM, *AFTER))
"""Name of a column of the results' table → its type."""
LAYER_COLUMNS = {
    "id": pa.int64(),
    "identifier": pa.string(),
    "geometry": pa.binary(),
    "bbox": pa.struct([(name, pa.float64()) for name in ("xmin", "ymin", "xmax", "ymax")]),
}
"""Name of a column of the features file that arpent adds → its type."""
NO_TABLE = "This request has no table of results: it has not been processed, or the server has ARPENT_PARQUET=false."
NO_FEATURES = "This request has no features file: it has not been analysed, or the server has ARPENT_PARQUET=false."


@dataclass(frozen=True)
class JobTables:
    """The tables of one job."""

    store: ObjectStore
    """The store that holds the results of the job."""
    folder: Location
    """Prefix of arpent's own objects of the job, with a slash at its end."""

    def parts(self) -> list[str]:
        """Keys of the parts of the results' table; a running job has only some of them."""
        try:
            keys = list(self.store.list(self._at("parquet/")))
        except StorageNotFound:
            return []
        return sorted(key for key in keys if key.endswith(".parquet"))

    def names(self) -> list[str]:
        """Names of the columns of the results' table; none if there is no part yet."""
        parts = self.parts()
        if not parts:
            return []
        with results_file(parts[0]):
            found: list[str] = pq.read_schema(pa.BufferReader(self.store.read(self.folder.at(parts[0])))).names
        return found

    def rows(self, columns: Sequence[str] | None, wanted: pc.Expression | None = None) -> pa.Table:
        """These columns (None: all) of the rows that are wanted (None: all). Every part is fetched, but only its row
        groups that may contain such rows are decoded. Raises InvalidRequest if there is no table."""
        listed = None if columns is None else list(columns)
        found = []
        for key in self.parts():
            with results_file(key):
                source = pa.BufferReader(self.store.read(self.folder.at(key)))
                found.append(pq.read_table(source, columns=listed, filters=wanted))
                _check(found[-1].schema, listed)
        return self._together(found)

    def whole(self, most_rows: int, most_bytes: int) -> pa.Table:
        """All rows. Raises InvalidRequest if there is no table, LimitExceeded if it has more rows, or more bytes in
        memory."""
        found: list[pa.Table] = []
        rows = size = 0
        for key in self.parts():
            with results_file(key):
                part = pq.ParquetFile(pa.BufferReader(self.store.read(self.folder.at(key))))
                rows += part.metadata.num_rows
                if rows > most_rows:
                    raise LimitExceeded(f"The table has more than {most_rows:,} rows: fetch its parts from the bucket")
                found.append(part.read())
                _check(found[-1].schema, None)
            size += found[-1].nbytes
            check_bytes(size, most_bytes)
        return self._together(found)

    def fields(self) -> pa.Table:
        """`id` and the user's columns of all features. Raises InvalidRequest if there is no features file."""
        with self._features() as file:
            found = file.read(["id", *_users(file)])
            check_columns(found.schema, {"id": LAYER_COLUMNS["id"]})
            return found

    def properties(self, row: int) -> dict[str, Any]:
        """The user's columns of the feature in this row of the features file; only its row group is decoded."""
        with self._features() as file:
            names = _users(file)
            for group in range(file.metadata.num_row_groups if names else 0):
                count = file.metadata.row_group(group).num_rows
                if row < count:
                    found = file.read_row_group(group, names).slice(row, 1)
                    return {name: python_values(found[name])[0] for name in names}
                row -= count
        return {}

    def layer(self) -> FeatureLayer:
        """The features for the map. Raises InvalidRequest if there is no features file."""
        with self._features() as file:
            table = file.read(list(LAYER_COLUMNS))
            check_columns(table.schema, LAYER_COLUMNS)
            if table["id"].null_count:
                raise ValueError("it has features without an id")
            told = json.loads(table.schema.metadata[b"geo"])["columns"]["geometry"]
            box = table["bbox"].combine_chunks()
            sides = [box.field(name).to_numpy(zero_copy_only=False) for name in ("xmin", "ymin", "xmax", "ymax")]
            boxes = np.column_stack([np.asarray(side, float) for side in sides])
            boxes[np.asarray(box.is_null())] = np.nan
            layer = FeatureLayer(
                ids=table["id"].to_numpy(),
                identifiers=table["identifier"],
                geometries=table["geometry"],
                boxes=boxes,
                crs=CRS.from_json_dict(told["crs"]),
            )
            _ = layer.bounds  # computed now, to raise its errors here
            return layer

    def findings(self) -> Mapping[int, list[Finding]]:
        """What the analysis found, by feature; nothing if there is no report."""
        found: dict[int, list[Finding]] = {}
        place = self._at("report/features.json")
        try:
            payload = self.store.read(place)
        except StorageNotFound:
            return found
        with results_file(place.key):
            for finding in parse_report(payload):
                found.setdefault(finding.feature, []).append(finding)
            _ = np.array(list(found), np.int64)  # raises if an id is too large
        return found

    @contextmanager
    def _features(self) -> Iterator[pq.ParquetFile]:
        """The features file, while it is read. Raises InvalidRequest if there is none, or if it is damaged."""
        place = self._at("features/features.parquet")
        try:
            payload = self.store.read(place)
        except StorageNotFound:
            raise InvalidRequest(NO_FEATURES) from None
        with results_file(place.key):
            yield pq.ParquetFile(pa.BufferReader(payload))

    def _together(self, parts: Sequence[pa.Table]) -> pa.Table:
        if not parts:
            raise InvalidRequest(NO_TABLE)
        with results_file(self._at("parquet/").key):
            return pa.concat_tables(parts, promote_options="default")

    def _at(self, name: str) -> Location:
        return self.folder.at(self.folder.key + name)


def check_bytes(size: int, most: int) -> None:
    """Raises LimitExceeded if a table has more bytes in memory than this."""
    if size > most:
        raise LimitExceeded(f"The table has more than {most:,} bytes: fetch its parts from the bucket")


def _check(layout: pa.Schema, listed: Sequence[str] | None) -> None:
    """Raises ValueError unless these columns (None: all) of the results' table exist and have the right types."""
    further = [name for name in layout.names if PERCENTILE.fullmatch(name) or is_more(name)]
    kinds = {**dict.fromkeys(further, pa.float64()), **BESIDE, **TABLE_COLUMNS}
    wanted = [*TABLE_COLUMNS, *further] if listed is None else listed
    check_columns(layout, {name: kinds.get(name) for name in wanted})


def _users(file: pq.ParquetFile) -> list[str]:
    """Names of the user's columns in the features file."""
    return [name for name in file.schema_arrow.names if name not in LAYER_COLUMNS]
