"""OGR: reads one layer of a vector file with GDAL, as Arrow columns.

GDAL detects the format from a file's content, and files of some formats refer to other files. So the content must begin
as the ending says, and GeoJSON, which begins like other formats, is opened with its driver named.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyogrio
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError, FieldError, GeometryError
from pyogrio.raw import open_arrow
from pyogrio.raw import read as read_raw

from arpent.adapters.formats.crs import crs_of_features
from arpent.adapters.formats.vector.code_page import code_page
from arpent.adapters.formats.vector.geojson_crs import check_crs, named_crs
from arpent.adapters.formats.vector.open_file import BATCH, OpenFile, columns_to_read
from arpent.adapters.formats.vector.whole import check_sequence, check_shapefile, check_single, check_xml
from arpent.domain.errors import FeaturesUnreadable
from arpent.domain.location import FeatureFile

READ_ERRORS = (DataSourceError, DataLayerError, FeatureError, FieldError, GeometryError, pa.ArrowException, OSError)
SIGNATURES = {".fgb": b"fgb", ".shp": b"\x00\x00\x27\x0a", ".geojson": b"{"}
"""Ending → first bytes of the content, in GeoJSON after blanks and a byte-order mark."""
NAMES = {".fgb": "FlatGeobuf file", ".shp": "Shapefile", ".geojson": "GeoJSON file", ".gpkg": "GeoPackage"}
PLAIN = {"OGR_FLATGEOBUF_STREAM_BASE_IMPL": "YES"}
"""GDAL 3.12's own conversion of FlatGeobuf to Arrow gives wrong offsets if a geometry is null; the generic one does
not."""
CHECKS = {
    "GeoJSONSeq": check_sequence, "GeoJSON": check_single,
    **dict.fromkeys(("GML", "KML", "LIBKML", "GPX", "GeoRSS", "GMLAS", "NAS"), check_xml),
}  # fmt: skip
"""Driver → check that GDAL reads the whole file, for files whose format GDAL detects."""
BLANKS = b" \t\r\n"
MARK = b"\xef\xbb\xbf"


def check_content(path: Path, ending: str) -> None:
    """Raises FeaturesUnreadable if the file does not begin as its ending says."""
    if (signature := SIGNATURES.get(ending)) is None:
        return
    with path.open("rb") as stream:
        start = stream.read(4096)
    if ending == ".geojson":
        start = start.removeprefix(MARK).lstrip(BLANKS)
    if not start.startswith(signature):
        raise FeaturesUnreadable(f"The file is not a {NAMES[ending]}, although its name ends in {ending}.")


@contextmanager
def open_ogr(
    path: Path, ending: str, file: FeatureFile, where: str | None = None, layer: str | None = None
) -> Iterator[OpenFile]:
    """Open the only layer with geometries. `ending`: the format, such as `.geojson`, or "" for whatever GDAL
    recognises. Raises FeaturesUnreadable."""
    name = f"The {NAMES.get(ending, 'file')}"
    source = f"GeoJSON:{path}" if ending == ".geojson" else str(path)
    options = {"IMMUTABLE": "YES"} if ending == ".gpkg" else {}
    encoding = code_page(path) if ending == ".shp" else None
    try:
        names = named_crs(path) if ending == ".geojson" else ()  # before GDAL looks at the file
        if ending == ".shp":
            check_shapefile(path)
        pyogrio.set_gdal_config_options(PLAIN)
        layer = _only_layer(source, name) if layer is None else layer
        known = pyogrio.read_info(source, layer=layer, encoding=encoding, **options)
        if (check := CHECKS.get(known["driver"])) is not None and not ending:
            check(path)
        there = [str(field) for field in known["fields"]]
        columns = columns_to_read(there, file.columns, file.identifier, name)
        with open_arrow(
            source,
            layer=layer,
            columns=columns,
            where=where,
            batch_size=BATCH,
            return_fids=True,
            use_pyarrow=True,
            encoding=encoding,
            **options,
        ) as (about, reader):
            crs = crs_of_features(about["crs"], f"layer {layer!r}", local=file.local)
            check_crs(names, crs)
            yield OpenFile(
                crs=crs,
                key=about["fid_column"] or "OGC_FID",
                geometry=about["geometry_name"] or "wkb_geometry",
                columns=tuple(columns),
                batches=_whole(reader, known["features"], name) if ending == ".fgb" and where is None else reader,
                linear=lambda keys: _linear(source, str(layer), keys),
            )
    except UnicodeDecodeError as error:
        raise FeaturesUnreadable(
            f"{name} is damaged, or its column names are not in the encoding that it states"
        ) from error
    except UnboundLocalError as error:  # pyogrio fails on a CRS that GDAL cannot export
        raise FeaturesUnreadable(f"{name} has a CRS that cannot be read; write it again with its .prj") from error
    except READ_ERRORS as error:
        raise FeaturesUnreadable(
            f"{name} is damaged, or its format is not supported: {_shortened(error, path)}"
        ) from error


def _whole(batches: Iterable[pa.RecordBatch], told: int, name: str) -> Iterator[pa.RecordBatch]:
    """The batches. GDAL reads a truncated file to its end without an error. `told`: the number of features in the
    file's header. Raises FeaturesUnreadable after the last batch if some are missing."""
    count = 0
    for batch in batches:
        count += batch.num_rows
        yield batch
    if count < told:
        raise FeaturesUnreadable(
            f"{name} is cut short: it has {count} of the {told} features that its header states; upload it again"
        )


def _only_layer(source: str, name: str) -> str:
    layers = [str(layer) for layer, kind in pyogrio.list_layers(source) if kind is not None]
    if not layers:
        raise FeaturesUnreadable(f"{name} has no layer with geometries.")
    if len(layers) > 1:
        raise FeaturesUnreadable(f"{name} has {len(layers)} layers ({', '.join(layers[:20])}); keep exactly one.")
    return layers[0]


def _shortened(error: Exception, path: Path) -> str:
    """GDAL's message without the name of the file's folder."""
    return str(error).replace(f"{path.parent}/", "")[:200] or type(error).__name__


def _linear(source: str, layer: str, keys: Sequence[int]) -> dict[int, bytes]:
    """Primary key → WKB with curves as straight segments: GDAL makes these when it reads features, not when it reads
    columns."""
    try:
        _, found, wkb, _ = read_raw(source, layer=layer, fids=list(keys), columns=[], return_fids=True)
    except (*READ_ERRORS, ValueError):
        alone = [_linear(source, layer, [key]) for key in keys] if len(keys) > 1 else []
        return {key: one for found in alone for key, one in found.items()}
    return {int(key): one for key, one in zip(found, wkb, strict=True) if one is not None}
