"""CRS text: the CRS that a text from outside names.

A text is a code, WKT or PROJJSON, and names no file elsewhere: PROJ takes some texts, such as `+init=`, `+nadgrids=`
and the PARAMETERFILE of WKT, for names of files, and opens them, be they pipes or devices, when coordinates are
transformed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from pyproj import CRS
from pyproj.exceptions import CRSError

LONGEST = 1 << 16
"""Letters of a text, at most."""
_CODE = re.compile(
    r"(?:urn:ogc:def:crs:)?([A-Za-z]{2,10})(?:_\d{4})?:(?:[\d.]{0,10}:)?([A-Za-z]{0,4}\d{1,7})", re.ASCII
)
_WKT = re.compile(r"\s*[A-Za-z_]{4,20}\s*\[")
_GIVEN = re.compile(r"(?:grids|file|model|catalog|init)[\s;]*=[\s;]*((?:[^\s;,]|[\s;]*,[\s;]*)*)", re.IGNORECASE)
"""What parameters of PROJ that are files are given as, in a text of PROJ that stands in a CRS; to PROJ `;` is a space,
and spaces round commas are none."""
_OWN_FILES = re.compile(r"@?\w[\w-]*(?:\.\w[\w-]*)*(?:,@?\w[\w-]*(?:\.\w[\w-]*)*)*", re.ASCII)
"""Files of PROJ itself: names without a folder, which it looks for in its own folders only."""


def crs_of_text(value: object) -> CRS | None:
    """The CRS of `EPSG:32633`, 32633, 32633.0, `urn:ogc:def:crs:OGC:1.3:CRS84`, WKT, or PROJJSON (text or parsed); None
    if it names none, or one for which PROJ would open files elsewhere."""
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
            return _without_files(CRS.from_wkt(value))
        return _without_files(CRS.from_json(value)) if value.lstrip().startswith("{") else None
    return _without_files(CRS.from_json_dict(value)) if isinstance(value, dict) else None


def _without_files(crs: CRS) -> CRS | None:
    """The CRS; None if it names files that are not PROJ's own. PROJ's own PROJJSON of it tells all that it knows of it,
    in one spelling, whatever text it came from."""
    return None if any(_is_elsewhere(*pair) for pair in _texts(crs.to_json_dict())) else crs


def _texts(value: object, name: str = "") -> Iterator[tuple[str, str]]:
    """(name of its field, text) of each text in a PROJJSON object."""
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner, name)


def _is_elsewhere(name: str, text: str) -> bool:
    """Whether a text names a file elsewhere; a value that is a text is the name of a file."""
    named = [text] if name == "value" else [re.sub(r"[\s;]", "", given) for given in _GIVEN.findall(text)]
    return not all(_OWN_FILES.fullmatch(one) for one in named)
