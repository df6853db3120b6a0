"""CRS of a features file: finds out which one its text names, and refuses what is not supported."""

from __future__ import annotations

from pyproj import CRS

from arpent.domain.boundary.crs_text import crs_of_text
from arpent.domain.crs import code
from arpent.domain.errors import FeaturesUnreadable

WAY_OUT = "Reproject it, to EPSG:4326, a UTM zone on WGS 84, or another of the documented list."

NAME_LETTERS = 40
"""A longer text is a definition of a CRS; messages show only the name in it."""


def crs_of_features(text: str | None, what: str, *, local: bool = False) -> CRS:
    """The CRS of a table (`what`, for errors) from WKT, PROJJSON or a name: one of sentinelhub.md 2.1, or in a local
    file any geographic, projected or compound one. Raises FeaturesUnreadable."""
    found = crs_of_text(text)
    number = None if found is None else code(found)
    if number is not None:
        return CRS.from_epsg(number)
    if found is not None and local and (found.is_geographic or found.is_projected or found.is_compound):
        return found
    if not text:
        raise FeaturesUnreadable(f"The CRS of {what} is not given: write it into the file (for a Shapefile, its .prj).")
    named = text.split("\n", 1)[0][:120]
    if found is not None and len(text) > NAME_LETTERS:
        named = found.name
    raise FeaturesUnreadable(f"The CRS of {what} ({named}) is not supported. {WAY_OUT}")
