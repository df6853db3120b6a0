"""Code page: finds the encoding of a Shapefile's texts if its .cpg names it in a form that GDAL does not know."""

from __future__ import annotations

import re
from pathlib import Path

_PAGE = re.compile(r"(?:ansi|windows|win|cp|oem|ibm|dos)?[ _-]*(\d{3,5})", re.IGNORECASE)
_ISO = re.compile(r"(?:iso)?[ _-]*8859[ _-]*(\d{1,2})", re.IGNORECASE)
_LATIN = re.compile(r"(?:iso[ _-]*)?latin[ _-]*1", re.IGNORECASE)
_UTF_8 = 65001
"""UTF-8 as a code page of Windows."""
_MOST = 100
"""Bytes of a .cpg that are read: it is one word."""


def code_page(shapefile: Path) -> str | None:
    """The encoding as GDAL spells it: `CP1252` if the .cpg says `ANSI 1252`. None: it is left to GDAL, which knows
    `UTF-8`, and without a .cpg uses what the .dbf says."""
    beside = (path for path in shapefile.parent.glob(f"{shapefile.stem}.*") if path.suffix.lower() == ".cpg")
    if (path := next(beside, None)) is None:
        return None
    with path.open("rb") as stream:
        told = stream.read(_MOST).decode("utf-8-sig", "replace").strip().strip("\0")
    if (iso := _ISO.fullmatch(told)) is not None:
        return f"ISO-8859-{iso[1]}"
    if _LATIN.fullmatch(told):
        return "ISO-8859-1"
    if (page := _PAGE.fullmatch(told)) is not None:
        return "UTF-8" if int(page[1]) == _UTF_8 else f"CP{page[1]}"
    return None
