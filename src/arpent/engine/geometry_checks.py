"""Geometry checks: find the features that cannot have statistics, and the reasons."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import shapely
from numpy.typing import NDArray

from arpent.domain.boundary.outlines import MOST_CORNERS, fault_of_outline, shrinks_soon
from arpent.domain.feature import POLYGONS, Features
from arpent.domain.grid import AS_THE_SERVICE, MAXIMUM_SIDE, Grids, PixelRule, Resolution, Size
from arpent.domain.result import ErrorType, Failure
from arpent.zonal.pixel_rules import inner_distance
from arpent.zonal.rasterize import SUB_ROWS

KINDS: Mapping[str, str] = {
    "empty": "The geometry is empty; give the feature a polygon or remove it.",
    "unreadable": "{reason}",
    "no-position": "The geometry has coordinates that are not finite numbers; write the feature again.",
    "not-a-polygon": "The geometry is a {type}; only Polygon and MultiPolygon have an area to sum over.",
    "invalid": "The geometry is invalid: {reason}. Repair it, for example with shapely.make_valid or ST_MakeValid.",
    "too-large": "The grid would be {width} x {height} samples; a side may have at most {limit}. "
    "Use a coarser resolution or a smaller feature.",
    "too-complex": "The outline crosses the lines of its grid {count:,} times, more than the allowed {limit:,}. "
    "Simplify it, or use a coarser resolution.",
    "too-intricate": "Too many edges of the outline lie near one another to make it smaller by {metres:g} metres "
    "(`inner`). Simplify it, or leave `inner` out of aggregation.pixels.",
}
"""Kind of a finding → message to the user."""

MOST_CROSSINGS = 1 << 25
"""Maximum number of times that the edges of one feature may cross the scan lines of its grid; each crossing takes 8
bytes while samples are computed."""


def check_geometries(features: Features, grids: Grids, rule: PixelRule = AS_THE_SERVICE) -> dict[int, tuple[str, str]]:
    """Row → (kind, message) for each feature that cannot have statistics. `grids` (n,): one grid per feature, also for
    unusable ones; `rule`: which samples belong to a polygon."""
    measured = features.measured
    absent = measured.absent
    other = ~absent & ~np.isin(measured.types, POLYGONS)
    adrift = ~absent & ~other & ~measured.placed
    invalid = ~absent & ~other & ~adrift & ~features.validity
    found: dict[int, tuple[str, str]] = {int(row): ("empty", KINDS["empty"]) for row in np.flatnonzero(absent)}
    if features.flaws:
        for row in np.flatnonzero(absent):
            if (flaw := features.flaws.get(int(features.ids[row]))) is not None:
                found[int(row)] = ("unreadable", KINDS["unreadable"].format(reason=flaw))
    for row in np.flatnonzero(adrift):
        found[int(row)] = ("no-position", KINDS["no-position"])
    for row in np.flatnonzero(other):
        found[int(row)] = ("not-a-polygon", KINDS["not-a-polygon"].format(type=features.geometries[row].geom_type))
    for row in np.flatnonzero(invalid):
        reason = features.flaws.get(int(features.ids[row])) or fault_of_outline(features.geometries[row])
        found[int(row)] = ("invalid", KINDS["invalid"].format(reason=reason))
    usable = np.flatnonzero(~(absent | other | adrift | invalid))
    grids = grids.take(usable)
    for position in np.flatnonzero(np.maximum(grids.width, grids.height) > MAXIMUM_SIDE):
        width, height = int(grids.width[position]), int(grids.height[position])
        message = KINDS["too-large"].format(width=width, height=height, limit=MAXIMUM_SIDE)
        found[int(usable[position])] = ("too-large", message)
    many = np.flatnonzero(measured.vertices[usable] * _lines(grids) > MOST_CROSSINGS)
    if len(many):
        crossed = crossings(features.geometries[usable[many]], grids.take(many))
        for position in np.flatnonzero(crossed > MOST_CROSSINGS):
            message = KINDS["too-complex"].format(count=round(float(crossed[position])), limit=MOST_CROSSINGS)
            found.setdefault(int(usable[many[position]]), ("too-complex", message))
    if rule.inner and not features.crs.is_geographic:  # in degrees, `inner` is refused for the whole request
        distance = inner_distance(features.crs, rule)
        for row in usable[measured.vertices[usable] > MOST_CORNERS].tolist():
            if row not in found and not shrinks_soon(features.geometries[row], distance):
                found[row] = ("too-intricate", KINDS["too-intricate"].format(metres=rule.inner))
    return found


def smaller_than_a_sample(features: Features, grids: Grids, sampling: Resolution | Size) -> NDArray[np.bool_]:
    """(n,): whether the polygon's area is below that of a sample at the requested resolution. The grid alone would not
    show it: if it has only one sample, that sample has the size of the feature."""
    size = grids.pixel_size
    asked = np.array([sampling.x, sampling.y]) if isinstance(sampling, Resolution) else size
    smaller: NDArray[np.bool_] = features.measured.areas < np.prod(np.maximum(asked, size), axis=1)
    return smaller


def crossings(geometries: NDArray[np.object_], grids: Grids) -> NDArray[np.float64]:
    """(n,): upper bound of the number of times that each polygon's edges cross the scan lines of its grid."""
    coordinates, owners = shapely.get_coordinates(geometries, return_index=True)
    mine = owners[1:] == owners[:-1]
    extent = grids.bounds[:, 3] - grids.bounds[:, 1]
    with np.errstate(all="ignore"):
        climbs = np.abs(np.diff(coordinates[:, 1]))
        climbed = np.bincount(owners[1:][mine], climbs[mine], minlength=len(geometries))
        found = np.where(extent > 0, climbed / extent, 0.0) * _lines(grids)
    return np.asarray(np.nan_to_num(found, nan=0.0), np.float64)


def _lines(grids: Grids) -> NDArray[np.int64]:
    """(n,): number of scan lines of each grid; 0 for a grid that is too large to be computed."""
    served = np.maximum(grids.width, grids.height) <= MAXIMUM_SIDE
    return np.where(served, grids.height, 0) * SUB_ROWS


def usable_rows(features: Features, found: Mapping[int, object]) -> NDArray[np.intp]:
    """Rows of the features for which `check_geometries` found no fault."""
    keep = np.ones(len(features), bool)
    keep[list(found)] = False
    return np.flatnonzero(keep)


def as_failures(found: Mapping[int, tuple[str, str]]) -> dict[int, Failure]:
    """Row → the failure that the file of an unusable feature states."""
    return {
        row: Failure(type=ErrorType.BAD_REQUEST, message=message, kind=kind) for row, (kind, message) in found.items()
    }
