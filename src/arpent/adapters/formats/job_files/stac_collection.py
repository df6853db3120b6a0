"""STAC collection of what a job writes: the columns of its table, and where its features lie."""

from __future__ import annotations

import numpy as np

from arpent.adapters.formats.parquet_columns import job_ranks, more_columns, schema
from arpent.domain.feature import Features
from arpent.domain.request import Request
from arpent.raster.footprints.reach import geographic
from arpent.wire.result.collection import render_collection

WORLD = (-180.0, -90.0, 180.0, 90.0)
"""The extent where no feature has one."""


def stac_collection(job_id: str, request: Request, features: Features) -> bytes:
    """The file of the collection. `features`: all of the job's."""
    layout = schema(job_ranks(request.calculations), more_columns(request.calculations))
    columns = [(field.name, str(field.type).replace("<item:", "<element:")) for field in layout]  # as in Parquet
    return render_collection(job_id, request, len(features), _box(features), columns)


def _box(features: Features) -> list[float]:
    """West, south, east, north of all features, in degrees."""
    bounds = features.bounds[np.isfinite(features.bounds).all(axis=1)]
    moved = geographic(bounds, features.crs) if len(bounds) else bounds
    moved = moved[np.isfinite(moved).all(axis=1)]
    if not len(moved):
        return list(WORLD)
    low, high = moved[:, :2].min(axis=0), moved[:, 2:].max(axis=0)
    return [float(each) for each in (*low, *high)]
