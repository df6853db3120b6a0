"""A partition's result built by hand, for tests of the writers."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import shapely
from pyproj import CRS

from arpent.domain.calculation import Calculation
from arpent.domain.evalscript import SampleType
from arpent.domain.feature import Features
from arpent.domain.interval import Interval
from arpent.domain.result import BandStatistics, Failure, IntervalResult, PartitionResult
from arpent.zonal.statistics import summarise


def features(count: int, crs: int = 32633) -> Features:
    return Features(
        crs=CRS(crs),
        ids=np.arange(1, count + 1),
        identifiers=tuple(None if k == 1 else f'SI-"{k}"' for k in range(count)),
        geometries=np.array([shapely.box(k, 0, k + 1, 1) for k in range(count)], dtype=object),
    )


def band(count: int, calculation: Calculation, sample_type: SampleType = SampleType.FLOAT32) -> BandStatistics:
    """Feature k has k samples (0.1, 0.2, …) of k + 1; the first has none that is valid."""
    lengths = np.arange(count)
    values = np.concatenate([np.empty(0), *[np.arange(1, k + 1) / 10 for k in lengths]])
    return summarise(
        values,
        np.ones(len(values), bool),
        np.concatenate(([0], np.cumsum(lengths))),
        sample_count=lengths + 1,
        calculation=calculation,
        sample_type=sample_type,
    )


def interval(
    month: int,
    outputs: dict[str, dict[str, BandStatistics]],
    *,
    present: list[bool],
    failures: dict[int, Failure] | None = None,
) -> IntervalResult:
    return IntervalResult(
        interval=Interval(start=datetime(2020, month, 1, tzinfo=UTC), end=datetime(2020, month + 1, 1, tzinfo=UTC)),
        present=np.array(present),
        outputs=outputs,
        failures=failures or {},
        items=("S2A", "S2B"),
        used=np.tile([[True], [month % 2 == 0]], (1, len(present))),
    )


def partition(count: int, *intervals: IntervalResult, failures: dict[int, Failure] | None = None) -> PartitionResult:
    return PartitionResult(
        features=features(count),
        intervals=intervals,
        geometry_pixel_count=np.arange(count),
        failures=failures or {},
    )
