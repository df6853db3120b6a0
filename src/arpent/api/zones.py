"""Zones: transforms features to a CRS in which a metre is a metre: the UTM zone of their place, as for the imagery."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from arpent.domain.crs import code
from arpent.domain.feature import Features

WIDTH = 6.0
"""Width of a zone in degrees."""
REACH = 4.5
"""Degrees from the central meridian up to which features use the zone of most of them: 1.5 beyond its edge."""
HALF_TURN = 180.0
STRETCHED = 3857
"""Web Mercator: distances in it are longer than on the ground."""


def in_metres(features: Features) -> Iterator[Features]:
    """The features, in one or more groups, in a CRS whose unit is a metre on the ground: their own, if it is projected
    and requests may use it, else UTM on WGS 84. Features far apart are in zones of their own."""
    number = code(features.crs)
    if number not in (None, STRETCHED) and not features.crs.is_geographic:
        yield features
        return
    centres = _centres(features)
    zones = np.floor((centres[:, 0] + HALF_TURN) / WIDTH) % 60
    southern = centres[:, 1] < 0
    placed = np.isfinite(centres).all(axis=1)
    groups = np.where(placed, zones * 2 + southern, -1).astype(np.int64)
    if placed.any():
        main = int(np.bincount(groups[placed]).argmax())
        meridian = (main // 2) * WIDTH - 177.0
        near = np.abs((centres[:, 0] - meridian + 180) % 360 - 180) <= REACH
        equator = np.abs(centres[:, 1]) < 1.0
        groups[~placed | (near & ((southern == bool(main % 2)) | equator))] = main
    for group in np.unique(groups).tolist():
        epsg = 32631 if group < 0 else 32601 + group // 2 + 100 * (group % 2)
        yield _carried(features.take(np.flatnonzero(groups == group)), CRS.from_epsg(epsg))


def one_in_metres(features: Features, place: int) -> Features:
    """The feature at this position, transformed as `in_metres` does with all: its zone depends on the others."""
    key = features.ids[place]
    group = next(group for group in in_metres(features) if key in group.ids)
    return group.take(np.flatnonzero(group.ids == key))


def _centres(features: Features) -> NDArray[np.float64]:
    """(n, 2): longitude and latitude of the centre of each bounding box; NaN where there is no box."""
    bounds = features.bounds.copy()
    if features.crs.is_geographic:  # a box around the globe: the feature is split, or jumps, at 180 degrees
        for row in np.flatnonzero(bounds[:, 2] - bounds[:, 0] > HALF_TURN):
            longitudes = shapely.get_coordinates(features.geometries[row])[:, 0] % (2 * HALF_TURN)
            bounds[row, [0, 2]] = longitudes.min(), longitudes.max()
    middle = (bounds[:, :2] + bounds[:, 2:]) / 2
    change = Transformer.from_crs(features.crs, 4326, always_xy=True)
    return np.column_stack(change.transform(middle[:, 0], middle[:, 1]))


def _carried(features: Features, crs: CRS) -> Features:
    change = Transformer.from_crs(features.crs, crs, always_xy=True)
    geometries = shapely.transform(
        features.geometries, lambda points: np.column_stack(change.transform(points[:, 0], points[:, 1]))
    )
    return features.reshaped(np.asarray(geometries, np.object_), crs)
