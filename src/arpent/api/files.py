"""Files: writes a table as GeoParquet, CSV, GeoPackage, GeoJSON or FlatGeobuf, according to the file's ending."""

from __future__ import annotations

import errno
from collections.abc import Mapping, Set
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from arpent.adapters.formats.parquet_columns import ABOUT
from arpent.adapters.formats.parquet_rows import write_csv
from arpent.adapters.formats.plain_columns import plain_table
from arpent.adapters.formats.vector.copy import PREFIX, boxes, geo, kinds_of, own_names
from arpent.adapters.objects.partial_files import whole_file
from arpent.api.fields import ID, KEY
from arpent.api.local import Answer
from arpent.api.tables import wide_table
from arpent.api.update import FINGERPRINTS
from arpent.domain.errors import InvalidRequest

DRIVERS = {".gpkg": "GPKG", ".geojson": "GeoJSON", ".json": "GeoJSON", ".fgb": "FlatGeobuf"}
ENDINGS = (".parquet", ".csv", *DRIVERS)
FEATURES = ".features.parquet"
"""Ending of the features file that is written next to a long table."""
KEYS = "ogc_fid"
"""Name of the primary key column in a GeoPackage, so that a user's own column `fid` is not taken for it."""
GPKG_GEOMETRY = "geom"
"""Column of a GeoPackage's geometries."""
FOR_OLD_READERS = {"VERSION": "1.3", "DATETIME_PRECISION": "MILLISECOND"}
"""Options of a GeoPackage: GDAL before 3.7 warns about newer versions, and about times without milliseconds."""
GEOJSON_END = (b"]}", b"]\n}")
"""How a complete GeoJSON file ends, apart from line ends. Within a feature there are no line ends."""
POLYGONS = {"Polygon", "MultiPolygon"}


def check_ending(path: Path) -> None:
    """Raise InvalidRequest unless a table can be written to a file with this ending."""
    if path.suffix.lower() not in ENDINGS:
        raise InvalidRequest(f"{path} must end in one of {', '.join(ENDINGS)}")


def check_long_table(path: Path) -> None:
    """Raise InvalidRequest unless a file with this name can be an updatable table."""
    if path.suffix.lower() != ".parquet":
        raise InvalidRequest(f"{path} cannot be updated: only a long table in a .parquet file can")


def save(answer: Answer, path: Path, *, wide: bool) -> tuple[Path, ...]:
    """Write the table, and return the files that were written. A long Parquet table has its geometries in a second
    file; in GIS formats each row has its own. GeoJSON is in EPSG:4326, the others in the CRS of the features."""
    fields = answer.fields.table
    table = wide_table(answer.rows, fields) if wide else answer.rows
    ending = path.suffix.lower()
    if ending == ".csv":
        with whole_file(path) as part:
            write_csv(table, part)
        return (path,)
    crs = answer.fields.features.crs
    if ending == ".parquet" and not wide:
        beside = path.with_name(path.stem + FEATURES)
        told = {ABOUT: answer.about.encode(), FINGERPRINTS: answer.fingerprints}
        with whole_file(beside) as features, whole_file(path) as part:  # both files or neither
            write_geoparquet(_own(fields), crs, answer.about, features)
            _parquet(table, told, part)
        return path, beside
    rows = _located(table, fields)
    with whole_file(path) as part:
        if ending == ".parquet":
            write_geoparquet(rows, crs, answer.about, part)
        else:
            _vector(rows, crs, part, DRIVERS[ending], answer.about, layer=path.stem)
    return (path,)


def write_geoparquet(table: pa.Table, crs: CRS, about: str, path: Path) -> None:
    """Write GeoParquet 1.1 from a table with `geometry` (WKB), and add a column with their bounding boxes."""
    geometries = np.asarray(shapely.from_wkb(table["geometry"].to_pylist()), np.object_)
    bounds = shapely.bounds(geometries)
    names = own_names([name for name in table.column_names if name != "geometry"], ("geometry", "bbox"))
    covered = table.rename_columns([names.get(name, name) for name in table.column_names])
    covered = covered.append_column("bbox", boxes(bounds))
    _parquet(covered, {b"geo": geo(crs, kinds_of(geometries), bounds), ABOUT: about.encode()}, path)


def _own(fields: pa.Table) -> pa.Table:
    others = [name for name in fields.column_names if name not in (KEY, "geometry")]
    return pa.table({name: fields[name] for name in (*others, "geometry")})


