"""Features file of a job: writes GeoParquet 1.1 with the user's columns once per feature, to go with the long table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from numpy.typing import NDArray
from pyproj import CRS

from arpent.adapters.formats.geometries import Linear, read_column
from arpent.adapters.formats.parquet_columns import ABOUT
from arpent.adapters.formats.plain_polygons import PLAIN, WkbColumn, as_binary
from arpent.adapters.formats.vector.open_file import (
    IDENTIFIER,
    TEXTS,
    OpenFile,
    as_bytes,
    batches_with_ids,
    texts_of,
)
from arpent.domain.location import FeatureFile

OWN = ("id", IDENTIFIER, "geometry", "bbox")
"""Columns that every features file has."""
PREFIX = "feature_"
"""Prefix for a user's column whose name is one of arpent's."""
RENAMED = b"arpent:renamed"
"""Key of a features file's metadata: JSON that maps the names of its renamed columns to the names that the user gave
them."""
BOX = pa.struct([(name, pa.float64()) for name in ("xmin", "ymin", "xmax", "ymax")])
ROW_GROUP = 50_000


def own_names(columns: Iterable[str], taken: Sequence[str] = OWN) -> dict[str, str]:
    """The user's columns → names that all differ, also from the `taken` ones."""
    wanted = tuple(dict.fromkeys(columns))
    used = {*taken, *wanted}
    names = {}
    for column in wanted:
        name = column
        while name in taken or (name != column and name in used):
            name = f"{PREFIX}{name}"
        used.add(name)
        names[column] = name
    return names


def write_copy(opened: OpenFile, file: FeatureFile, target: Path, about: str) -> None:
    """Write all rows. Text that is not UTF-8 is repaired; a geometry that cannot be read is null."""
    identifier = IDENTIFIER if file.identifier is None else file.identifier
    present = IDENTIFIER if identifier == IDENTIFIER else None  # that column is there already
    columns = [name for name in opened.columns if file.columns is None or name in file.columns]
    names = own_names(name for name in columns if name != present)
    kinds: set[str] = set()
    whole: list[NDArray[np.float64]] = []
    writer: pq.ParquetWriter | None = None
    try:
        for ids, rows in batches_with_ids(opened):
            wkb, bounds, found = _outlines(ids, rows.column(opened.geometry), opened.linear)
            taken = pa.table(
                {
                    "id": pa.array(ids),
                    IDENTIFIER: _texts(rows, identifier),
                    **{own: _clean(rows.column(name)) for name, own in names.items()},
                    "geometry": wkb,
                    "bbox": boxes(bounds),
                }
            )
            kinds |= found
            whole.append(bounds)
            if writer is None:
                writer = pq.ParquetWriter(
                    target, taken.schema, compression="zstd", store_schema=False, use_dictionary=[*names.values()]
                )
            writer.write_table(taken, ROW_GROUP)
        if writer is not None:
            extent = np.concatenate(whole) if whole else np.zeros((0, 4))
            renamed = orjson.dumps({own: name for name, own in names.items() if own != name})
            writer.add_key_value_metadata(
                {b"geo": geo(opened.crs, kinds, extent), ABOUT: about.encode(), RENAMED: renamed}
            )
    finally:
        if writer is not None:
            writer.close()


def _outlines(
    ids: NDArray[np.int64], column: pa.Array, linear: Linear
) -> tuple[pa.Array, NDArray[np.float64], set[str]]:
    """(n,): a column of WKB as ISO WKB; (n, 4): bounding boxes, NaN where there is none; names of the types. Plain
    polygons are neither parsed nor turned into Python objects."""
    column = as_binary(column)
    column.validate(full=True)
    plain = WkbColumn(column=column).plain()
    kinds, rest = {PLAIN[kind] for kind in np.unique(plain.kinds).tolist() if kind}, np.flatnonzero(plain.kinds == 0)
    bounds = plain.bounds
    if not len(rest):
        return column if pa.types.is_binary(column.type) else column.cast(pa.binary()), bounds, kinds
    doubtful = column if len(rest) == len(column) else column.take(pa.array(rest))
    geometries, _, written = read_column(ids[rest], doubtful, linear)
    bounds[rest] = shapely.bounds(geometries)
    wkb = np.array(column.to_numpy(zero_copy_only=False), np.object_)
    wkb[rest] = written
    return pa.array(wkb, pa.binary()), bounds, kinds | kinds_of(geometries)


def kinds_of(geometries: NDArray[np.object_]) -> set[str]:
    """Names of the types of geometries (n,), without those that are missing."""
    _, firsts = np.unique(shapely.get_type_id(geometries), return_index=True)
    return {str(each.geom_type) for each in geometries[firsts] if each is not None}


def boxes(bounds: NDArray[np.float64]) -> pa.Array:
    """(n,): bounding boxes (n, 4) as structs; null where there is none."""
    mask = ~np.isfinite(bounds).all(axis=1)
    parts = [pa.array(bounds[:, place]) for place in range(4)]
    return pa.StructArray.from_arrays(parts, fields=list(BOX), mask=pa.array(mask) if mask.any() else None)


def geo(crs: CRS, kinds: set[str], bounds: NDArray[np.float64]) -> bytes:
    """The `geo` entry of GeoParquet 1.1: `geometry` is WKB, x first, in this CRS; `bbox` covers it."""
    covering = {"bbox": {name: ["bbox", name] for name in ("xmin", "ymin", "xmax", "ymax")}}
    geometry: dict[str, object] = {
        "encoding": "WKB", "geometry_types": sorted(kinds), "crs": crs.to_json_dict(), "covering": covering,
    }  # fmt: skip
    finite = bounds[np.isfinite(bounds).all(axis=1)]
    if len(finite):
        geometry["bbox"] = [*finite[:, :2].min(axis=0).tolist(), *finite[:, 2:].max(axis=0).tolist()]
    return orjson.dumps({"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": geometry}})


def _texts(rows: pa.RecordBatch, column: str) -> pa.Array:
    """A column as text, as features have it; null where there is no such column."""
    if column in rows.schema.names and any(is_kind(rows.column(column).type) for is_kind in TEXTS[:2]):
        return _clean(rows.column(column))
    return pa.array(texts_of(rows, column), pa.string())


def _clean(column: pa.Array) -> pa.Array:
    """The column; if it is text, as valid UTF-8."""
    if any(is_kind(column.type) for is_kind in TEXTS[:2]):
        try:
            column.validate(full=True)
        except pa.ArrowInvalid:
            return pa.array([None if each is None else each.decode("utf-8", "replace") for each in as_bytes(column)])
        return column if pa.types.is_string(column.type) else column.cast(pa.string())
    return column
