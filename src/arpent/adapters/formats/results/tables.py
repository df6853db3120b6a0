"""Tables: the files of a job's results, read through the store that holds them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyproj import CRS

from arpent.adapters.formats.plain_columns import python_values
from arpent.adapters.formats.results.layer import FeatureLayer
from arpent.domain.errors import InvalidRequest, LimitExceeded, StorageNotFound
from arpent.domain.finding import Finding
from arpent.domain.location import Location
from arpent.domain.ports.storage import ObjectStore
from arpent.wire.result.report import parse_report

LAYER_COLUMNS = ("id", "identifier", "geometry", "bbox")
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
        """Keys of the parts of the results' table; a job that runs has some of them."""
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
        found: list[str] = pq.read_schema(pa.BufferReader(self.store.read(self.folder.at(parts[0])))).names
        return found

    def rows(self, columns: Sequence[str] | None, wanted: pc.Expression | None = None) -> pa.Table:
        """These columns (None: all) of the rows that are wanted (None: all). Every part is fetched; of it, the groups
        of rows that may have such rows are decoded. Raises InvalidRequest if there is no table."""
        listed = None if columns is None else list(columns)
        found = [
            pq.read_table(pa.BufferReader(self.store.read(self.folder.at(key))), columns=listed, filters=wanted)
            for key in self.parts()
        ]
        if not found:
            raise InvalidRequest(NO_TABLE)
        return pa.concat_tables(found, promote_options="default")

    def whole(self, most_rows: int, most_bytes: int) -> pa.Table:
        """All rows. Raises InvalidRequest if there is no table, LimitExceeded if it has more rows, or more bytes in
        memory."""
        found: list[pa.Table] = []
        rows = size = 0
        for key in self.parts():
            part = pq.ParquetFile(pa.BufferReader(self.store.read(self.folder.at(key))))
            rows += part.metadata.num_rows
            if rows > most_rows:
                raise LimitExceeded(f"The table has more than {most_rows:,} rows: fetch its parts from the bucket")
            found.append(part.read())
            size += found[-1].nbytes
            check_bytes(size, most_bytes)
        if not found:
            raise InvalidRequest(NO_TABLE)
        return pa.concat_tables(found, promote_options="default")

    def fields(self) -> pa.Table:
        """`id` and the user's columns of all features. Raises InvalidRequest if there is no features file."""
        file = self._features()
        return file.read(["id", *_users(file)])

    def properties(self, row: int) -> dict[str, Any]:
        """The user's columns of the feature in this row of the features file; only its group of rows is decoded."""
        file = self._features()
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
        table = self._features().read(list(LAYER_COLUMNS))
        told = json.loads(table.schema.metadata[b"geo"])["columns"]["geometry"]
        box = table["bbox"].combine_chunks()
        sides = [box.field(name).to_numpy(zero_copy_only=False) for name in ("xmin", "ymin", "xmax", "ymax")]
        boxes = np.column_stack([np.asarray(side, float) for side in sides])
        boxes[np.asarray(box.is_null())] = np.nan
        return FeatureLayer(
            ids=table["id"].to_numpy(),
            identifiers=table["identifier"],
            geometries=table["geometry"],
            boxes=boxes,
            crs=CRS.from_json_dict(told["crs"]),
        )

    def findings(self) -> Mapping[int, list[Finding]]:
        """What the analysis found, by feature; nothing if there is no report."""
        found: dict[int, list[Finding]] = {}
        try:
            payload = self.store.read(self._at("report/features.json"))
        except StorageNotFound:
            return found
        for finding in parse_report(payload):
            found.setdefault(finding.feature, []).append(finding)
        return found

    def _features(self) -> pq.ParquetFile:
        try:
            payload = self.store.read(self._at("features/features.parquet"))
        except StorageNotFound:
            raise InvalidRequest(NO_FEATURES) from None
        return pq.ParquetFile(pa.BufferReader(payload))

    def _at(self, name: str) -> Location:
        return self.folder.at(self.folder.key + name)


def check_bytes(size: int, most: int) -> None:
    """Raises LimitExceeded if a table has more bytes in memory than this."""
    if size > most:
        raise LimitExceeded(f"The table has more than {most:,} bytes: fetch its parts from the bucket")


def _users(file: pq.ParquetFile) -> list[str]:
    """Names of the user's columns in the features file."""
    return [name for name in file.schema_arrow.names if name not in LAYER_COLUMNS]
