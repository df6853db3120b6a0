"""Payload: features as compact bytes and back: columns in an uncompressed .npz, geometries as WKB, no pickle."""

from __future__ import annotations

import json
from io import BytesIO

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS

from arpent.domain.feature import Features


def pack(features: Features) -> bytes:
    """The features as bytes, without loss; missing geometries and identifiers stay missing."""
    crs = np.frombuffer(_crs_text(features.crs).encode(), np.uint8)
    geometry, geometry_ends, geometry_missing = _join(features.as_wkb())
    names = [None if each is None else each.encode() for each in features.identifiers]
    identifier, identifier_ends, identifier_missing = _join(names)
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
        wkb = _cut(columns["geometry"], columns["geometry_ends"], columns["geometry_missing"])
        names = _cut(columns["identifier"], columns["identifier_ends"], columns["identifier_missing"])
        return Features(
            crs=CRS.from_user_input(columns["crs"].tobytes().decode()),
            ids=columns["ids"],
            identifiers=tuple(None if each is None else each.decode() for each in names),
            geometries=np.asarray(shapely.from_wkb(np.array(wkb, np.object_)), np.object_),
            valid=columns.get("valid"),
            flaws=dict(json.loads(columns["flaws"].tobytes())) if "flaws" in columns else {},
            wkb=tuple(wkb),
        )


def _crs_text(crs: CRS) -> str:
    """The authority's code if it identifies the CRS, otherwise WKT."""
    authority = crs.to_authority(min_confidence=100)
    if authority is not None:
        name = ":".join(authority)
        if CRS.from_user_input(name) == crs:
            return name
    return str(crs.to_wkt())


def _join(parts: list[bytes | None]) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.bool_]]:
    """All parts concatenated (uint8), where each ends (n,), and which are missing (n,)."""
    whole = np.frombuffer(b"".join(part or b"" for part in parts), np.uint8)
    ends = np.cumsum([len(part or b"") for part in parts], dtype=np.int64)
    return whole, ends, np.array([part is None for part in parts], np.bool_)


def _cut(whole: NDArray[np.uint8], ends: NDArray[np.int64], missing: NDArray[np.bool_]) -> list[bytes | None]:
    text = whole.tobytes()
    starts = np.concatenate(([0], ends[:-1])) if len(ends) else ends
    return [
        None if gone else text[start:end]
        for start, end, gone in zip(starts.tolist(), ends.tolist(), missing.tolist(), strict=True)
    ]
