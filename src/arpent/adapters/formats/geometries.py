"""Geometries: WKB → shapely; curves become straight segments, and unreadable geometries get a reason in words."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray
from pyproj import CRS

from arpent.adapters.formats.plain_polygons import PlainPolygons, WkbColumn, as_binary
from arpent.adapters.formats.wkb import flaws_of
from arpent.domain.boundary.outlines import valid_outlines
from arpent.domain.feature import Features

Linear = Callable[[Sequence[int]], Mapping[int, bytes]]
"""Primary keys → WKB of those features with curves as straight segments, as GDAL makes them; unreadable ones are
missing."""

SURFACES = {15: "POLYHEDRALSURFACE", 16: "TIN", 17: "TRIANGLE"}
"""WKB type → name, for types that have an area in space but not on the map."""
CURVES = {8: "CIRCULARSTRING", 9: "COMPOUNDCURVE", 10: "CURVEPOLYGON", 11: "MULTICURVE", 12: "MULTISURFACE"}
COLLECTION = 7
"""shapely's number of the type GeometryCollection."""
NO_SURFACE = "The geometry is a {name}, which has no area to sum over; write it as a Polygon or MultiPolygon."
NO_CURVE = "The geometry is a curve ({name}) that GDAL cannot convert to straight segments; write it as a Polygon."
BROKEN = "The geometry cannot be read: {reason}. Write the feature again."
REASONS = (
    ("closed linestring", "one of its rings is not closed"),
    ("Invalid number of points in LinearRing", "one of its rings has fewer than four points"),
    ("point array must contain 0 or >1", "one of its lines has a single point"),
    ("EOF", "its bytes end too soon"),
    ("smaller than requested", "its bytes end too soon"),
    ("Unknown WKB type", "its bytes name an unknown type of geometry"),
)
"""Part of GEOS's message → our message."""
OTHERWISE = "its bytes are not a geometry"
_POLYGON, _MULTIPOLYGON = struct.pack("<BI", 1, 3), struct.pack("<BI", 1, 6)
"""First bytes of their WKB if it is little-endian and two-dimensional."""
_HEAD = np.dtype([("start", "V5"), ("parts", "<u4"), ("inner", "V5"), ("rings", "<u4")])
"""Layout of the first bytes of a MultiPolygon's WKB; in a Polygon's, `parts` is the number of rings."""
NO_BLOB = BROKEN.format(reason="its bytes are not a geometry of a GeoPackage")


def features_of_column(
    crs: CRS,
    ids: NDArray[np.int64],
    identifiers: tuple[str | None, ...],
    column: pa.Array,
    linear: Linear,
    broken: Callable[[Sequence[int]], Mapping[int, str]] = lambda missing: {},
) -> Features:
    """The features whose geometries are in a column of WKB; a geometry that cannot be read is None, with its reason in
    `flaws`. If all are plain polygons, as they mostly are, none is parsed. `broken`: primary keys of features that
    appear to have no geometry → why, for those whose stored geometry cannot be read."""
    column = as_binary(column)
    column.validate(full=True)  # wrong lengths, as some driver gives them, would point beyond the buffer
    stored = WkbColumn(column=column)
    plain = stored.plain(checked=True)
    if not len(plain.kinds) or not plain.kinds.all():
        geometries, flaws, wkb = _read(ids, stored, plain, linear)
        flaws = {**broken(ids[shapely.is_missing(geometries)].tolist()), **flaws}
        return Features(crs=crs, ids=ids, identifiers=identifiers, geometries=geometries, flaws=flaws, wkb=wkb)
    wkb, valid = np.array(column.to_numpy(zero_copy_only=False), np.object_), plain.simple
    doubtful = np.flatnonzero(~valid)
    valid[doubtful] = valid_outlines(np.asarray(shapely.from_wkb(wkb[doubtful]), np.object_))
    return Features(crs=crs, ids=ids, identifiers=identifiers, valid=valid, wkb=wkb, measures=plain.measures)


def read_column(
    ids: NDArray[np.int64], column: pa.Array, linear: Linear
) -> tuple[NDArray[np.object_], dict[int, str], NDArray[np.object_]]:
    """(n,): the geometries of a column of WKB, two-dimensional, None where there is none; primary key (n,) → why one is
    None although there are bytes; and (n,): the geometries as ISO WKB."""
    column = as_binary(column)
    column.validate(full=True)
    stored = WkbColumn(column=column)
    return _read(ids, stored, stored.plain(), linear)


def _read(
    ids: NDArray[np.int64], stored: WkbColumn, known: PlainPolygons, linear: Linear
) -> tuple[NDArray[np.object_], dict[int, str], NDArray[np.object_]]:
    plain = known.kinds > 0
    wkb = np.array(stored.column.to_numpy(zero_copy_only=False), np.object_)
    refused = flaws_of(ids, wkb, stored.sizes, plain)
    wkb[np.isin(ids, list(refused))] = None
    geometries, flaws = geometries_of(ids.tolist(), wkb, linear)
    rest = np.flatnonzero(~plain)
    iso = wkb.copy()
    iso[rest] = iso_wkb(wkb[rest], geometries[rest])
    return geometries, flaws | refused, iso


