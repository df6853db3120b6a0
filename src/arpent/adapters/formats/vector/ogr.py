"""What GDAL reads of vector files: one layer of a file, as Arrow columns.

GDAL tells a format by a file's content, and some formats name other files. So the content must begin as the ending
says, and GeoJSON, which begins as others do, is opened by the name of its driver.
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
"""Ending → how the content begins, blanks and a byte-order mark before it left out."""
NAMES = {".fgb": "FlatGeobuf file", ".shp": "Shapefile", ".geojson": "GeoJSON file", ".gpkg": "GeoPackage"}
PLAIN = {"OGR_FLATGEOBUF_STREAM_BASE_IMPL": "YES"}
"""GDAL 3.12's own way from FlatGeobuf to Arrow gives wrong offsets where a geometry is null; the common way none."""
CHECKS = {
    "GeoJSONSeq": check_sequence, "GeoJSON": check_single,
    **dict.fromkeys(("GML", "KML", "LIBKML", "GPX", "GeoRSS", "GMLAS", "NAS"), check_xml),
}  # fmt: skip
"""Of files that GDAL names the driver of: whether it reads them whole."""
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
    """The one layer with geometries. `ending`: what the file is, `.geojson`, or "" for whatever GDAL makes of it.
    Raises FeaturesUnreadable."""
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
    except UnboundLocalError as error:  # pyogrio stumbles over a CRS that GDAL cannot write down
        raise FeaturesUnreadable(f"{name} has a CRS that cannot be read; write it again with its .prj") from error
    except READ_ERRORS as error:
        raise FeaturesUnreadable(
            f"{name} is damaged, or its format is not supported: {_shortened(error, path)}"
        ) from error


def _whole(batches: Iterable[pa.RecordBatch], told: int, name: str) -> Iterator[pa.RecordBatch]:
    """The batches. GDAL reads a file that is cut short up to its end and says nothing; `told`: the features that the
    file's header counts. Raises FeaturesUnreadable after the last if some are missing."""
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
    """What GDAL said, without the name of our temporary folder."""
    return str(error).replace(f"{path.parent}/", "")[:200] or type(error).__name__


def _linear(source: str, layer: str, keys: Sequence[int]) -> dict[int, bytes]:
    """GDAL's way to read features one by one makes straight pieces of curves; the one by columns does not."""
    try:
        _, found, wkb, _ = read_raw(source, layer=layer, fids=list(keys), columns=[], return_fids=True)
    except (*READ_ERRORS, ValueError):
        alone = [_linear(source, layer, [key]) for key in keys] if len(keys) > 1 else []
        return {key: one for found in alone for key, one in found.items()}
    return {int(key): one for key, one in zip(found, wkb, strict=True) if one is not None}
