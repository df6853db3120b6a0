"""Geometry checks: which features can have numbers at all, and what to say about the others."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import shapely
from numpy.typing import NDArray

from arpent.domain.feature import Features
from arpent.domain.grid import MAXIMUM_SIDE, Grids, Resolution, Size
from arpent.domain.result import ErrorType, Failure

POLYGON, MULTIPOLYGON = 3, 6
"""GEOS type ids."""

KINDS: Mapping[str, str] = {
    "empty": "The geometry is empty; give the feature a polygon or remove it.",
    "unreadable": "{reason}",
    "no-position": "The geometry has coordinates that are no finite numbers; write the feature anew.",
    "not-a-polygon": "The geometry is a {type}; only Polygon and MultiPolygon have an area to sum over.",
    "invalid": "The geometry is invalid: {reason}. Repair it, with shapely.make_valid or ST_MakeValid, for example.",
    "too-large": "The grid would be {width} x {height} samples; a side may have at most {limit}. "
    "Use a coarser resolution or a smaller feature.",
}
"""Kind of a finding → what to tell the user."""


def unusable(features: Features, sampling: Resolution | Size, given: Grids | None = None) -> dict[int, tuple[str, str]]:
    """Row → (kind, message) of each feature that cannot have numbers; `given` replaces the features' own grids."""
    geometries = features.geometries
    absent = shapely.is_missing(geometries) | shapely.is_empty(geometries)
    types = shapely.get_type_id(geometries)
    other = ~absent & (types != POLYGON) & (types != MULTIPOLYGON)
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
        found[int(row)] = ("invalid", KINDS["invalid"].format(reason=shapely.is_valid_reason(geometries[row])))
    usable = np.flatnonzero(~(absent | other | adrift | invalid))
    grids = Grids.over(features.bounds[usable], sampling) if given is None else given.take(usable)
    for position in np.flatnonzero(np.maximum(grids.width, grids.height) > MAXIMUM_SIDE):
        width, height = int(grids.width[position]), int(grids.height[position])
        message = KINDS["too-large"].format(width=width, height=height, limit=MAXIMUM_SIDE)
        found[int(usable[position])] = ("too-large", message)
    return found


def _placed(geometries: NDArray[np.object_]) -> NDArray[np.bool_]:
    """(n,): whether all coordinates are finite."""
    points, owners = shapely.get_coordinates(geometries, return_index=True)
    placed = np.ones(len(geometries), np.bool_)
    placed[owners[~np.isfinite(points).all(axis=1)]] = False
    return placed


def usable_rows(features: Features, unusable_rows: Mapping[int, object]) -> NDArray[np.intp]:
    """Rows that remain."""
    keep = np.ones(len(features), bool)
    keep[list(unusable_rows)] = False
    return np.flatnonzero(keep)


def as_failures(found: Mapping[int, tuple[str, str]]) -> dict[int, Failure]:
    """What those features' files say."""
    return {
        row: Failure(type=ErrorType.BAD_REQUEST, message=message, kind=kind) for row, (kind, message) in found.items()
    }
