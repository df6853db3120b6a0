"""GeoParquet, 1.0 and 1.1: the primary column's WKB and the other columns, as Arrow gives them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from arpent.adapters.formats.crs import crs_of_features
from arpent.adapters.formats.vector.open_file import BATCH, OpenFile, columns_to_read
from arpent.domain.errors import FeaturesUnreadable
from arpent.domain.location import FeatureFile

NAME = "The Parquet file"
WAY_OUT = "Write it with geopandas: frame.to_parquet('fields.parquet')."
INDEX = "__index_level_"
"""How the columns of a pandas index without a name begin."""


@contextmanager
def open_geoparquet(path: Path, file: FeatureFile) -> Iterator[OpenFile]:
    """The file's rows; the primary key is the row's number, from 0. Raises FeaturesUnreadable."""
    try:
        with pq.ParquetFile(path) as parquet:
            about = _about(parquet)
            name = about.get("primary_column")
            geometry: Mapping[str, Any] = about.get("columns", {}).get(name, {})
            there = list(parquet.schema_arrow.names)
            if name not in there or geometry.get("encoding") != "WKB":
                raise FeaturesUnreadable(f"{NAME} has no primary column of WKB in its `geo` metadata. {WAY_OUT}")
            own = {name, *_covering(geometry), *(each for each in there if each.startswith(INDEX))}
            columns = columns_to_read([each for each in there if each not in own], file.columns, file.identifier, NAME)
            yield OpenFile(
                crs=crs_of_features(_crs_text(geometry), f"column {name!r}", local=file.local),
                key=None,
                geometry=str(name),
                columns=tuple(columns),
                batches=parquet.iter_batches(BATCH, columns=[str(name), *columns]),
            )
    except (pa.ArrowException, OSError, ValueError, AttributeError) as error:
        raise FeaturesUnreadable(f"{NAME} is damaged: {str(error)[:200]}") from error


def _about(parquet: pq.ParquetFile) -> dict[str, Any]:
    text = (parquet.schema_arrow.metadata or {}).get(b"geo")
    about = None if text is None else json.loads(text)
    if not isinstance(about, dict):
        raise FeaturesUnreadable(f"{NAME} is not GeoParquet: it has no `geo` metadata. {WAY_OUT}")
    return about


def _crs_text(geometry: Mapping[str, Any]) -> str | None:
    """Longitude and latitude if nothing is said; null says that nobody knows."""
    if "crs" not in geometry:
        return "OGC:CRS84"
    crs = geometry["crs"]
    return None if crs is None else json.dumps(crs)


def _covering(geometry: Mapping[str, Any]) -> set[str]:
    """Columns of boxes, which follow from the geometries."""
    boxes = geometry.get("covering", {}).get("bbox", {})
    return {str(path[0]) for path in boxes.values() if path}
