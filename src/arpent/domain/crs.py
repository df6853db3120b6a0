"""Reference systems: which coordinate reference systems features may come in (sentinelhub.md 2.1)."""

from __future__ import annotations

from pyproj import CRS

SUPPORTED_CODES = frozenset(
    (
        4326, 3857, *range(32601, 32661), *range(32701, 32761), 2154, 2180, 2193, 3003, 3004, 3005, 3006, 3031, 3035,
        3161, 3346, 3413, 3416, 3578, 3580, 3765, 3794, 3844, 3912, 3995, 4026, 5514, 28992, 32184,
    )
)  # fmt: skip
"""EPSG codes the real service takes; OGC:CRS84 (4326 with longitude first) beside them (sentinelhub.md 2.1)."""


def code(crs: CRS) -> int | None:
    """The EPSG code of a supported CRS, 4326 for OGC:CRS84; None if the CRS is not supported.

    A GeoPackage often stores only WKT, without an authority or with odd names: PROJ then looks for the one
    EPSG entry that says the same.
    """
    if crs.to_authority() == ("OGC", "CRS84"):
        return 4326
    number = crs.to_epsg()
    return number if number in SUPPORTED_CODES else None
