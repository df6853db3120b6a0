"""GeoJSON CRS: reads the `crs` members of a GeoJSON file, wherever they are, before GDAL opens the file.

GDAL would fetch the address that a `crs` of the type `link` names, from within the server's network, and it silently
takes a `crs` that it cannot read for longitude and latitude. So each `crs` is read here first, and a file is accepted
only if each one names the CRS that GDAL finds.
"""

from __future__ import annotations

import json
import mmap
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pyproj import CRS

from arpent.domain.boundary.crs_text import crs_of_text
from arpent.domain.errors import FeaturesUnreadable

WINDOW = 1 << 14
"""Bytes within which one `crs` must end."""
_KEY = re.compile(rb"""(?i)["'](?:c|\\u00[46]3)(?:r|\\u00[57]2)(?:s|\\u00[57]3)["']""")
"""The key in all spellings that GDAL accepts: any case, escapes, quotes of both kinds."""
_TOKEN = re.compile(
    rb"""(?s)"(?:[^"\\]|\\.)*+"?|'(?:[^'\\]|\\.)*+'?|/\*(?:[^*]|\*(?!/))*+"""
    rb"""|(?<=":)\s*\[[\[\]\d\s.,eE+-]*+(?=[}"])|[][{}:]"""
)
"""A string or a comment, closed or not; all coordinates of a geometry at once; or a structural character."""
_WAYS = (b"", b"features", b"geometry", b"geometries")
"""Keys that lead from the root to an object that may have a `crs` of its own; items of lists have the empty key."""
_PLACE = {"name": ("name", "{}"), "ogc": ("urn", "{}"), "epsg": ("code", "EPSG:{}")}
"""Type of a `crs` → the property that names it, and how it is written out."""
WAY_OUT = 'Write {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32633"}}, or longitude and latitude.'

UNREADABLE = f"A `crs` of the GeoJSON file cannot be read. {WAY_OUT}"


def named_crs(path: Path) -> frozenset[str]:
    """The CRSs that the file names. Raises FeaturesUnreadable for a `crs` that does more than name one."""
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return frozenset([*(_name(text) for text in _objects(content)), *_texts(content)])


def check_crs(names: Iterable[str], found: CRS) -> None:
    """Raises FeaturesUnreadable if one of the names is not that of the CRS that GDAL found."""
    for name in names:
        crs = crs_of_text(name)
        if crs is None or not crs.equals(found, ignore_axis_order=True):
            raise FeaturesUnreadable(
                f"The `crs` {name!r:.100} of the GeoJSON file is unknown, not the only one, or not an object. {WAY_OUT}"
            )


def _objects(content: mmap.mmap) -> Iterator[bytes]:
    """The windows that begin with an object that is the value of a `crs`, or with the slash of a comment before it,
    which GDAL would skip."""
    ends = [key.end() for key in _KEY.finditer(content)]  # a match would keep the file mapped
    for end in ends:
        text = content[end : end + WINDOW].lstrip()
        value = text[1:].lstrip() if text[:1] == b":" else text
        if value[:1] == b"/" or (text[:1] == b":" and value[:1] == b"{"):
            yield value


def _texts(content: mmap.mmap) -> list[str]:
    """Each `crs` that is a string instead of an object, which GDAL would ignore. Raises FeaturesUnreadable for one that
    is neither an object, a string nor null. Columns of features may be called `crs`, too."""
    ends = [key.end() for key in _KEY.finditer(content)]
    if all(_is_object_or_null(content[end : end + WINDOW].lstrip()[1:].lstrip()) for end in ends):
        return []  # the usual case, found without parsing the structure
    return [_text(value) for value in _members(content) if not _is_object_or_null(value)]


def _is_object_or_null(value: bytes) -> bool:
    """Whether the value is left to `_objects`, or is null."""
    return value[:1] in (b"{", b"/") or value.startswith(b"null")


def _members(content: mmap.mmap) -> list[bytes]:
    """The windows that begin with the value of each `crs` of the file, a feature or a geometry."""
    above: list[bytes] = []
    key = last = b""
    found = []
    for token in _TOKEN.finditer(content):
        sign = token[0]
        if sign in (b"{", b"["):
            above.append(key)
            key = b""
        elif sign in (b"}", b"]"):
            del above[-1:]
            key = b""
        elif sign == b":":
            key = last[1:-1]
            if _KEY.fullmatch(last) and all(each in _WAYS for each in above):
                found.append(content[token.end() : token.end() + WINDOW].lstrip())
        elif sign[:1] in (b'"', b"'"):
            last = sign
    return found


def _text(value: bytes) -> str:
    text = _decoded(value)
    if not isinstance(text, str):
        raise FeaturesUnreadable(UNREADABLE)
    return text


def _name(value: bytes) -> str:
    crs = _decoded(value)
    try:
        member, form = _PLACE[crs["type"].lower()]
        name = crs["properties"][member]
    except (LookupError, TypeError, AttributeError):
        raise FeaturesUnreadable(UNREADABLE) from None
    if not isinstance(name, str | int) or isinstance(name, bool):
        raise FeaturesUnreadable(UNREADABLE)
    return form.format(name)


def _decoded(value: bytes) -> Any:
    """The JSON value that the window begins with. Raises FeaturesUnreadable."""
    try:
        found, _ = json.JSONDecoder().raw_decode(value.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        raise FeaturesUnreadable(UNREADABLE) from None
    return found
