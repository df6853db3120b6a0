"""CRS: the coordinate reference systems that features may use (sentinelhub.md 2.1)."""

from __future__ import annotations

import numpy as np
from pyproj import CRS, Proj
from pyproj.exceptions import ProjError

SUPPORTED_CODES = frozenset(
    (
        4326, 3857, *range(32601, 32661), *range(32701, 32761), 2154, 2180, 2193, 3003, 3004, 3005, 3006, 3031, 3035,
        3161, 3346, 3413, 3416, 3578, 3580, 3765, 3794, 3844, 3912, 3995, 4026, 5514, 28992, 32184,
    )
)  # fmt: skip
"""EPSG codes that the real service accepts. It also accepts OGC:CRS84, which is 4326 with longitude first
(sentinelhub.md 2.1)."""


_POINTS = 5
"""Points per side of the grid over the area of use at which two CRS are compared."""
_NEAR = 1e-3
"""Maximum difference between the coordinates of two equal CRS, in units of the CRS."""


def code(crs: CRS) -> int | None:
    """The EPSG code of a supported CRS, 4326 for OGC:CRS84; None if the CRS is not supported.

    A GeoPackage often stores only WKT without an authority, with unusual names, or with swapped axes. PROJ then
    suggests a similar EPSG entry, which is accepted if it gives the same coordinates.
    """
    if crs.to_authority() == ("OGC", "CRS84"):
        return 4326
    number = crs.to_epsg()
    if number in SUPPORTED_CODES:
        return number
    near = crs.to_epsg(min_confidence=20)
    if near is not None and near in SUPPORTED_CODES and _same(crs, near):
        return near
    if _nameless(crs):
        return next((each for each in sorted(SUPPORTED_CODES) if _same(crs, each)), None)
    return None


def _nameless(crs: CRS) -> bool:
    """Whether the CRS has an ellipsoid but no named datum, as CRS from proj4 text do."""
    return crs.datum is None or crs.datum.name.lower().startswith("unknown")


def _same(crs: CRS, number: int) -> bool:
    """Whether a geographic CRS equals the EPSG entry, or a projected one has the same ellipsoid and gives the same x
    and y everywhere in the entry's area of use. Axis order is ignored, since x always comes first."""
    other = CRS.from_epsg(number)
    if crs.is_geographic:
        return bool(crs.equals(other, ignore_axis_order=True))
    if not (crs.is_projected and other.is_projected and _ellipsoid(crs) == _ellipsoid(other)):
        return False
    area = other.area_of_use
    west, south, east, north = (-180.0, -80.0, 180.0, 80.0) if area is None else area.bounds
    longitude, latitude = np.meshgrid(np.linspace(west, east, _POINTS), np.linspace(south, north, _POINTS))
    try:
        one, two = (np.array(Proj(each)(longitude, latitude)) for each in (crs, other))
    except ProjError:
        return False
    both = np.isfinite(one) & np.isfinite(two)
    return bool(both.any() and (np.isfinite(one) == np.isfinite(two)).all() and np.abs(one - two)[both].max() < _NEAR)


def _ellipsoid(crs: CRS) -> tuple[float, float] | None:
    found = crs.ellipsoid
    return None if found is None else (round(found.semi_major_metre, 3), round(found.inverse_flattening, 6))
