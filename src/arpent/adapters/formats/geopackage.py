"""Features of a GeoPackage, read by pyogrio in batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyogrio
import shapely
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError, FieldError, GeometryError
from pyogrio.raw import open_arrow
from pyproj import CRS
from pyproj.exceptions import CRSError

from arpent.adapters.formats.geopackage_schema import check_tables
from arpent.adapters.formats.wkb import flaws_of
from arpent.domain.crs import code
from arpent.domain.errors import FeaturesUnreadable
from arpent.domain.feature import Features

IDENTIFIER = "identifier"
"""The optional column (sentinelhub.md 2.1)."""
_MAGIC = b"SQLite format 3\0"
_APPLICATIONS = (b"GPKG", b"GP10", b"GP11")
"""Application ids of a GeoPackage, at byte 68 of an SQLite file."""
_READ_ERRORS = (DataSourceError, DataLayerError, FeatureError, FieldError, GeometryError, pa.ArrowException, OSError)


def read_features(path: Path, batch: int = 50_000) -> Iterator[Features]:
    """The features of the GeoPackage's only feature table, `batch` at a time, in the table's order.

    Ids are the primary key. `identifier` is text; a column of numbers or dates comes as their text. Geometries of
    any type are kept, two-dimensional, x (longitude) first; what is null or no geometry at all is None. The file's
    name must end in `.gpkg`. It is opened as immutable: nothing is written beside it, its write-ahead log is not read.

    Raises FeaturesUnreadable: not a GeoPackage, no or several feature tables, no features, a CRS that is not in the
    list of sentinelhub.md 2.1, a damaged file.
    """
    layer = _only_layer(path)
    empty = True
    for features in _read(path, layer, batch):
        if len(features):
            empty = False
            yield features
    if empty:
        raise FeaturesUnreadable(f"The GeoPackage has no features: table {layer!r} is empty.")


def read_feature(path: Path, feature: int) -> Features | None:
    """The one feature whose primary key is this, found by the table's index; None if there is no such feature.

    Raises FeaturesUnreadable as `read_features` does, but does not look at the other features."""
    layer = _only_layer(path)
    try:
        key = pyogrio.read_info(path, layer=layer)["fid_column"] or "fid"
    except _READ_ERRORS as error:
        raise FeaturesUnreadable(f"The GeoPackage is damaged: table {layer!r} cannot be read.") from error
    quoted = str(key).replace('"', '""')
    return next(_read(path, layer, 1, f'"{quoted}" = {int(feature)}'), None)


def _read(path: Path, layer: str, batch: int, where: str | None = None) -> Iterator[Features]:
    try:
        with open_arrow(
            path,
            layer=layer,
            columns=[IDENTIFIER],
            where=where,
            batch_size=batch,
            return_fids=True,
            use_pyarrow=True,
            IMMUTABLE="YES",
        ) as (about, reader):
            crs = _crs(layer, about["crs"])
            for rows in reader:
                yield _features(rows, crs, about)
    except _READ_ERRORS as error:
        raise FeaturesUnreadable(f"The GeoPackage is damaged: table {layer!r} cannot be read to its end.") from error


def _only_layer(path: Path) -> str:
    """Name of the one feature table; tables without geometries do not count."""
    with path.open("rb") as stream:
        start = stream.read(100)
    if not start:
        raise FeaturesUnreadable("The GeoPackage is empty: the file has no bytes.")
    if not start.startswith(_MAGIC) or start[68:72] not in _APPLICATIONS:
        raise FeaturesUnreadable(
            "The file is not a GeoPackage. Write one, with geopandas: frame.to_file('parcels.gpkg', driver='GPKG')."
        )
    check_tables(path)
    try:
        layers = [str(name) for name, kind in pyogrio.list_layers(path) if kind is not None]
    except _READ_ERRORS as error:
        raise FeaturesUnreadable("The file is not a GeoPackage, or a damaged one.") from error
    if not layers:
        raise FeaturesUnreadable("The GeoPackage has no feature table (a table with geometries).")
    if len(layers) > 1:
        raise FeaturesUnreadable(
            f"The GeoPackage has {len(layers)} feature tables ({', '.join(layers)}); leave exactly one."
        )
    return layers[0]


def _crs(layer: str, text: str | None) -> CRS:
    """The table's CRS, if it is one of the list."""
    try:
        number = code(CRS.from_user_input(text)) if text else None
    except CRSError:
        number = None
    if number is None:
        named = text.split("\n", 1)[0][:120] if text else "undefined"
        raise FeaturesUnreadable(
            f"The CRS of table {layer!r} ({named}) is not supported. "
            "Reproject it, to EPSG:4326, a UTM zone on WGS 84, or another of the documented list."
        )
    return CRS.from_epsg(number)


def _features(rows: pa.RecordBatch, crs: CRS, about: Mapping[str, str]) -> Features:
    ids = rows.column(about["fid_column"] or "OGC_FID").to_numpy(zero_copy_only=False)
    wkb = rows.column(about["geometry_name"] or "wkb_geometry").to_numpy(zero_copy_only=False)
    flaws = flaws_of(ids, wkb)
    if flaws:
        wkb = np.where(np.isin(ids, list(flaws)), None, wkb)
    geometries = shapely.force_2d(shapely.from_wkb(wkb, on_invalid="ignore"))
    return Features(
        crs=crs,
        ids=np.asarray(ids, np.int64),
        identifiers=_identifiers(rows),
        geometries=np.asarray(geometries, object),
        flaws=flaws,
    )


def _identifiers(rows: pa.RecordBatch) -> tuple[str | None, ...]:
    if IDENTIFIER not in rows.schema.names:
        return (None,) * int(rows.num_rows)
    column = rows.column(IDENTIFIER)
    try:
        texts: list[str | None] = column.cast(pa.string()).to_pylist()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise FeaturesUnreadable(f"The column `{IDENTIFIER}` is {column.type}; make it text.") from error
    return tuple(texts)
