"""Bounds: `input.bounds` of the synchronous request → Bounds; CRS names, boxes and GeoJSON (sentinelhub.md 2.1)."""

from __future__ import annotations

import math
import re

import shapely
from pyproj import CRS

from arpent.domain.crs import SUPPORTED_CODES
from arpent.domain.errors import InvalidRequest
from arpent.domain.request import Bounds
from arpent.wire.request.schema import BoundsEntry

_CRS84 = re.compile(r"(https?://www\.opengis\.net/def/crs/OGC/[0-9.]+/|OGC:|urn:ogc:def:crs:OGC:[0-9.]*:)?CRS84")
_EPSG = re.compile(
    r"(?:https?://www\.opengis\.net/def/crs/EPSG/[0-9.]+/|EPSG:|urn:ogc:def:crs:EPSG:[0-9.]*:)([0-9]{1,6})"
)
_AT = "input->bounds"

Position = tuple[float, float]


def bounds(entry: BoundsEntry) -> Bounds:
    """The parsed bounds; x (longitude) comes first in every CRS. Raises InvalidRequest."""
    crs = reference_system(entry.properties.crs if entry.properties else None)
    if entry.bbox is None and entry.geometry is None:
        raise InvalidRequest.at(_AT, "needs bbox, geometry or both")
    box = _box(entry.bbox) if entry.bbox is not None else None
    geometry = polygons(entry.geometry) if entry.geometry is not None else None
    if crs.is_geographic:
        _check_latitudes(box, geometry)
    return Bounds(crs=crs, box=box, geometry=geometry)


def reference_system(name: str | None) -> CRS:
    """The CRS named by a URL, a URN or a code (`EPSG:32633`); CRS84 by default. Raises InvalidRequest."""
    if name is None or _CRS84.fullmatch(name):
        return CRS.from_authority("OGC", "CRS84")
    found = _EPSG.fullmatch(name)
    if found is None:
        example = "write http://www.opengis.net/def/crs/EPSG/0/32633"
        raise InvalidRequest.at(f"{_AT}->properties->crs", f"is not the name of a CRS; {example}")
    if int(found[1]) not in SUPPORTED_CODES:
        raise InvalidRequest.at(
            f"{_AT}->properties->crs", f"EPSG:{found[1]} is not supported; use WGS 84 (4326), UTM (32601 …) or 3857"
        )
    return CRS.from_epsg(int(found[1]))


def polygons(geometry: dict[str, object]) -> shapely.Geometry:
    """A GeoJSON Polygon or MultiPolygon with closed rings; further dimensions are dropped. Raises InvalidRequest."""
    kind, coordinates, at = geometry.get("type"), geometry.get("coordinates"), f"{_AT}->geometry->coordinates"
    if kind == "Polygon":
        return _polygon(coordinates, at)
    if kind == "MultiPolygon":
        parts = _items(coordinates, at, "a list of polygons")
        return shapely.MultiPolygon([_polygon(part, f"{at}->{number}") for number, part in enumerate(parts)])
    raise InvalidRequest.at(
        f"{_AT}->geometry->type",
        "must be Polygon or MultiPolygon; of a Feature send its geometry, of a GeometryCollection its polygons",
    )


def _box(numbers: list[int | float]) -> tuple[float, float, float, float]:
    if len(numbers) != 4:
        raise InvalidRequest.at(f"{_AT}->bbox", "needs four numbers: minx, miny, maxx, maxy")
    minx, miny, maxx, maxy = (float(number) for number in numbers)
    if minx >= maxx or miny >= maxy:
        raise InvalidRequest.at(f"{_AT}->bbox", "must be minx, miny, maxx, maxy with minx < maxx and miny < maxy")
    return minx, miny, maxx, maxy


def _polygon(rings: object, at: str) -> shapely.Polygon:
    shell, *holes = (
        _ring(ring, f"{at}->{number}") for number, ring in enumerate(_items(rings, at, "a list of closed rings"))
    )
    polygon = shapely.Polygon(shell, holes)
    minx, miny, maxx, maxy = polygon.bounds
    if minx == maxx or miny == maxy:
        raise InvalidRequest.at(at, "has no area")
    return polygon


def _ring(positions: object, at: str) -> list[Position]:
    ring = [_position(position, f"{at}->{number}") for number, position in enumerate(_items(positions, at, "a ring"))]
    if ring[0] != ring[-1]:
        raise InvalidRequest.at(at, "is not closed: its last position must equal its first")
    if len(ring) < 4:
        raise InvalidRequest.at(at, "needs at least four positions, the last equal to the first")
    return ring


def _position(value: object, at: str) -> Position:
    if isinstance(value, list) and len(value) >= 2 and all(_finite(number) for number in value[:2]):
        return float(value[0]), float(value[1])
    raise InvalidRequest.at(at, "must be a position of two finite numbers, x and y")


def _finite(number: object) -> bool:
    if isinstance(number, bool) or not isinstance(number, int | float):
        return False
    return abs(number) < 1e300 and math.isfinite(number)


def _items(value: object, at: str, what: str) -> list[object]:
    if isinstance(value, list) and value:
        return value
    raise InvalidRequest.at(at, f"must be {what}, and not empty")


def _check_latitudes(box: tuple[float, float, float, float] | None, geometry: shapely.Geometry | None) -> None:
    """Reject coordinates beyond the globe: axes were swapped, or metres were sent without their CRS."""
    extents = {"bbox": box, "geometry": tuple(shapely.bounds(geometry)) if geometry is not None else None}
    for name, extent in extents.items():
        if extent is not None and not (-90 <= extent[1] <= extent[3] <= 90 and -540 <= extent[0] <= extent[2] <= 540):
            raise InvalidRequest.at(
                f"{_AT}->{name}",
                "lies beyond the globe in degrees: longitude comes first, and metres need `properties->crs`",
            )
