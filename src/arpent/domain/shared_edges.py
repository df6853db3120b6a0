"""Shared edges: polygons that OGC calls invalid only because rings touch along a line, which changes nothing inside."""

from __future__ import annotations

from collections.abc import Iterator

import shapely

TOLERANCE = 1e-9
"""Share of the area by which pieces may overlap: what rounding makes of edges that were the same."""


def pieces_fit(geometry: shapely.Geometry) -> bool:
    """Whether parts and holes are good polygons that lie side by side, or within one another, without overlap. Then the
    even-odd rule over all rings finds the samples of the whole, edge or no edge."""
    try:
        return _fit(geometry)
    except shapely.errors.GEOSException:  # coordinates that are none, or beyond all measure
        return False


def _fit(geometry: shapely.Geometry) -> bool:
    parts = [part for part in shapely.get_parts(geometry) if not shapely.is_empty(part)]
    if not parts or any(part.geom_type != "Polygon" for part in parts):
        return False
    area = 0.0
    grounds: list[shapely.Geometry] = []
    for part in parts:
        shell, holes = shapely.Polygon(part.exterior), [shapely.Polygon(ring) for ring in part.interiors]
        if not shapely.is_valid([shell, *holes]).all():
            return False
        taken = shapely.union_all(holes)
        lost = sum(shapely.area(hole) for hole in holes)
        slack = TOLERANCE * shapely.area(shell)
        if lost - shapely.area(taken) > slack or shapely.area(shapely.difference(taken, shell)) > slack:
            return False
        area += shapely.area(shell) - lost
        grounds.extend(_polygons(shapely.difference(shell, taken)))
    return bool(area > 0 and abs(area - shapely.area(shapely.union_all(grounds))) <= TOLERANCE * area)


def _polygons(geometry: shapely.Geometry) -> Iterator[shapely.Geometry]:
    """Its parts that have an area."""
    yield from (part for part in shapely.get_parts(geometry) if part.geom_type == "Polygon")
