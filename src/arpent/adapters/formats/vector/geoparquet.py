"""GeoParquet 1.0 and 1.1: reads the WKB of the primary column, and the other columns, with Arrow."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from arpent.adapters.formats.crs import crs_of_features
from arpent.adapters.formats.vector.open_file import BATCH, TEXTS, OpenFile, columns_to_read
from arpent.domain.errors import FeaturesUnreadable
from arpent.domain.location import FeatureFile

NAME = "The Parquet file"
WAY_OUT = "Write it with geopandas: frame.to_parquet('fields.parquet')."
INDEX = "__index_level_"
"""Prefix of the columns of an unnamed pandas index."""


@contextmanager
def open_geoparquet(path: Path, file: FeatureFile) -> Iterator[OpenFile]:
    """The file's rows; the primary key is the row's number, from 0. Raises FeaturesUnreadable."""
    try:
        with pq.ParquetFile(path) as parquet:
            there = list(parquet.schema_arrow.names)
            if twice := sorted(
                {each for each in there if there.count(each) > 1} if len(set(there)) < len(there) else ()
            ):
                raise FeaturesUnreadable(f"{NAME} has two columns {twice[0]!r:.80}; keep one.")
            name, crs, covering = _about(parquet, there)
            kind = parquet.schema_arrow.field(name).type
            if not any(is_kind(kind) for is_kind in TEXTS):
                raise FeaturesUnreadable(f"The column {name!r:.80} is {kind!s:.80}, not WKB. {WAY_OUT}")
            own = {name, *covering, *(each for each in there if each.startswith(INDEX))}
            columns = columns_to_read([each for each in there if each not in own], file.columns, file.identifier, NAME)
            yield OpenFile(
                crs=crs_of_features(crs, f"column {name!r}", local=file.local),
                key=None,
                geometry=name,
                columns=tuple(columns),
                batches=parquet.iter_batches(BATCH, columns=[name, *columns]),
            )
    except (pa.ArrowException, OSError, ValueError) as error:
        raise FeaturesUnreadable(f"{NAME} is damaged: {str(error)[:200]}") from error


def _about(parquet: pq.ParquetFile, there: Sequence[str]) -> tuple[str, str | None, set[str]]:
    """The primary column, its CRS, and the columns of boxes: from metadata that may contain anything. Raises
    FeaturesUnreadable."""
    text = (parquet.schema_arrow.metadata or {}).get(b"geo")
    if text is None:
        raise FeaturesUnreadable(f"{NAME} is not GeoParquet: it has no `geo` metadata. {WAY_OUT}")
    try:
        about: Any = json.loads(text)
        name = about.get("primary_column")
        geometry: Mapping[str, Any] = about.get("columns", {}).get(name, {})
        encoding, crs, covering = geometry.get("encoding"), _crs_text(geometry), _covering(geometry)
    except (ValueError, TypeError, AttributeError, LookupError, RecursionError):
        raise FeaturesUnreadable(f"The `geo` metadata of the Parquet file cannot be read. {WAY_OUT}") from None
    if not isinstance(name, str) or name not in there or encoding != "WKB":
        raise FeaturesUnreadable(f"{NAME} has no primary column of WKB in its `geo` metadata. {WAY_OUT}")
    return name, crs, covering


def _crs_text(geometry: Mapping[str, Any]) -> str | None:
    """The CRS as text: longitude and latitude if the entry is missing; None if it is null, which means unknown."""
    if "crs" not in geometry:
        return "OGC:CRS84"
    crs = geometry["crs"]
    return None if crs is None else json.dumps(crs)


def _covering(geometry: Mapping[str, Any]) -> set[str]:
    """Columns of bounding boxes, which are not read, since they follow from the geometries."""
    boxes = geometry.get("covering", {}).get("bbox", {})
    return {str(path[0]) for path in boxes.values() if path}