def geometries_of(
    ids: Sequence[int], wkb: NDArray[np.object_], linear: Linear
) -> tuple[NDArray[np.object_], dict[int, str]]:
    """(n,): two-dimensional geometries, None where there is none; and primary key → why it is None although there is
    WKB."""
    geometries, curved = _parsed(wkb)
    keys = [int(key) for key in ids]
    flaws: dict[int, str] = {}
    if curved:
        straight = linear([keys[row] for row in curved])
        for row in curved:
            parsed = _one(straight.get(keys[row]))
            geometries[row] = parsed
            if parsed is None:
                flaws[keys[row]] = NO_CURVE.format(name=CURVES.get(_kind(wkb[row]), "part of a collection"))
    geometries = _flat(geometries)
    for row in np.flatnonzero(shapely.is_missing(geometries)).tolist():
        if wkb[row] is not None and keys[row] not in flaws:
            flaws[keys[row]] = why(wkb[row])
    return geometries, flaws


def iso_wkb(wkb: NDArray[np.object_], geometries: NDArray[np.object_]) -> NDArray[np.object_]:
    """(n,): ISO WKB of two-dimensional geometries that were read from `wkb` (n,), the same bytes as shapely writes.
    Bytes in that form already, as polygons in files mostly are, are kept, since writing takes as long as parsing."""
    sizes = np.fromiter((0 if one is None else len(one) for one in wkb), np.int64, len(wkb))
    rows = np.flatnonzero((sizes >= _HEAD.itemsize) & (shapely.get_type_id(geometries) != -1))
    heads = np.frombuffer(b"".join([one[: _HEAD.itemsize] for one in wkb[rows]]), _HEAD)
    single = heads["start"] == np.void(_POLYGON)
    alone = (heads["start"] == np.void(_MULTIPOLYGON)) & (heads["parts"] == 1) & (heads["inner"] == np.void(_POLYGON))
    rings = np.where(single, heads["parts"], heads["rings"]).astype(np.int64)
    whole = np.where(single, 9, 18) + 4 * rings + 16 * shapely.get_num_coordinates(geometries[rows])
    rows = rows[(single | alone) & (whole == sizes[rows])]
    written = np.ones(len(wkb), np.bool_)
    written[rows] = False
    found = wkb.copy()
    found[written] = shapely.to_wkb(geometries[written], flavor="iso")
    return found


def _flat(geometries: NDArray[np.object_]) -> NDArray[np.object_]:
    """(n,): the geometries in two dimensions; None for a collection that holds curves. Those that are flat already are
    kept: to recreate all would take as long as parsing them."""
    has_m = getattr(shapely, "has_m", shapely.has_z)  # shapely 2.0 does not have it
    solid = shapely.has_z(geometries) | has_m(geometries) | (shapely.get_type_id(geometries) == COLLECTION)
    rows = np.flatnonzero(solid)
    geometries[rows] = shapely.force_2d(geometries[rows])
    return geometries


def why(wkb: bytes) -> str:
    """Why shapely cannot read this WKB, in words."""
    kind = _kind(wkb)
    if kind in SURFACES:
        return NO_SURFACE.format(name=SURFACES[kind])
    try:
        shapely.from_wkb(wkb)
    except Exception as error:  # shapely passes on many kinds of GEOS errors
        text = str(error)
        return BROKEN.format(reason=next((reason for part, reason in REASONS if part in text), OTHERWISE))
    return NO_CURVE.format(name="part of a collection")


def _parsed(wkb: NDArray[np.object_]) -> tuple[NDArray[np.object_], list[int]]:
    """(n,): geometries, and the rows that hold curves; shapely fails on all rows if one holds a curve."""
    try:
        return np.array(shapely.from_wkb(wkb, on_invalid="ignore"), np.object_), []
    except NotImplementedError:
        geometries, curved = np.full(len(wkb), None, np.object_), []
    for row, one in enumerate(wkb):
        try:
            geometries[row] = None if one is None else shapely.from_wkb(one, on_invalid="ignore")
        except NotImplementedError:
            curved.append(row)
    return geometries, curved


def _one(wkb: bytes | None) -> shapely.Geometry | None:
    try:
        return None if wkb is None else shapely.from_wkb(wkb, on_invalid="ignore")
    except NotImplementedError:
        return None


def _kind(wkb: bytes) -> int:
    """The WKB type without dimensions; 0 if the bytes are too short."""
    if len(wkb) < 5:
        return 0
    code: int = struct.unpack_from("<I" if wkb[0] else ">I", wkb, 1)[0]
    return (code & 0x0FFFFFFF) % 1000
