"""Geographic: boxes of a CRS as boxes of EPSG:4326."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS, Transformer

WORLD = CRS.from_epsg(4326)
EDGE_POINTS = 9
"""Points per side when a box is carried to another CRS: its sides are curves there."""
NARROW = 2_000.0
"""Sides up to so many units of a projected CRS bend by centimetres only: their ends and middles are enough."""


def geographic(bounds: NDArray[np.float64], crs: CRS) -> NDArray[np.float64]:
    """(n, 4): boxes of a CRS as boxes of EPSG:4326, longitude first; their sides are followed, not just corners."""
    if crs.is_geographic and crs.to_epsg() in (4326, None):
        return bounds
    moved = np.empty(bounds.shape)
    transformer = Transformer.from_crs(crs, WORLD, always_xy=True)
    narrow = np.max(bounds[:, 2:] - bounds[:, :2], axis=1, initial=0.0) <= (0.0 if crs.is_geographic else NARROW)
    for rows, points in ((np.flatnonzero(narrow), 3), (np.flatnonzero(~narrow), EDGE_POINTS)):
        if len(rows):
            moved[rows] = carried(bounds[rows], transformer, points)
    return moved


def carried(bounds: NDArray[np.float64], transformer: Transformer, points: int) -> NDArray[np.float64]:
    """(n, 4): the boxes around so many points of each side of the boxes (n, 4); not finite where PROJ has no answer."""
    step = np.linspace(0.0, 1.0, points)[:-1]
    zero, one = np.zeros(points - 1), np.ones(points - 1)
    along = np.concatenate((step, one, 1.0 - step, zero))
    across = np.concatenate((zero, step, one, 1.0 - step))
    extent = bounds[:, 2:] - bounds[:, :2]
    x = bounds[:, :1] + along * extent[:, :1]
    y = bounds[:, 1:2] + across * extent[:, 1:]
    longitude, latitude = transformer.transform(x, y)
    return np.column_stack((longitude.min(axis=1), latitude.min(axis=1), longitude.max(axis=1), latitude.max(axis=1)))
