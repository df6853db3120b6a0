"""Footprint: the GeoJSON of a STAC item → the area it covers. If the GeoJSON covers no area, or is ambiguous at
longitude 180, the item's projection decides; if that is missing too, an ambiguity is resolved later by the image
itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import orjson
import shapely
from affine import Affine
from pyproj.exceptions import ProjError

from arpent.adapters.catalogs.harmonization import Document, properties
from arpent.domain.boundary.crs_text import crs_of_text
from arpent.raster.footprints.antimeridian import canonical, image_outline, is_doubtful, valid


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """The area of an item in EPSG:4326."""

    ground: shapely.Geometry
    """The area; if it is ambiguous, the union of both readings."""
    likely: shapely.Geometry | None = None
    """The smaller of the two readings if the footprint may go either way round the globe; None if it is unambiguous."""


def footprint_of(document: Document) -> Footprint:
    """The footprint of a STAC item (JSON). Longitudes beyond 180 are wrapped, and polygons split there. Raises
    ShapelyError for an invalid geometry, and ValueError if neither the geometry nor the projection gives an area."""
    declared = shapely.from_geojson(orjson.dumps(document.get("geometry")))
    doubtful = is_doubtful(declared)
    flat = not doubtful and shapely.area(declared) == 0
    if not (doubtful or flat):
        return Footprint(ground=canonical(declared))
    outlines = [outline for outline in _outlines(document) if outline is not None]
    if outlines:
        return Footprint(ground=shapely.union_all(outlines))
    if flat:
        raise ValueError("`geometry` covers no area: it must be the polygon that the image covers")
    likely = canonical(declared)
    return Footprint(ground=shapely.union(valid(declared), likely), likely=likely)


def _outlines(document: Document) -> Iterator[shapely.Geometry | None]:
    """Outlines of the item's grid, or of the grid of each of its assets."""
    own = properties(document)
    assets = document.get("assets")
    each = [asset for asset in assets.values() if isinstance(asset, Mapping)] if isinstance(assets, Mapping) else []
    for fields in [own, *({**own, **asset} for asset in each)]:
        yield _outline(fields)


def _outline(fields: Document) -> shapely.Geometry | None:
    shape, transform = fields.get("proj:shape"), fields.get("proj:transform")
    code = fields.get("proj:code") or fields.get("proj:epsg")
    try:
        crs = crs_of_text(code)
        if not (isinstance(shape, Sequence) and isinstance(transform, Sequence)) or crs is None:
            return None
        return image_outline(crs, Affine(*(float(n) for n in transform[:6])), int(shape[1]), int(shape[0]))
    except (ProjError, TypeError, ValueError, IndexError):
        return None
