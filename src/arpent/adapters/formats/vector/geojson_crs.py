"""The `crs` members of a GeoJSON file, wherever they stand, read before GDAL sees the file.

GDAL fetches the address that a `crs` of the type `link` names, from wherever the server stands, and takes what it
cannot read for longitude and latitude, in silence. So we read each of them, and GDAL gets only what names the CRS that
it will find.
"""

from __future__ import annotations

import json
import mmap
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from pyproj import CRS
from pyproj.exceptions import CRSError

from arpent.domain.errors import FeaturesUnreadable

WINDOW = 1 << 14
"""Bytes in which one `crs` must end."""
_KEY = re.compile(rb"""(?i)["'](?:c|\\u00[46]3)(?:r|\\u00[57]2)(?:s|\\u00[57]3)["']""")
"""The key in all spellings that GDAL takes: any case, escapes, quotes of both kinds."""
_PLACE = {"name": ("name", "{}"), "ogc": ("urn", "{}"), "epsg": ("code", "EPSG:{}")}
"""Type of a `crs` → the property that names it, and how it is written out."""
WAY_OUT = 'Write {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32633"}}, or longitude and latitude.'


def named_crs(path: Path) -> frozenset[str]:
    """The CRSs that the file names. Raises FeaturesUnreadable for a `crs` that does more than to name one."""
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return frozenset(_name(text) for text in _objects(content))


def check_crs(names: Iterable[str], found: CRS) -> None:
    """Raises FeaturesUnreadable if one of the names is not that of the CRS that GDAL found."""
    for name in names:
        try:
            same = CRS.from_user_input(name).equals(found, ignore_axis_order=True)
        except CRSError:
            same = False
        if not same:
            raise FeaturesUnreadable(f"The `crs` {name!r:.100} of the GeoJSON file is unknown, or not the only one.")


def _objects(content: mmap.mmap) -> Iterator[bytes]:
    """The window that begins with each object that is the value of a `crs`, or with the slash of a comment before it,
    which GDAL would skip."""
    ends = [key.end() for key in _KEY.finditer(content)]  # a match would keep the file mapped
    for end in ends:
        text = content[end : end + WINDOW].lstrip()
        value = text[1:].lstrip() if text[:1] == b":" else text
        if value[:1] == b"/" or (text[:1] == b":" and value[:1] == b"{"):
            yield value


def _name(text: bytes) -> str:
    try:
        crs, _ = json.JSONDecoder().raw_decode(text.decode("utf-8", "replace"))
        member, form = _PLACE[crs["type"].lower()]
        name = crs["properties"][member]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise FeaturesUnreadable(f"A `crs` of the GeoJSON file cannot be read. {WAY_OUT}") from None
    if not isinstance(name, str | int) or isinstance(name, bool) or "init=" in str(name):
        raise FeaturesUnreadable(f"A `crs` of the GeoJSON file cannot be read. {WAY_OUT}")
    return form.format(name)
