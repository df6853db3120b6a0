"""Whole: whether a file has all of its features. GDAL reads what it finds of a half upload, and says nothing."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from arpent.domain.errors import FeaturesUnreadable

AGAIN = "upload all parts of it again"
HEADER = 100
"""Bytes of the header of .shp and .shx."""
ENTRY = np.dtype([("offset", ">u4"), ("length", ">u4")])
"""Of .shx: where a record of .shp begins and how long it is after its own header, in units of two bytes."""
SEPARATOR = b"\x1e"
"""What may stand before each record of a GeoJSON sequence (RFC 8142)."""


def check_shapefile(shape: Path) -> None:
    """Raises FeaturesUnreadable if a part of the Shapefile is shorter than its header says, or if its parts do not tell
    the same number of features. Records that .dbf marks as deleted are none of ours, and there may be no .dbf."""
    index, table = _part(shape, ".shx"), _part(shape, ".dbf")
    if index is None:
        raise FeaturesUnreadable("The Shapefile has no .shx beside its .shp; write or upload all parts of it.")
    size = _check_length(shape)
    _check_length(index)
    entries = np.fromfile(index, ENTRY, offset=HEADER, count=(_told(index) - HEADER) // ENTRY.itemsize)
    ends = (entries["offset"].astype(np.int64) + entries["length"] + 4) * 2
    end = int(ends.max(initial=HEADER))
    if end > size:
        raise FeaturesUnreadable(f"The .shx of the Shapefile leads beyond the end of its .shp; {AGAIN}.")
    if _number_at(shape, end) == len(entries) + 1:
        raise FeaturesUnreadable(
            f"The .shp of the Shapefile has more features than the {len(entries)} of its .shx; {AGAIN}."
        )
    rows = None if table is None else _rows(table)
    if rows is not None and rows != len(entries):
        raise FeaturesUnreadable(f"The .dbf of the Shapefile has {rows} records, its .shx {len(entries)}; {AGAIN}.")


def check_sequence(path: Path) -> None:
    """Raises FeaturesUnreadable if a record of a GeoJSON sequence cannot be read: GDAL passes over it, or takes what
    there is of it."""
    for number, record in enumerate(_records(path), 1):
        try:
            json.loads(record.decode("utf-8-sig", "replace"))
        except (ValueError, RecursionError):
            raise FeaturesUnreadable(
                f"Record {number} of the GeoJSON sequence cannot be read; if it is the last, the file is cut short"
            ) from None


def _part(shape: Path, ending: str) -> Path | None:
    """The part of this ending, in small or capital letters as GDAL finds it."""
    there = (shape.with_suffix(each) for each in (ending, ending.upper()))
    return next((each for each in there if each.exists()), None)


def _told(part: Path) -> int:
    """The length in bytes that the header of a .shp or .shx tells."""
    with part.open("rb") as stream:
        start = stream.read(HEADER)
    if len(start) < HEADER:
        raise _cut(part)
    return int(struct.unpack_from(">I", start, 24)[0]) * 2


def _check_length(part: Path) -> int:
    """The length of a .shp or .shx."""
    size = part.stat().st_size
    if size < _told(part):
        raise _cut(part)
    return size


def _number_at(shape: Path, place: int) -> int | None:
    """The number of the record of .shp that begins here; None at the end."""
    with shape.open("rb") as stream:
        stream.seek(place)
        found = stream.read(4)
    return int.from_bytes(found, "big") if len(found) == 4 else None


def _rows(table: Path) -> int:
    """The records of a .dbf, those that are marked as deleted counted."""
    with table.open("rb") as stream:
        start = stream.read(32)
    if len(start) < 32:
        raise _cut(table)
    rows, header, length = struct.unpack_from("<IHH", start, 4)
    if table.stat().st_size < header + rows * length:
        raise _cut(table)
    return int(rows)


def _cut(part: Path) -> FeaturesUnreadable:
    return FeaturesUnreadable(f"The {part.suffix.lower()} of the Shapefile is cut short; {AGAIN}.")


def _records(path: Path) -> Iterator[bytes]:
    """The records: each is a line, or what stands between separators."""
    with path.open("rb") as stream:
        separated = stream.read(1) == SEPARATOR
        stream.seek(0)
        gathered = b""
        for line in stream:
            if not separated or line.startswith(SEPARATOR):
                if gathered:
                    yield gathered
                gathered = b""
            gathered += line.strip(SEPARATOR + b" \t\r\n")
        if gathered:
            yield gathered
