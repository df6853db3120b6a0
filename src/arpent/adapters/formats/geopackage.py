"""GeoPackage: reads the features of a file in batches, with pyogrio."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyogrio
from numpy.typing import NDArray
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError, FieldError, GeometryError
from pyogrio.raw import open_arrow
from pyogrio.raw import read as read_raw
from pyproj import CRS

from arpent.adapters.formats.crs import crs_of_features
from arpent.adapters.formats.geometries import NO_BLOB, features_of_column
from arpent.adapters.formats.geopackage_rows import Rows
from arpent.adapters.formats.geopackage_schema import check_tables
from arpent.adapters.formats.vector.open_file import IDENTIFIER, TEXTS, as_bytes, plain_texts
from arpent.domain.errors import FeaturesUnreadable
from arpent.domain.feature import Features
from arpent.domain.location import FeatureFile

_MAGIC = b"SQLite format 3\0"
_APPLICATIONS = (b"GPKG", b"GP10", b"GP11")
"""Application ids of a GeoPackage, at byte 68 of an SQLite file."""
_LOG_HEAD = 32
"""Size in bytes of a write-ahead log without changes."""
_READ_ERRORS = (
    DataSourceError,
    DataLayerError,
    FeatureError,
    FieldError,
    GeometryError,
    pa.ArrowException,
    OSError,
    UnicodeDecodeError,
)


ANY = FeatureFile(scheme="s3", bucket="", key="")
"""A file with the default options."""


def read_features(path: Path, batch: int = 50_000, file: FeatureFile = ANY) -> Iterator[Features]:
    """The features of the GeoPackage's only feature table, `batch` at a time, in the table's order.

    Ids are the primary key. `identifier` is text; numbers and dates are converted to text. Geometries of any type are
    kept, two-dimensional, x (longitude) first; curves become straight segments, as GDAL does it. A geometry that is
    null is None; so is one that cannot be read, with its reason in `flaws`. The file's name must end in `.gpkg`. It is
    opened as immutable: nothing is written next to it, and a file with changes in a write-ahead log is refused.

    Raises FeaturesUnreadable: not a GeoPackage, no or several feature tables, no features, a CRS that is not in the
    list of sentinelhub.md 2.1, a damaged file.
    """
    layer = only_layer(path, file)
    empty = True
    for features in _read(path, layer, batch, file):
        if len(features):
            empty = False
            yield features
    if empty:
        raise FeaturesUnreadable(f"The GeoPackage has no features: table {layer!r} is empty.")


def read_feature(path: Path, feature: int, file: FeatureFile = ANY) -> Features | None:
    """The feature with this primary key, found by the table's index, as Features of length 1; None if there is none.

    Raises FeaturesUnreadable as `read_features` does, but does not look at the other features.
    """
    layer = only_layer(path, file)
    try:
        key = pyogrio.read_info(path, layer=layer)["fid_column"] or "fid"
    except _READ_ERRORS as error:
        raise FeaturesUnreadable(f"The GeoPackage is damaged: table {layer!r} cannot be read.") from error
    quoted = str(key).replace('"', '""')
    return next(_read(path, layer, 1, file, f'"{quoted}" = {int(feature)}'), None)


def _read(path: Path, layer: str, batch: int, file: FeatureFile, where: str | None = None) -> Iterator[Features]:
    identifier = IDENTIFIER if file.identifier is None else file.identifier
    try:
        with open_arrow(
            path,
            layer=layer,
            columns=[identifier],
            where=where,
            batch_size=batch,
            return_fids=True,
            use_pyarrow=True,
            IMMUTABLE="YES",
        ) as (about, reader):
            crs = crs_of_features(about["crs"], f"table {layer!r}", local=file.local)
            names = (about["fid_column"] or "OGC_FID", about["geometry_name"] or "wkb_geometry")
            table = _Table(path=path, layer=layer, key=names[0], geometry=names[1], crs=crs, identifier=identifier)
            for rows in reader:
                yield table.features(rows)
    except _READ_ERRORS as error:
        raise FeaturesUnreadable(f"The GeoPackage is damaged: table {layer!r} cannot be read to its end.") from error


def only_layer(path: Path, file: FeatureFile = ANY) -> str:
    """Name of the only feature table, after a check that its wanted columns may be read; tables without geometries do
    not count. Raises FeaturesUnreadable."""
    with path.open("rb") as stream:
        start = stream.read(100)
    if not start:
        raise FeaturesUnreadable("The GeoPackage is empty: the file has no bytes.")
    if not start.startswith(_MAGIC) or start[68:72] not in _APPLICATIONS:
        raise FeaturesUnreadable(
            "The file is not a GeoPackage. Write one, with geopandas: frame.to_file('parcels.gpkg', driver='GPKG')."
        )
    _check_log(path)
    named = [*(file.columns or ()), IDENTIFIER if file.identifier is None else file.identifier]
    check_tables(path, None if file.columns is None else frozenset(name.lower() for name in named))
    try:
        layers = [str(name) for name, kind in pyogrio.list_layers(path) if kind is not None]
    except _READ_ERRORS as error:
        raise FeaturesUnreadable("The file is not a GeoPackage, or a damaged one.") from error
    if not layers:
        raise FeaturesUnreadable("The GeoPackage has no feature table (a table with geometries).")
    if len(layers) > 1:
        raise FeaturesUnreadable(
            f"The GeoPackage has {len(layers)} feature tables ({', '.join(layers)}); keep exactly one."
        )
    return layers[0]


def _check_log(path: Path) -> None:
    """Raises FeaturesUnreadable if there are changes of the file in a write-ahead log next to it, which is not read."""
    log = path.with_name(f"{path.name}-wal")
    if log.is_file() and log.stat().st_size > _LOG_HEAD:
        raise FeaturesUnreadable(
            f"The GeoPackage is open in another program, whose changes are in {log.name} next to it: close it there, "
            "for example in QGIS, and try again."
        )


@dataclass(frozen=True, kw_only=True)
class _Table:
    """The feature table of an open file."""

    path: Path
    layer: str
    key: str
    """Name of the primary key column."""
    geometry: str
    """Name of the geometry column."""
    crs: CRS
    identifier: str
    """Column of the identifiers."""

    @property
    def rows(self) -> Rows:
        """The table as SQLite stores it."""
        return Rows(path=self.path, table=self.layer, key=self.key)

    @cached_property
    def texts(self) -> Mapping[int, str]:
        """Primary key → identifier, for rows whose identifier is stored as text."""
        return self.rows.texts(self.identifier)

    @cached_property
    def cut_off(self) -> Mapping[int, str]:
        """Primary key → identifier, for rows whose identifier GDAL truncates."""
        return self.rows.cut_off(self.identifier)

    def features(self, rows: pa.RecordBatch) -> Features:
        """The features of one batch of rows."""
        ids = np.asarray(rows.column(self.key).to_numpy(zero_copy_only=False), np.int64)
        identifiers, column = self._identifiers(ids, rows), rows.column(self.geometry)
        return features_of_column(self.crs, ids, identifiers, column, self._linear, self._broken)

    def _broken(self, missing: Sequence[int]) -> dict[int, str]:
        return dict.fromkeys(self.rows.broken(self.geometry, missing), NO_BLOB) if missing else {}

    def _identifiers(self, ids: NDArray[np.int64], rows: pa.RecordBatch) -> tuple[str | None, ...]:
        """(n,): identifiers as text. Bytes that are not UTF-8 become U+FFFD. Text in a column declared as numbers or
        dates, which GDAL reads as 0 or null, is kept."""
        if self.identifier not in rows.schema.names:
            return (None,) * int(rows.num_rows)
        column = rows.column(self.identifier)
        if any(is_kind(column.type) for is_kind in TEXTS):
            if not self.cut_off and (texts := plain_texts(column)) is not None:
                return texts
            return tuple(
                None if each is None else self.cut_off.get(key) or each.decode("utf-8", "replace")
                for key, each in zip(ids.tolist(), as_bytes(column), strict=True)
            )
        try:
            told: list[str | None] = column.cast(pa.string()).to_pylist()
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise FeaturesUnreadable(f"The column `{self.identifier}` is {column.type}; make it text.") from error
        numbers = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
        return tuple(
            self.texts.get(key, each) if numbers or each is None else each
            for key, each in zip(ids.tolist(), told, strict=True)
        )

    def _linear(self, keys: Sequence[int]) -> dict[int, bytes]:
        """Curves as straight segments, WKB by primary key. A curve that GDAL cannot read is left out."""
        try:
            return self._read_linear(keys)
        except (*_READ_ERRORS, ValueError):
            found: dict[int, bytes] = {}
            for key in keys if len(keys) > 1 else ():
                found |= self._linear([key])
            return found

    def _read_linear(self, keys: Sequence[int]) -> dict[int, bytes]:
        """Read feature by feature: GDAL then converts curves to straight segments, which it does not when it reads
        columns."""
        _, found, wkb, _ = read_raw(
            self.path, layer=self.layer, fids=list(keys), columns=[], return_fids=True, IMMUTABLE="YES"
        )
        return {int(key): one for key, one in zip(found, wkb, strict=True) if one is not None}
