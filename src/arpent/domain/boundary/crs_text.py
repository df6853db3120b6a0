"""CRS text: the CRS that a text from outside names.

A text is a code, WKT or PROJJSON and nothing else: PROJ takes some texts, such as `+init=` and `+nadgrids=`, for names
of files, and opens them.
"""

from __future__ import annotations

import re

from pyproj import CRS
from pyproj.exceptions import CRSError

LONGEST = 1 << 16
"""Letters of a text, at most."""
_CODE = re.compile(
    r"(?:urn:ogc:def:crs:)?([A-Za-z]{2,10})(?:_\d{4})?:(?:[\d.]{0,10}:)?([A-Za-z]{0,4}\d{1,7})", re.ASCII
)
_WKT = re.compile(r"\s*[A-Za-z_]{4,20}\s*\[")


def crs_of_text(value: object) -> CRS | None:
    """The CRS of `EPSG:32633`, 32633, 32633.0, `urn:ogc:def:crs:OGC:1.3:CRS84`, WKT, or PROJJSON (text or parsed); None
    if it names none."""
    try:
        return _crs(value)
    except (CRSError, ValueError, TypeError, RecursionError, OverflowError):
        return None


def _crs(value: object) -> CRS | None:
    if isinstance(value, int | float) and not isinstance(value, bool):  # tables with gaps have no integers
        return CRS.from_epsg(int(value)) if value == int(value) else None
    if isinstance(value, str) and len(value) <= LONGEST:
        if (code := _CODE.fullmatch(value.strip())) is not None:
            return CRS.from_authority(code[1].upper(), code[2])
        if _WKT.match(value):
            return CRS.from_wkt(value)
        return CRS.from_json(value) if value.lstrip().startswith("{") else None
    return CRS.from_json_dict(value) if isinstance(value, dict) else None
