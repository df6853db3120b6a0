"""Geometry checks: which features cannot have statistics, and why."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import shapely
from numpy.typing import NDArray

from arpent.domain.boundary.outlines import fault_of_outline
from arpent.domain.feature import POLYGONS, Features
from arpent.domain.grid import MAXIMUM_SIDE, Grids, Resolution, Size
from arpent.domain.result import ErrorType, Failure
from arpent.zonal.rasterize import SUB_ROWS

KINDS: Mapping[str, str] = {
    "empty": "The geometry is empty; give the feature a polygon or remove it.",
    "unreadable": "{reason}",
    "no-position": "The geometry has coordinates that are not finite numbers; write the feature again.",
    "not-a-polygon": "The geometry is a {type}; only Polygon and MultiPolygon have an area to sum over.",
    "invalid": "The geometry is invalid: {reason}. Repair it, with shapely.make_valid or ST_MakeValid, for example.",
    "too-large": "The grid would be {width} x {height} samples; a side may have at most {limit}. "
    "Use a coarser resolution or a smaller feature.",
    "too-complex": "The outline crosses the lines of its grid {count:,} times, more than the allowed {limit:,}. "
    "Simplify it, or use a coarser resolution.",
}
"""Kind of a finding → message to the user."""

MOST_CROSSINGS = 1 << 25
"""Maximum number of crossings of one feature's edges with the scan lines of its grid; each takes 8 bytes while samples
are computed."""


def check_geometries(features: Features, grids: Grids) -> dict[int, tuple[str, str]]:
    """Row → (kind, message) of each feature that cannot have statistics; `grids` (n,): the grid of each feature,
    whatever its geometry."""
    geometries = features.geometries
    absent = shapely.is_missing(geometries) | shapely.is_empty(geometries)
    types = shapely.get_type_id(geometries)
    other = ~absent & ~np.isin(types, POLYGONS)
    adrift = ~absent & ~other & ~_placed(geometries)
    invalid = ~absent & ~other & ~adrift & ~features.validity
    found: dict[int, tuple[str, str]] = {int(row): ("empty", KINDS["empty"]) for row in np.flatnonzero(absent)}
    if features.flaws:
        for row in np.flatnonzero(absent):
            if (flaw := features.flaws.get(int(features.ids[row]))) is not None:
                found[int(row)] = ("unreadable", KINDS["unreadable"].format(reason=flaw))
    for row in np.flatnonzero(adrift):
        found[int(row)] = ("no-position", KINDS["no-position"])
    for row in np.flatnonzero(other):
        found[int(row)] = ("not-a-polygon", KINDS["not-a-polygon"].format(type=geometries[row].geom_type))
    for row in np.flatnonzero(invalid):
        reason = features.flaws.get(int(features.ids[row])) or fault_of_outline(geometries[row])
        found[int(row)] = ("invalid", KINDS["invalid"].format(reason=reason))
    usable = np.flatnonzero(~(absent | other | adrift | invalid))
    grids = grids.take(usable)
    for position in np.flatnonzero(np.maximum(grids.width, grids.height) > MAXIMUM_SIDE):
        width, height = int(grids.width[position]), int(grids.height[position])
        message = KINDS["too-large"].format(width=width, height=height, limit=MAXIMUM_SIDE)
        found[int(usable[position])] = ("too-large", message)
    crossed = crossings(features.geometries[usable], grids)
    for position in np.flatnonzero(crossed > MOST_CROSSINGS):
        message = KINDS["too-complex"].format(count=round(float(crossed[position])), limit=MOST_CROSSINGS)
        found.setdefault(int(usable[position]), ("too-complex", message))
    return found


def smaller_than_a_sample(features: Features, grids: Grids, sampling: Resolution | Size) -> NDArray[np.bool_]:
    """(n,): whether the polygon's area is below that of a sample: the one that was asked for, since the only sample of
    a grid has the feature's size."""
    size = grids.pixel_size
    asked = np.array([sampling.x, sampling.y]) if isinstance(sampling, Resolution) else size
    smaller: NDArray[np.bool_] = shapely.area(features.geometries) < np.prod(np.maximum(asked, size), axis=1)
    return smaller


def _placed(geometries: NDArray[np.object_]) -> NDArray[np.bool_]:
    """(n,): whether all coordinates of the geometry are finite."""
    placed = np.ones(len(geometries), np.bool_)
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(shapely.get_coordinates(geometries).sum()):  # mostly; quicker than to ask each
            return placed
    points, owners = shapely.get_coordinates(geometries, return_index=True)
    placed[owners[~np.isfinite(points).all(axis=1)]] = False
    return placed


def crossings(geometries: NDArray[np.object_], grids: Grids) -> NDArray[np.float64]:
    """(n,): upper bound of how often the edges of each polygon cross the scan lines of its grid; 0 where there are too
    few to matter."""
    found = np.zeros(len(geometries))
    served = np.maximum(grids.width, grids.height) <= MAXIMUM_SIDE
    lines = np.where(served, grids.height, 0) * SUB_ROWS
    many = np.flatnonzero(shapely.get_num_coordinates(geometries) * lines > MOST_CROSSINGS)
    if not len(many):
        return found
    coordinates, owners = shapely.get_coordinates(geometries[many], return_index=True)
    mine = owners[1:] == owners[:-1]
    extent = grids.bounds[many, 3] - grids.bounds[many, 1]
    with np.errstate(all="ignore"):
        climbs = np.abs(np.diff(coordinates[:, 1]))
        climbed = np.bincount(owners[1:][mine], climbs[mine], minlength=len(many))
        found[many] = np.where(extent > 0, climbed / extent, 0.0) * lines[many]
    return np.nan_to_num(found, nan=0.0)


def usable_rows(features: Features, found: Mapping[int, object]) -> NDArray[np.intp]:
    """Rows of all features except those in which `check_geometries` found something."""
    keep = np.ones(len(features), bool)
    keep[list(found)] = False
    return np.flatnonzero(keep)


def as_failures(found: Mapping[int, tuple[str, str]]) -> dict[int, Failure]:
    """The failures that the unusable features' files state, by row."""
    return {
        row: Failure(type=ErrorType.BAD_REQUEST, message=message, kind=kind) for row, (kind, message) in found.items()
    }
