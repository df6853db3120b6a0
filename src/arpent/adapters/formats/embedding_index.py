"""Embedding index: converts rows of AlphaEarth's index of files (CSV or Parquet) to STAC items; a folder of these is a
catalogue."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from arpent.domain.errors import InvalidRequest

COLUMNS = ("path", "year", "wgs84_west", "wgs84_south", "wgs84_east", "wgs84_north")
"""Columns that are read."""
COLLECTION = "alphaearth"
MIRROR = ("s3://us-west-2.opendata.source.coop/", "https://data.source.coop/")
"""The bucket in the index's paths, and the server that offers the same files to everyone, without keys."""
ROWS = 10_000
"""Rows of a Parquet file that are in memory at once."""
Box = tuple[float, float, float, float]


def items_of_index(path: Path, box: Box | None, years: frozenset[int]) -> Iterator[dict[str, Any]]:
    """STAC items of the rows that intersect the box (west, south, east, north in degrees; None: all) in one of the
    years (empty: all). Reads the file as a stream. Raises InvalidRequest, naming file and row."""
    for number, row in enumerate(_rows(path), 1):
        try:
            bounds = tuple(float(row[name]) for name in COLUMNS[2:])
            year, href = int(row["year"]), str(row["path"])
        except (TypeError, ValueError):
            raise InvalidRequest(f"{path}: row {number} has no numbers in {', '.join(COLUMNS[1:])}") from None
        if not all(map(math.isfinite, bounds)):
            raise InvalidRequest(f"{path}: row {number} has bounds that are not numbers")
        if (not years or year in years) and (box is None or _meet(bounds, box)):
            yield _item(href, year, bounds, str(row.get("utm_zone") or ""))


def _rows(path: Path) -> Iterator[Mapping[str, Any]]:
    """Rows as mappings from the name of a column to its value. Raises InvalidRequest."""
    try:
        with path.open("rb") as file:
            columnar = file.read(4) == b"PAR1"
        yield from _parquet_rows(path) if columnar else _csv_rows(path)
    except (OSError, ValueError, csv.Error, pa.ArrowException) as error:
        reason = getattr(error, "strerror", None) or "it is neither a CSV nor a Parquet file"
        raise InvalidRequest(f"{path} cannot be read: {reason}") from None


def _parquet_rows(path: Path) -> Iterator[Mapping[str, Any]]:
    with pq.ParquetFile(path) as file:
        _check(path, file.schema_arrow.names)
        names = [name for name in (*COLUMNS, "utm_zone") if name in file.schema_arrow.names]
        for batch in file.iter_batches(batch_size=ROWS, columns=names):
            yield from batch.to_pylist()


def _csv_rows(path: Path) -> Iterator[Mapping[str, Any]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        _check(path, rows.fieldnames or ())
        yield from rows


def _check(path: Path, names: Any) -> None:
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise InvalidRequest(f"{path} lacks the columns {', '.join(missing)} of AlphaEarth's index (aef_index)")


def _meet(bounds: tuple[float, ...], box: Box) -> bool:
    west, south, east, north = bounds
    return west <= box[2] and east >= box[0] and south <= box[3] and north >= box[1]


def _item(href: str, year: int, bounds: tuple[float, ...], zone: str) -> dict[str, Any]:
    west, south, east, north = bounds
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {
        "type": "Feature", "stac_version": "1.0.0", "collection": COLLECTION, "links": [],
        "id": "-".join(part for part in ("aef", str(year), zone, PurePosixPath(href).stem) if part),
        "geometry": {"type": "Polygon", "coordinates": [ring]}, "bbox": list(bounds),
        "properties": {
            "datetime": None,
            "start_datetime": f"{year:04}-01-01T00:00:00Z", "end_datetime": f"{year:04}-12-31T23:59:59Z",
        },
        "assets": {"embedding": {"href": href.replace(*MIRROR)}},
    }  # fmt: skip
