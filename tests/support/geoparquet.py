"""Writing stac-geoparquet as its specification has it, odd items included: those that other writers refuse."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import shapely

TIMES = ("datetime", "start_datetime", "end_datetime", "created", "updated")
Document = dict[str, Any]


def write_geoparquet(path: Path, items: Sequence[Document], *, rows: int = 1000) -> None:
    """`rows`: of a row group. What has no place in a column is left empty."""
    path.parent.mkdir(parents=True, exist_ok=True)
    found = [_row(item) for item in items]
    names = list(dict.fromkeys(("id", "geometry", "assets", *(name for row in found for name in row))))
    columns = {name: _column(name, [row.get(name) for row in found]) for name in names}
    pq.write_table(pa.table(columns), path, row_group_size=rows)


def _row(item: Document) -> Document:
    own = item.get("properties")
    row: Document = {**(own if isinstance(own, dict) else {}), **item}
    row.pop("properties", None)
    row["geometry"] = _wkb(item.get("geometry"))
    sides = item.get("bbox")
    row["bbox"] = dict(zip(("xmin", "ymin", "xmax", "ymax"), map(float, sides), strict=True)) if sides else None
    return row


def _wkb(geometry: object) -> bytes | None:
    try:
        return bytes(shapely.to_wkb(shapely.from_geojson(orjson.dumps(geometry))))
    except (shapely.errors.ShapelyError, TypeError):
        return None


def _column(name: str, values: list[object]) -> pa.Array:
    if name == "geometry":
        return pa.array(values, pa.binary())
    if name in TIMES:
        try:
            instants = [datetime.fromisoformat(str(value)).astimezone(UTC) if value else None for value in values]
            return pa.array(instants, pa.timestamp("us", "UTC"))
        except (ValueError, OverflowError):  # some writers leave times as text
            return pa.array([_text(value) for value in values], pa.string())
    try:
        return pa.array([value if value not in ({}, []) else None for value in values])
    except (pa.ArrowException, OverflowError, UnicodeError, TypeError):
        return pa.array([_text(value) for value in values], pa.string())


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value.isprintable() else None
