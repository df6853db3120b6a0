"""Tables: the files of a job's results, read through the store that holds them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyproj import CRS

from arpent.adapters.formats.results.layer import FeatureLayer
from arpent.domain.errors import InvalidRequest, StorageNotFound
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
        """These columns (None: all) of the rows that are wanted (None: all). Raises InvalidRequest if there is no
        table, or no such column."""
        found = []
        for key in self.parts():
            payload = pa.py_buffer(self.store.read(self.folder.at(key)))
            known = pq.read_schema(pa.BufferReader(payload)).names
            for name in columns or ():
                if name not in known:
                    raise InvalidRequest.at("statistic", f"is {name!r:.40}, which these results do not have")
            listed = None if columns is None else list(columns)
            found.append(pq.read_table(pa.BufferReader(payload), columns=listed, filters=wanted))
        if not found:
            raise InvalidRequest(NO_TABLE)
        return pa.concat_tables(found, promote_options="default")

    def features(self, columns: Sequence[str] | None) -> pa.Table:
        """These columns (None: all) of the features file. Raises InvalidRequest if there is none."""
        try:
            payload = self.store.read(self._at("features/features.parquet"))
        except StorageNotFound:
            raise InvalidRequest(NO_FEATURES) from None
        return pq.read_table(pa.BufferReader(payload), columns=None if columns is None else list(columns))

    def layer(self) -> FeatureLayer:
        """The features for the map. Raises InvalidRequest if there is no features file."""
        table = self.features(LAYER_COLUMNS)
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

    def _at(self, name: str) -> Location:
        return self.folder.at(self.folder.key + name)
