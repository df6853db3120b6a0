"""Measures: properties of geometries, such as bounds and areas, that are kept so that WKB need not be parsed again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

NO_TYPE = -1
"""Type id of a missing geometry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """The measures of n geometries, as columns."""

    bounds: NDArray[np.float64]
    """(n, 4): minx, miny, maxx, maxy; NaN for missing and empty geometries."""
    types: NDArray[np.int8]
    """(n,): GEOS type ids; NO_TYPE for missing geometries."""
    absent: NDArray[np.bool_]
    """(n,): whether the geometry is missing or empty."""
    placed: NDArray[np.bool_]
    """(n,): whether all coordinates are finite."""
    vertices: NDArray[np.int64]
    """(n,): number of coordinates."""
    areas: NDArray[np.float64]
    """(n,): area, in square units of the CRS; NaN for missing geometries."""

    def take(self, rows: NDArray[np.intp] | slice) -> Measures:
        """The measures of the geometries at these rows."""
        return Measures(**{name: getattr(self, name)[rows] for name in COLUMNS})


COLUMNS = tuple(Measures.__slots__)
"""Names of the columns."""


def joined_measures(parts: Sequence[Measures]) -> Measures:
    """The measures of all parts, in order."""
    return Measures(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in COLUMNS})


def measures_of(geometries: NDArray[np.object_]) -> Measures:
    """The measures of geometries (n,), some of which may be None."""
    with np.errstate(over="ignore", invalid="ignore"):  # for huge coordinates
        areas = shapely.area(geometries)
    return Measures(
        bounds=shapely.bounds(geometries),
        types=np.asarray(shapely.get_type_id(geometries), np.int8),
        absent=shapely.is_missing(geometries) | shapely.is_empty(geometries),
        placed=_placed(geometries),
        vertices=np.asarray(shapely.get_num_coordinates(geometries), np.int64),
        areas=areas,
    )


def _placed(geometries: NDArray[np.object_]) -> NDArray[np.bool_]:
    placed = np.ones(len(geometries), np.bool_)
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(shapely.get_coordinates(geometries).sum()):  # the usual case; faster than checking each geometry
            return placed
    points, owners = shapely.get_coordinates(geometries, return_index=True)
    placed[owners[~np.isfinite(points).all(axis=1)]] = False
    return placed
