"""CRS text: parses the CRS that a text from outside describes.

A text may be a code, WKT or PROJJSON, and must not name files outside PROJ's own folders: PROJ treats parts of some
texts, such as `+init=`, `+nadgrids=` and the PARAMETERFILE of WKT, as file names, and opens these files, even pipes and
devices, when coordinates are transformed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from pyproj import CRS
from pyproj.exceptions import CRSError

LONGEST = 1 << 16
"""Maximum length of a text, in characters."""
_CODE = re.compile(
    r"(?:urn:ogc:def:crs:)?([A-Za-z]{2,10})(?:_\d{4})?:(?:[\d.]{0,10}:)?([A-Za-z]{0,4}\d{1,7})", re.ASCII
)
_WKT = re.compile(r"\s*[A-Za-z_]{4,20}\s*\[")
_GIVEN = re.compile(r"(?:grids|file|model|catalog|init)[\s;]*=[\s;]*((?:[^\s;,]|[\s;]*,[\s;]*)*)", re.IGNORECASE)
"""The values of file parameters in a PROJ string within a CRS. PROJ treats `;` as a space, and ignores spaces around
commas."""
_OWN_FILES = re.compile(r"@?\w[\w-]*(?:\.\w[\w-]*)*(?:,@?\w[\w-]*(?:\.\w[\w-]*)*)*", re.ASCII)
"""File names without a folder, which PROJ looks for only in its own folders."""


def crs_of_text(value: object) -> CRS | None:
    """The CRS of `EPSG:32633`, 32633, 32633.0, `urn:ogc:def:crs:OGC:1.3:CRS84`, WKT, or PROJJSON (text or parsed); None
    if the value is not a CRS, or if PROJ would open files elsewhere for it."""
    try:
        return _crs(value)
    except (CRSError, ValueError, TypeError, RecursionError, OverflowError):
        return None


def _crs(value: object) -> CRS | None:
    if isinstance(value, int | float) and not isinstance(value, bool):  # integer columns with gaps are read as floats
        return CRS.from_epsg(int(value)) if value == int(value) else None
    if isinstance(value, str) and len(value) <= LONGEST:
        if (code := _CODE.fullmatch(value.strip())) is not None:
            return CRS.from_authority(code[1].upper(), code[2])
        if _WKT.match(value):
            return _without_files(CRS.from_wkt(value))
        return _without_files(CRS.from_json(value)) if value.lstrip().startswith("{") else None
    return _without_files(CRS.from_json_dict(value)) if isinstance(value, dict) else None


def _without_files(crs: CRS) -> CRS | None:
    """The CRS; None if it names files that are not PROJ's own. They are looked for in its PROJJSON, which holds all
    that PROJ knows about the CRS in one notation, whatever text it came from."""
    return None if any(_is_elsewhere(*pair) for pair in _texts(crs.to_json_dict())) else crs


def _texts(value: object, name: str = "") -> Iterator[tuple[str, str]]:
    """(field name, text) of each text in a PROJJSON object."""
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner, name)


def _is_elsewhere(name: str, text: str) -> bool:
    """Whether a text names a file outside PROJ's own folders; the text of a field `value` is always a file name."""
    named = [text] if name == "value" else [re.sub(r"[\s;]", "", given) for given in _GIVEN.findall(text)]
    return not all(_OWN_FILES.fullmatch(one) for one in named)
