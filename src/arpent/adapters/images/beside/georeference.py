"""Georeference: the CRS and transform of an image, taken from its item where its file gives none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import shapely
from affine import Affine
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError, ProjError

from arpent.domain.boundary.address_names import public_name
from arpent.domain.boundary.crs_text import crs_of_text
from arpent.domain.errors import AssetUnreadable
from arpent.domain.imagery.raster import COLUMNS_AND_ROWS, Georeference, Raster
from arpent.raster.footprints.antimeridian import image_outline

_POLE = 90.0
_CLOSE = 0.5
"""Tolerance in pixels: how far the edges of an image may lie from the item's `proj:bbox`."""


def crs_of_dataset(href: str, dataset: Any) -> CRS:
    """The CRS of a file that GDAL has opened; COLUMNS_AND_ROWS if the file gives none. Raises AssetUnreadable if PROJ
    does not know the CRS, or the pixels do not form a regular grid on the ground."""
    if dataset.crs is not None:
        if (found := crs_of_text(dataset.crs.to_wkt())) is None:
            raise AssetUnreadable(
                f"image {public_name(href)} has a coordinate reference system that PROJ does not know, or that names a "
                "file; give it an EPSG code, as gdal_edit -a_srs does",
                href=href,
            )
        return found
    if dataset.transform == Affine.identity() and (dataset.gcps[0] or dataset.rpcs is not None):
        raise AssetUnreadable(
            f"image {public_name(href)} has no coordinate reference system: it has ground control points or rational "
            "polynomials, as images in sensor geometry have. Put it on a grid, for example with gdalwarp",
            href=href,
        )
    return COLUMNS_AND_ROWS


def georeferenced(raster: Raster, place: Georeference | None) -> Raster:
    """The header, with CRS and transform taken from the item (`place`) if the file gives none. Raises AssetUnreadable
    if neither gives them, or they do not agree."""
    if raster.georeferenced:
        return raster
    name = public_name(raster.href)
    crs = place.crs if raster.crs.is_engineering and place is not None else raster.crs
    if crs is None or crs.is_engineering:
        raise _refused(raster, f"image {name} has no coordinate reference system, and its item has no proj:code")
    if raster.transform != Affine.identity():
        found = replace(raster, crs=crs)
        if place is not None and _is_apart(found, place, unknown=False):
            raise _refused(
                raster, f"image {name} has no coordinate reference system, and the one in its item cannot be "
                "right: in it, the image does not lie where the item's geometry says",
            )  # fmt: skip
        return found
    if place is None or place.transform is None:
        raise _refused(
            raster, f"image {name} is not georeferenced: it does not say where its pixels lie, and its item has no "
            "proj:transform with the proj:shape it is for",
        )  # fmt: skip
    found = replace(raster, crs=crs, transform=place.transform)
    if (fault := _fault(found, place)) is not None:
        raise _refused(raster, f"image {name} is not georeferenced, and what its item states cannot be right: {fault}")
    return found


def _refused(raster: Raster, words: str) -> AssetUnreadable:
    return AssetUnreadable(words, href=raster.href)


def _fault(raster: Raster, place: Georeference) -> str | None:
    """Why the item's transform cannot be that of the image, in words; None if it may be."""
    transform, width, height = raster.transform, raster.width, raster.height
    if place.size is not None and place.size != (width, height):
        return f"proj:shape is {list(place.size[::-1])}, and the file has [{height}, {width}] pixels"
    if not all(map(math.isfinite, transform)) or not transform.determinant:
        return "proj:transform is not finite, or has no area"
    corners = [transform @ corner for corner in ((0, 0), (width, 0), (0, height), (width, height))]
    edges = [side(values) for side in (min, max) for values in zip(*corners, strict=True)]
    near = _CLOSE * math.sqrt(abs(transform.determinant))
    if place.bounds is not None and any(abs(a - b) > near for a, b in zip(edges, place.bounds, strict=True)):
        return f"by proj:transform and proj:shape it reaches from {edges[:2]} to {edges[2:]}, and proj:bbox differs"
    if raster.crs.is_geographic and max(abs(edges[1]), abs(edges[3])) > _POLE + near:
        return (
            f"by proj:transform it reaches from {edges[:2]} to {edges[2:]} degrees: its numbers may be in GDAL's order"
        )
    if place.crs is not None and _differs(place.crs, raster.crs, corners, near):
        return f"its coordinate reference system is {place.crs.name}, and that of the file {raster.crs.name}"
    return (
        "by proj:transform it does not lie where the item's geometry says"
        if _is_apart(raster, place, unknown=True)
        else None
    )


def _differs(told: CRS, own: CRS, corners: Sequence[tuple[float, float]], near: float) -> bool:
    """Whether the corners of an image lie at other places in one CRS than in the other; their names are not compared,
    since those of the same CRS vary."""
    if told == own:
        return False
    try:
        x, y = zip(*corners, strict=True)
        moved = Transformer.from_crs(told, own, always_xy=True).transform(x, y)
    except (ProjError, CRSError):
        return True
    pairs = zip(zip(*moved, strict=True), corners, strict=True)
    return not all(math.dist(there, here) <= near for there, here in pairs)  # NaN and infinity are not near


def _is_apart(raster: Raster, place: Georeference, *, unknown: bool) -> bool:
    """Whether the image does not overlap the item's geometry; `unknown` if PROJ cannot compute where all of its edges
    lie."""
    try:
        outline = image_outline(raster.crs, raster.transform, raster.width, raster.height)
        return unknown if outline is None else not shapely.intersects(outline, place.ground)
    except (ProjError, CRSError, shapely.errors.ShapelyError):
        return True
