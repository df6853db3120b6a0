"""Whole: checks that a file has all of its features. GDAL reads what there is of a partial upload without an error."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from xml.parsers.expat import ExpatError, ParserCreate

import numpy as np
from numpy.typing import NDArray

from arpent.domain.boundary.text import json_whole
from arpent.domain.errors import FeaturesUnreadable

AGAIN = "upload all parts of it again"
HEADER = 100
"""Bytes of the header of .shp and .shx."""
ENTRY = np.dtype([("offset", ">u4"), ("length", ">u4")])
"""Entry of .shx: where a record of .shp begins and how long it is, in units of two bytes."""
SEPARATOR = b"\x1e"
"""What may stand before each record of a GeoJSON sequence (RFC 8142)."""

UNKNOWN_ENCODING = 18
"""Expat's code of an error that does not mean that the file is incomplete."""


def check_shapefile(shape: Path) -> None:
    """Raises FeaturesUnreadable if a part of the Shapefile is cut short, or if its parts do not have the same number of
    records. Records that .dbf marks as deleted are counted, and there may be no .dbf."""
    index, table = _part(shape, ".shx"), _part(shape, ".dbf")
    if index is None:
        raise FeaturesUnreadable("The Shapefile has no .shx next to its .shp; write or upload all parts of it.")
    entries = _entries(index)
    end = _end(shape, int(entries["offset"].max(initial=0)) * 2)
    if _number_at(shape, end) == len(entries) + 1:
        raise FeaturesUnreadable(
            f"The .shp of the Shapefile has more features than the {len(entries)} of its .shx; {AGAIN}."
        )
    rows = None if table is None else _rows(table)
    if rows is not None and rows != len(entries):
        raise FeaturesUnreadable(f"The .dbf of the Shapefile has {rows} records, its .shx {len(entries)}; {AGAIN}.")


def check_sequence(path: Path) -> None:
    """Raises FeaturesUnreadable if a record of a GeoJSON sequence cannot be read: GDAL would skip it, or read a part of
    it."""
    for number, record in enumerate(_records(path), 1):
        try:
            json.loads(record.decode("utf-8-sig", "replace"), parse_int=json_whole)
        except (ValueError, RecursionError):
            raise FeaturesUnreadable(
                f"Record {number} of the GeoJSON sequence is not JSON: fix it; if it is the last, the file is cut short"
            ) from None


def check_single(path: Path) -> None:
    """Raises FeaturesUnreadable if a file that GDAL takes for GeoJSON holds more than one JSON text: a sequence, of
    which it would read the first record only."""
    try:
        json.loads(path.read_text("utf-8-sig", "replace"), parse_int=json_whole)
    except (ValueError, RecursionError):
        raise FeaturesUnreadable(
            "The file is not one GeoJSON text: if it is a sequence, write it without a byte-order mark, and with line "
            "feeds between its records"
        ) from None


def check_xml(path: Path) -> None:
    """Raises FeaturesUnreadable if a file of XML is not well-formed to its end. A file that is not XML (such as an
    archive of it), or has an encoding that only GDAL knows, passes."""
    with path.open("rb") as stream:
        if not stream.read(64).lstrip(b"\xef\xbb\xbf\xff\xfe\0 \t\r\n").startswith(b"<"):
            return
        stream.seek(0)
        try:
            ParserCreate().ParseFile(stream)
        except (ExpatError, ValueError, LookupError) as error:
            if isinstance(error, ExpatError) and error.code != UNKNOWN_ENCODING:
                raise FeaturesUnreadable(
                    f"The file is not complete XML, from line {error.lineno} on: upload it again if it was cut short"
                ) from None


def _part(shape: Path, ending: str) -> Path | None:
    """The part of this ending, in small or capital letters as GDAL finds it."""
    there = (shape.with_suffix(each) for each in (ending, ending.upper()))
    return next((each for each in there if each.exists()), None)


def _entries(index: Path) -> NDArray[np.void]:
    """(n,): the entries of .shx. Its header states its own length. Raises FeaturesUnreadable if it is cut short."""
    with index.open("rb") as stream:
        start = stream.read(HEADER)
    size = struct.unpack_from(">I", start, 24)[0] * 2 if len(start) == HEADER else HEADER
    if index.stat().st_size < size:
        raise _cut(index)
    return np.fromfile(index, ENTRY, offset=HEADER, count=(size - HEADER) // ENTRY.itemsize)


def _end(shape: Path, last: int) -> int:
    """Where the record of .shp that begins at byte `last` ends; `last` is 0 if there are no records. The length in .shx
    is not used: some programs include the record's header in it."""
    if not last:
        return HEADER
    with shape.open("rb") as stream:
        stream.seek(last)
        start = stream.read(8)
    end = last + 8 + struct.unpack(">II", start)[1] * 2 if len(start) == 8 else 0
    if not last < end <= shape.stat().st_size:
        raise _cut(shape)
    return int(end)


def _number_at(shape: Path, place: int) -> int | None:
    """The number of the record of .shp that begins here; None at the end."""
    with shape.open("rb") as stream:
        stream.seek(place)
        found = stream.read(4)
    return int.from_bytes(found, "big") if len(found) == 4 else None


def _rows(table: Path) -> int:
    """The number of records of a .dbf, including those marked as deleted."""
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
    """The records: each is a line, or the text between two separators."""
    with path.open("rb") as stream:
        separated = stream.read(1) == SEPARATOR
        stream.seek(0)
        parts: list[bytes] = []
        for line in stream:
            first, *others = line.split(SEPARATOR) if separated else (b"", line)
            parts.append(first)
            for other in others:
                if record := b"".join(parts).strip():
                    yield record
                parts = [other]
        if record := b"".join(parts).strip():
            yield record
