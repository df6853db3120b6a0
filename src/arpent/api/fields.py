"""Fields: turns what a caller gives (a path, a frame, GeoJSON, geometries or a box) into features and their columns."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from pyproj import CRS

from arpent.adapters.features.temporary_folder import temporary_folder
from arpent.adapters.formats.vector.copy import OWN, RENAMED, own_names, write_copy
from arpent.adapters.formats.vector.open_file import OpenFile, features_of
from arpent.adapters.objects.folder import FolderObjects
from arpent.domain.boundary.client_ids import LOCAL
from arpent.domain.errors import InvalidRequest
from arpent.domain.feature import Features
from arpent.domain.location import FeatureFile, Location
from arpent.settings import Settings
from arpent.wiring import local

DEGREES = "EPSG:4326"
KEY = "__key"
"""Column of primary keys, by which numbers and the caller's columns are joined."""
ID = "id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """Features and their columns, as the caller gave them."""

    features: Features
    """The features in their own CRS."""
    table: pa.Table
    """Columns KEY and ID, the caller's columns, and `geometry` (WKB, in the CRS of the features)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Which of the caller's columns are used."""

    keep: tuple[str, ...] | None = None
    """Columns to keep; None: all of them."""
    id: str | None = None
    """The column that identifies features; None: a column `id` with distinct values, or else the primary key."""


def read_fields(given: Any, columns: Columns, settings: Settings, crs: str | None = None) -> Fields:
    """Read features. `given`: a path; a GeoDataFrame or GeoSeries; GeoJSON, as a dict, text or `__geo_interface__`; a
    geometry of shapely, or a list of them; or a box of four numbers. `crs`: that of geometries and boxes; None:
    longitude and latitude. Raises InvalidRequest, FeaturesUnreadable."""
    if isinstance(given, str) and given.lstrip().startswith("{"):
        given = _json_of(given)
    if isinstance(given, str | Path):
        return _of_file(Path(given), columns, settings)
    if is_frame(given):
        return _of_frame(given, columns)
    if isinstance(given, shapely.Geometry):
        given = [given]
    if isinstance(given, Sequence) and len(given) == 4 and all(isinstance(each, int | float) for each in given):
        given = [_box(given)]
    if isinstance(given, Sequence) and given and all(isinstance(each, shapely.Geometry) for each in given):
        return _of_geometries(list(given), columns, crs)
    content = given if isinstance(given, Mapping) else getattr(given, "__geo_interface__", None)
    if isinstance(content, Mapping):
        with temporary_folder() as folder:
            path = Path(folder, "fields.geojson")
            path.write_text(json.dumps(_collection(content)))
            return _of_file(path, columns, settings)
    raise InvalidRequest(
        f"Features of type {type(given).__name__} are not understood: give a path, a GeoDataFrame, GeoJSON, geometries "
        "of shapely, or a box (minx, miny, maxx, maxy)"
    )


# ---- files -----------------------------------------------------------------------------------------------------


def _of_file(path: Path, columns: Columns, settings: Settings) -> Fields:
    path = path.expanduser().resolve()
    if path.is_dir() and path.suffix.lower() != ".gdb":
        raise InvalidRequest(f"{path} is a folder; give a file of features in it")
    if not path.exists():
        raise InvalidRequest(
            f"{path} does not exist: give a GeoPackage, GeoJSON, Shapefile, FlatGeobuf or GeoParquet file"
        )
    file = FeatureFile(
        scheme="file", bucket="", key=path.as_posix().lstrip("/"), identifier=columns.id, columns=None, local=True
    )
    with (
        temporary_folder() as folder,
        closing(local.feature_processes(settings, reserve=0)) as reading,
    ):
        store = FolderObjects(Path(folder))
        Path(folder, "copy").mkdir()
        target = Location(scheme="s3", bucket="copy", key="features.parquet")
        source = local.file_features(settings, store, reading, LOCAL, lambda: True)
        features = source.features(file)
        source.copy(file, target, "{}")
        table = pq.read_table(Path(folder, "copy", "features.parquet"))
    return Fields(features=features, table=_shaped(table, columns))


# ---- what is in memory -----------------------------------------------------------------------------------------


def is_frame(given: Any) -> bool:
    """Whether this is a GeoDataFrame or GeoSeries; works without importing GeoPandas."""
    return type(given).__module__.partition(".")[0] == "geopandas"


def _of_frame(frame: Any, columns: Columns) -> Fields:
    """Features of a frame. Its index identifies them, unless a column is chosen or there is a column `id`."""
    if frame.crs is None:
        raise InvalidRequest("The frame has no CRS: set it, with frame.set_crs('EPSG:4326') for degrees")
    geometry = frame.geometry
    others = frame.drop(columns=geometry.name) if hasattr(frame, "columns") else frame.to_frame()[[]]
    index = others.index
    named = {} if ID in others.columns or columns.id is not None else {ID: pa.array(index.to_numpy(), from_pandas=True)}
    plain = pa.Table.from_pandas(others, preserve_index=False) if len(others.columns) else None
    arrays = named | ({} if plain is None else {name: plain[name].combine_chunks() for name in plain.column_names})
    return _of_columns(geometry.to_numpy(), arrays, CRS.from_user_input(frame.crs), columns)


def _of_geometries(geometries: list[shapely.Geometry], columns: Columns, crs: str | None) -> Fields:
    return _of_columns(geometries, {}, CRS.from_user_input(crs or DEGREES), columns)


def _of_columns(geometries: Any, arrays: Mapping[str, pa.Array], crs: CRS, columns: Columns) -> Fields:
    """Features from geometries and columns in memory, made by the same steps as those from a file."""
    geometry = "__geometry"
    rows = pa.RecordBatch.from_pydict(
        {geometry: pa.array(shapely.to_wkb(list(geometries), flavor="iso"), pa.binary()), **arrays}
    )
    if columns.id is not None and columns.id not in arrays:
        raise InvalidRequest(f"There is no column {columns.id!r:.80}; columns: {', '.join(arrays) or 'none'}")
    file = FeatureFile(scheme="file", bucket="", key="", identifier=columns.id, columns=None, local=True)
    opened = OpenFile(crs=crs, key=None, geometry=geometry, columns=tuple(arrays), batches=iter([rows]))
    features = features_of(opened, np.arange(rows.num_rows, dtype=np.int64), rows, file.identifier)
    with temporary_folder() as folder:
        write_copy(opened, file, Path(folder, "copy"), "{}")
        table = pq.read_table(Path(folder, "copy"))
    return Fields(features=features, table=_shaped(table, columns))


def _json_of(text: str) -> Any:
    with suppress(ValueError):
        return json.loads(text)
    raise InvalidRequest("The text begins like GeoJSON, but is not JSON")


def _collection(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """GeoJSON of any kind as a FeatureCollection."""
    if content.get("type") == "FeatureCollection":
        return content
    feature = (
        content if content.get("type") == "Feature" else {"type": "Feature", "properties": {}, "geometry": content}
    )
    return {"type": "FeatureCollection", "features": [feature]}


def _box(numbers: Sequence[float]) -> shapely.Geometry:
    minx, miny, maxx, maxy = (float(number) for number in numbers)
    if minx >= maxx or miny >= maxy:
        raise InvalidRequest("A box must be minx, miny, maxx, maxy with minx < maxx and miny < maxy")
    return shapely.box(minx, miny, maxx, maxy)


# ---- columns ---------------------------------------------------------------------------------------------------


def _shaped(table: pa.Table, columns: Columns) -> pa.Table:
    """The table of Fields, made from that of a features file. Raises InvalidRequest if a column does not exist, or does
    not identify features."""
    given = json.loads((table.schema.metadata or {}).get(RENAMED, b"{}"))
    theirs = columns.id is None and any(value is not None for value in table["identifier"].to_pylist())
    ours = OWN if not theirs and columns.id != "identifier" else [name for name in OWN if name != "identifier"]
    users = {given.get(name, name): name for name in table.column_names if name not in ours}
    chosen = _id_column(table, users, columns)
    keep = [name for name in (users if columns.keep is None else columns.keep) if name != ID]
    if unknown := [name for name in keep if name not in users]:
        raise InvalidRequest(f"There is no column {unknown[0]!r:.80}; columns: {', '.join(users) or 'none'}")
    labels = own_names(keep, (KEY, ID, "geometry"))
    return pa.table(
        {
            KEY: table["id"],
            ID: table["id"] if chosen is None else table[users[chosen]],
            **{labels[name]: table[users[name]] for name in keep},
            "geometry": table["geometry"],
        }
    )


def _id_column(table: pa.Table, users: Mapping[str, str], columns: Columns) -> str | None:
    if columns.id is None:
        return ID if ID in users and _differ(table[users[ID]]) else None
    if columns.id not in users:
        raise InvalidRequest(f"There is no column {columns.id!r:.80}; columns: {', '.join(users) or 'none'}")
    if not _differ(table[users[columns.id]]):
        raise InvalidRequest(
            f"The column {columns.id!r} does not tell the features apart: values are missing or occur twice"
        )
    return columns.id


def _differ(column: pa.ChunkedArray) -> bool:
    return column.null_count == 0 and len(column.unique()) == len(column)
