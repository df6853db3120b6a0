"""STAC collection of a job's results: the columns of its table, and the extent of its features."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arpent.adapters.formats.parquet_columns import job_ranks, more_columns, schema
from arpent.domain.feature import Features
from arpent.domain.request import Request
from arpent.raster.footprints.reach import geographic
from arpent.wire.result.collection import render_collection

CELLS = 32
"""Cells per side of the grid by which many features are grouped."""
WORLD = (-180.0, -90.0, 180.0, 90.0)
"""The extent if no feature has one."""


def stac_collection(job_id: str, request: Request, features: Features) -> bytes:
    """The file of the collection. `features`: all features of the job."""
    layout = schema(job_ranks(request.calculations), more_columns(request.calculations))
    columns = [(field.name, str(field.type).replace("<item:", "<element:")) for field in layout]  # as in Parquet
    return render_collection(job_id, request, len(features), _box(features), columns)


def _box(features: Features) -> list[float]:
    """West, south, east, north of all features, in degrees."""
    bounds = features.bounds[np.isfinite(features.bounds).all(axis=1)]
    moved = geographic(_common(bounds), features.crs) if len(bounds) else bounds
    moved = moved[np.isfinite(moved).all(axis=1)]
    if not len(moved):
        return list(WORLD)
    low, high = moved[:, :2].min(axis=0), moved[:, 2:].max(axis=0)
    return [float(each) for each in (*low, *high)]


def _common(bounds: NDArray[np.float64]) -> NDArray[np.float64]:
    """(m, 4): for each cell of a grid, the box around its boxes (n, 4), so that few have to be transformed."""
    if len(bounds) <= CELLS * CELLS:
        return bounds
    centres = bounds[:, :2] / 2 + bounds[:, 2:] / 2
    with np.errstate(over="ignore", invalid="ignore"):  # of extremely large coordinates
        share = (centres - centres.min(axis=0)) / np.ptp(centres, axis=0)
    place = np.minimum(CELLS * np.nan_to_num(share), CELLS - 1).astype(np.int64)
    cell = place[:, 0] * CELLS + place[:, 1]
    order = np.argsort(cell, kind="stable")
    begins = np.flatnonzero(np.diff(cell[order], prepend=-1))
    bounds = bounds[order]
    return np.hstack((np.minimum.reduceat(bounds[:, :2], begins), np.maximum.reduceat(bounds[:, 2:], begins)))