def _located(table: pa.Table, fields: pa.Table) -> pa.Table:
    """The table with the geometry of each row's feature."""
    places = pc.index_in(table[ID], value_set=fields[ID].combine_chunks())
    return table.append_column("geometry", fields["geometry"].take(places))


def _parquet(table: pa.Table, metadata: Mapping[bytes, bytes], path: Path) -> None:
    with pq.ParquetWriter(path, table.schema, compression="zstd", store_schema=False) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata(dict(metadata))


def _vector(table: pa.Table, crs: CRS, path: Path, driver: str, about: str, *, layer: str) -> None:
    from pyogrio.errors import DataLayerError, DataSourceError
    from pyogrio.raw import write_arrow

    geometries = np.asarray(shapely.from_wkb(table["geometry"].to_pylist()), np.object_)
    if driver == "GeoJSON":
        geometries, crs = _in_degrees(geometries, crs), CRS.from_epsg(4326)
    geometries, kind = _of_one_kind(geometries)
    given = plain_table(table.drop_columns(["geometry"]), instants=driver == "GeoJSON")
    given = given.rename_columns(_caseless(given.column_names, {"geometry", GPKG_GEOMETRY, KEYS}))
    given = given.append_column("geometry", pa.array(shapely.to_wkb(geometries, flavor="iso"), pa.binary()))
    options = {"FID": KEYS, **FOR_OLD_READERS} if driver == "GPKG" else {}
    authority = crs.to_authority()
    try:
        write_arrow(
            given,
            path,
            layer=layer,
            driver=driver,
            geometry_name="geometry",
            geometry_type=kind,
            crs=crs.to_wkt() if authority is None else ":".join(authority),
            layer_metadata={ABOUT.decode(): about} if driver == "GPKG" else None,
            **options,
        )
        _check_whole(path, driver, len(given), indexed=any(each is not None for each in geometries))
    except (DataSourceError, DataLayerError) as error:
        raise OSError(errno.EIO, f"GDAL cannot write it; is its disk full? ({error!s:.200})") from error


def _check_whole(path: Path, driver: str, count: int, *, indexed: bool) -> None:
    """Check that a file is complete, since GDAL does not report a full disk when it closes the file. Raises OSError if
    the end of the file is missing: its last feature, or the spatial index, which is written last."""
    from pyogrio import read_info
    from pyogrio.raw import read

    if driver == "GeoJSON":
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 16))
            whole = file.read().rstrip().endswith(GEOJSON_END)
    else:
        try:
            info = read_info(path)
            whole = info["capabilities"]["fast_spatial_filter"] or not indexed
            if count and whole:
                whole = len(read(path, skip_features=count - 1, max_features=1, columns=[])[2]) == 1
        except (RuntimeError, ValueError):  # errors of pyogrio
            whole = False
    if not whole:
        raise OSError(errno.ENOSPC, "its disk was full before the file was complete")


def _in_degrees(geometries: NDArray[np.object_], crs: CRS) -> NDArray[np.object_]:
    change = Transformer.from_crs(crs, 4326, always_xy=True)
    moved = shapely.transform(geometries, lambda xy: np.column_stack(change.transform(xy[:, 0], xy[:, 1])))
    return np.asarray(moved, np.object_)


def _of_one_kind(geometries: NDArray[np.object_]) -> tuple[NDArray[np.object_], str]:
    """The geometries and their type. A layer has one type, so Polygons among MultiPolygons become MultiPolygons."""
    kinds = kinds_of(geometries)
    if len(kinds) == 1:
        return geometries, kinds.pop()
    if kinds and kinds <= POLYGONS:
        multi = [
            shapely.MultiPolygon([one]) if one is not None and one.geom_type == "Polygon" else one for one in geometries
        ]
        return np.array(multi, np.object_), "MultiPolygon"
    return geometries, "Unknown"


def _caseless(names: list[str], ours: Set[str]) -> list[str]:
    """Names that differ regardless of case, from one another and from `ours`, as GIS formats require: GDAL crashes on a
    column `Geometry` next to the geometries. The statistics' columns, which come last, keep their names."""
    taken = set(ours)
    distinct = dict.fromkeys(names, "")
    for given in (*(name for name in names if name == ID), *(name for name in names[::-1] if name != ID)):
        name = given
        while name.lower() in taken:
            name = f"{PREFIX}{name}"
        taken.add(name.lower())
        distinct[given] = name
    return [distinct[name] for name in names]
