"""Fields: generates irregular adjacent fields and their crops, with a road and a river between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from arpent.landscape.phenology import CROPS

MEAN_HECTARES = 2.5
"""Mean area of a field before some are joined and some divided."""
_JOINED, _CUT, _HOLES, _MULTIPART = 0.12, 0.18, 0.03, 0.03


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """All fields of the landscape; the parcels of interest lie in its middle."""

    shapes: NDArray[np.object_]
    """(n,): polygons in metres, some multipart or with holes; parcels come first, in the order of their ids."""
    crops: NDArray[np.str_]
    """(n,): crop of each field, a key of CROPS."""
    lateness: NDArray[np.float64]
    """(n,): days that each field is behind its crop's curve."""
    vigour: NDArray[np.float64]
    """(n,): factor on the green cover, about 1."""
    parcels: int
    """Number of parcels; they are the first fields."""
    road: shapely.Geometry
    """The road, in metres."""
    river: shapely.Geometry
    """The river, in metres."""


def make_fields(random: np.random.Generator, bounds: tuple[float, float, float, float], parcels: int) -> Fields:
    """Fields that fill the bounds (metres). Raises ValueError if fewer than `parcels` fit."""
    road, river = _road(random, bounds), _river(random, bounds)
    cells = _varied(random, _cells(random, bounds))
    shapes = _without(cells, shapely.union(road, river))
    shapes = shapes[shapely.area(shapes) > 2500]
    if len(shapes) < parcels:
        raise ValueError(f"{parcels} parcels do not fit: there is room for {len(shapes)}; enlarge `tile`.")
    middle = shapely.Point((bounds[0] + bounds[2]) / 2, (bounds[1] + bounds[3]) / 2)
    shapes = shapes[np.argsort(shapely.distance(shapely.centroid(shapes), middle), kind="stable")]
    shapes = _special(random, shapes, parcels)
    crops = random.choice(list(CROPS), len(shapes), p=[crop.share for crop in CROPS.values()])
    return Fields(
        shapes=shapes,
        crops=crops,
        lateness=random.normal(0, 5, len(shapes)),
        vigour=random.normal(1, 0.05, len(shapes)),
        parcels=parcels,
        road=road,
        river=river,
    )


def _cells(random: np.random.Generator, bounds: tuple[float, float, float, float]) -> NDArray[np.object_]:
    """Voronoi cells of a jittered grid, clipped to the bounds."""
    spacing = np.sqrt(MEAN_HECTARES * 10_000)
    x, y = np.meshgrid(np.arange(bounds[0], bounds[2], spacing), np.arange(bounds[1], bounds[3], spacing))
    points = np.column_stack((x.ravel(), y.ravel())) + random.uniform(0.05, 0.95, (x.size, 2)) * spacing
    whole = shapely.voronoi_polygons(shapely.multipoints(np.round(points, 1)), extend_to=shapely.box(*bounds))
    cells = shapely.get_parts(whole)
    # Sorted, because the library may return the cells in any order.
    middle = shapely.get_coordinates(shapely.centroid(cells))
    cells = cells[np.lexsort((middle[:, 0], middle[:, 1]))]
    cut: NDArray[np.object_] = shapely.intersection(cells, shapely.box(*bounds))
    return cut


def _varied(random: np.random.Generator, cells: NDArray[np.object_]) -> NDArray[np.object_]:
    """The cells, some joined with the next one, some divided into two strips: sizes vary as in a real cadastre."""
    fate = random.random(len(cells))
    varied: list[shapely.Geometry] = []
    row = 0
    while row < len(cells):
        cell = cells[row]
        following = cells[row + 1] if row + 1 < len(cells) else None
        if fate[row] < _JOINED and following is not None and shapely.touches(cell, following):
            together = shapely.union(cell, following)
            if together.geom_type == "Polygon":
                varied.append(together)
                row += 2
                continue
        if fate[row] > 1 - _CUT:
            left, bottom, right, top = cell.bounds
            edge = left + (right - left) * (0.3 + 0.4 * fate[(row * 7) % len(cells)])
            halves = (shapely.box(left, bottom, edge, top), shapely.box(edge, bottom, right, top))
            varied.extend(shapely.intersection(cell, half) for half in halves)
        else:
            varied.append(cell)
        row += 1
    return np.array(varied, object)


def _without(cells: NDArray[np.object_], gaps: shapely.Geometry) -> NDArray[np.object_]:
    """The largest piece of each cell that the road and the river leave."""
    shapely.prepare(gaps)
    crossed = np.flatnonzero(shapely.intersects(gaps, cells))
    cells = cells.copy()
    for row in crossed:
        pieces = shapely.get_parts(shapely.difference(cells[row], gaps))
        cells[row] = max(pieces, key=shapely.area) if len(pieces) else shapely.Polygon()
    return cells


def _special(random: np.random.Generator, shapes: NDArray[np.object_], parcels: int) -> NDArray[np.object_]:
    """The shapes, with a pond in the middle of a few parcels, and for a few a second part elsewhere, taken from fields
    that are not parcels."""
    shapes = shapes.copy()
    fate = random.random(parcels)
    for row in np.flatnonzero(fate < _HOLES):
        shapes[row] = shapely.difference(
            shapes[row], shapely.buffer(shapely.point_on_surface(shapes[row]), 12, quad_segs=4)
        )
    spare = len(shapes) - parcels
    wanted = np.flatnonzero(fate > 1 - _MULTIPART)[:spare]
    for number, row in enumerate(wanted):
        second = shapes[parcels + number]
        if shapely.disjoint(shapes[row], second):
            shapes[row] = shapely.MultiPolygon([shapes[row], second])
            shapes[parcels + number] = shapely.Polygon()
    kept: NDArray[np.object_] = np.concatenate(
        (shapes[:parcels], shapes[parcels:][~shapely.is_empty(shapes[parcels:])])
    )
    return kept


def _road(random: np.random.Generator, bounds: tuple[float, float, float, float]) -> shapely.Geometry:
    x = np.linspace(bounds[0] - 100, bounds[2] + 100, 60)
    y = (bounds[1] + bounds[3]) / 2 + 180 * np.sin(x / 900 + random.uniform(0, 6)) - 240
    return shapely.buffer(shapely.LineString(np.column_stack((x, y))), 7, quad_segs=2)


def _river(random: np.random.Generator, bounds: tuple[float, float, float, float]) -> shapely.Geometry:
    y = np.linspace(bounds[1] - 100, bounds[3] + 100, 60)
    x = (bounds[0] + bounds[2]) / 2 + 220 * np.sin(y / 600 + random.uniform(0, 6)) + 330
    return shapely.buffer(shapely.LineString(np.column_stack((x, y))), 25, quad_segs=2)
