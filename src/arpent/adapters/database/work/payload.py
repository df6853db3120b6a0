"""Payload: converts features to compact bytes and back: columns in an uncompressed .npz, geometries as WKB, no
pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyproj import CRS

from arpent.domain.boundary.measures import COLUMNS, Measures
from arpent.domain.feature import Features

WKB, TEXT = pa.large_binary(), pa.large_string()
MEASURE = "measure_"
"""Prefix of the columns that hold measures."""


def pack(features: Features, *, measured: bool = False) -> bytes:
    """The features as bytes, without loss; missing geometries and identifiers stay missing. `measured`: include their
    measures, for a process that needs the geometries for nothing else."""
    crs = np.frombuffer(_crs_text(features.crs).encode(), np.uint8)
    geometry, geometry_ends, geometry_missing = _join(features.as_wkb(), WKB)
    identifier, identifier_ends, identifier_missing = _join(features.identifiers, TEXT)
    columns: dict[str, NDArray[np.generic]] = {
        "crs": crs,
        "ids": features.ids,
        "geometry": geometry,
        "geometry_ends": geometry_ends,
        "geometry_missing": geometry_missing,
        "identifier": identifier,
        "identifier_ends": identifier_ends,
        "identifier_missing": identifier_missing,
    }
    if measured:
        columns |= {f"{MEASURE}{name}": getattr(features.measured, name) for name in COLUMNS}
    if features.valid is not None:
        columns["valid"] = features.valid
    if features.flaws:
        columns["flaws"] = np.frombuffer(json.dumps(list(features.flaws.items())).encode(), np.uint8)
    buffer = BytesIO()
    np.savez(buffer, allow_pickle=False, **columns)
    return buffer.getvalue()


def unpack(payload: bytes) -> Features:
    """The features that `pack` packed."""
    with np.load(BytesIO(payload), allow_pickle=False) as columns:
        whole = {name: columns[name] for name in columns.files}
    wkb = _cut(whole, "geometry", WKB)
    names = _cut(whole, "identifier", TEXT)
    measures = {name: whole[f"{MEASURE}{name}"] for name in COLUMNS if f"{MEASURE}{name}" in whole}
    return Features(
        crs=CRS.from_user_input(whole["crs"].tobytes().decode()),
        ids=whole["ids"],
        identifiers=tuple(names.to_pylist()),
        wkb=np.asarray(wkb.to_numpy(zero_copy_only=False), np.object_),
        valid=whole.get("valid"),
        flaws=dict(json.loads(whole["flaws"].tobytes())) if "flaws" in whole else {},
        measures=Measures(**measures) if measures else None,
    )


def _crs_text(crs: CRS) -> str:
    """The authority's code if it identifies the CRS, otherwise WKT."""
    authority = crs.to_authority(min_confidence=100)
    if authority is not None:
        name = ":".join(authority)
        if CRS.from_user_input(name) == crs:
            return name
    return str(crs.to_wkt())


def _join(
    parts: Sequence[str | None] | NDArray[np.object_], kind: pa.DataType
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.bool_]]:
    """All parts concatenated (uint8), where each ends (n,), and which are missing (n,)."""
    column = pa.array(parts, kind)
    valid, offsets, whole = column.buffers()
    missing = np.zeros(len(column), np.bool_)
    if column.null_count:
        missing = ~np.unpackbits(np.frombuffer(valid, np.uint8), count=len(column), bitorder="little").astype(np.bool_)
    text = np.zeros(0, np.uint8) if whole is None else np.frombuffer(whole, np.uint8)
    ends = np.frombuffer(offsets, np.int64)[1 : len(column) + 1]
    return text[: ends[-1] if len(ends) else 0], ends, missing


def _cut(columns: Mapping[str, NDArray[Any]], name: str, kind: pa.DataType) -> pa.Array:
    """The parts that `_join` concatenated. Raises ArrowInvalid if they are damaged."""
    ends, missing = columns[f"{name}_ends"], columns[f"{name}_missing"]
    valid = np.packbits(~missing, bitorder="little")
    buffers = [pa.py_buffer(each) for each in (valid, np.append(np.int64(0), ends), columns[name])]
    column = pa.Array.from_buffers(kind, len(ends), buffers)
    column.validate(full=True)  # wrong ends would point beyond the bytes
    return column
