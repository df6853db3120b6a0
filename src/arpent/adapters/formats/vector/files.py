"""Features files of all formats, by the endings of their names: reads features in batches, or one feature, and writes
the copy that goes with results.

Modules that read them with GDAL are imported when a file is read: they may load pandas, which a process that computes
partitions never needs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from arpent.adapters.formats.vector.archive import MOST_BYTES, unpacked
from arpent.adapters.formats.vector.copy import write_copy
from arpent.adapters.formats.vector.geoparquet import open_geoparquet
from arpent.adapters.formats.vector.open_file import OpenFile, batches_with_ids, features_of
from arpent.domain.errors import FeaturesUnreadable
from arpent.domain.feature import Features
from arpent.domain.location import FeatureFile

ENDINGS = {
    ".gpkg": ".gpkg", ".fgb": ".fgb", ".geojson": ".geojson", ".json": ".geojson", ".shp": ".shp", ".zip": ".zip",
    ".parquet": ".parquet", ".geoparquet": ".parquet",
}  # fmt: skip
"""Ending of a name → the format."""


def load_libraries() -> None:
    """Import the libraries that read files, before the first file is read."""
    from arpent.adapters.formats import geopackage  # noqa: F401
    from arpent.adapters.formats.vector import ogr  # noqa: F401


def format_of(file: FeatureFile) -> str:
    """The format by the name's ending. An unknown ending means a GeoPackage; for a local file, whatever GDAL recognises
    ("")."""
    ending = Path(file.key).suffix.lower()
    return ENDINGS.get(ending, "" if file.local else ".gpkg")


def read_file(path: Path, file: FeatureFile, most_bytes: int = MOST_BYTES) -> Iterator[Features]:
    """The features, in batches. Ids are the primary keys that GDAL reports, for a GeoPackage those of its table; rows
    of Parquet are counted from 0. Identifiers are text, geometries two-dimensional, x (longitude) first; a geometry
    that cannot be read is None, with its reason in `flaws`. `most_bytes`: maximum size of an archive's content. Raises
    FeaturesUnreadable."""
    from arpent.adapters.formats import geopackage

    if format_of(file) == ".gpkg":
        yield from geopackage.read_features(path, file=file)
        return
    empty = True
    with _opened(path, file, most_bytes) as opened:
        for ids, rows in batches_with_ids(opened):
            if len(ids):
                empty = False
                yield features_of(opened, ids, rows, file.identifier)
    if empty:
        raise FeaturesUnreadable("The file has no features.")


def read_one(path: Path, file: FeatureFile, feature: int, most_bytes: int = MOST_BYTES) -> Features | None:
    """The feature with this primary key; None if there is none. Raises FeaturesUnreadable."""
    from arpent.adapters.formats import geopackage

    if format_of(file) == ".gpkg":
        return geopackage.read_feature(path, feature, file=file)
    with _opened(path, replace(file, columns=()), most_bytes) as opened:
        for ids, rows in batches_with_ids(opened):
            (found,) = (ids == feature).nonzero()
            if len(found):
                place = int(found[0])
                return features_of(opened, ids[place : place + 1], rows.slice(place, 1), file.identifier)
    return None


def copy_file(path: Path, file: FeatureFile, target: Path, about: str, most_bytes: int = MOST_BYTES) -> None:
    """Write the features as GeoParquet 1.1. Raises FeaturesUnreadable."""
    with _opened(path, file, most_bytes) as opened:
        write_copy(opened, file, target, about)


@contextmanager
def _opened(path: Path, file: FeatureFile, most_bytes: int) -> Iterator[OpenFile]:
    from arpent.adapters.formats import geopackage
    from arpent.adapters.formats.vector.ogr import check_content, open_ogr

    kind = format_of(file)
    if kind == ".parquet":
        with open_geoparquet(path, file) as opened:
            yield opened
    elif kind == ".zip":
        # Next to a copy that was fetched, so that what a killed process leaves behind is removed together.
        with unpacked(path, most_bytes, None if file.local else path.parent) as shape:
            check_content(shape, ".shp")
            with open_ogr(shape, ".shp", file) as opened:
                yield opened
    else:
        layer = geopackage.only_layer(path, file) if kind == ".gpkg" else None
        check_content(path, kind)
        with open_ogr(path, kind, file, layer=layer) as opened:
            yield opened
