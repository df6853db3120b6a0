"""Compute: all statistics of some features. Errors become values, so that no feature fails because of another."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from arpent.domain.errors import ScriptError
from arpent.domain.feature import Features
from arpent.domain.grid import Grids
from arpent.domain.request import Request
from arpent.domain.result import Failure, IntervalResult, PartitionResult
from arpent.engine.band_bindings import bind_bands
from arpent.engine.geometry_checks import as_failures, check_geometries, usable_rows
from arpent.engine.guards import guarded
from arpent.engine.isolation import Isolation, unforeseen_failure
from arpent.engine.processing.acquisitions import intervals_with_acquisitions
from arpent.engine.processing.interval import Computation, as_failure, evaluate_isolated
from arpent.engine.processing.sample_geometry import sample_geometry
from arpent.engine.processing.script_supervisor import ScriptSupervisor
from arpent.engine.processing_units import processing_units
from arpent.engine.services import Services


def compute(request: Request, features: Features, script: str, services: Services) -> tuple[PartitionResult, ...]:
    """All numbers of a partition's features, each on the grid over its own bounds; as `compute_on_grids`."""
    grids = Grids.over(features.bounds, request.sampling)
    with ScriptSupervisor(services.runtime, script) as session:
        return compute_on_grids(request, features, grids, session, services)


def compute_on_grids(
    request: Request, features: Features, grids: Grids, session: ScriptSupervisor, services: Services
) -> tuple[PartitionResult, ...]:
    """One result for the features that can have statistics, and one for those that cannot (either may be missing).

    An unreadable image or a script that does not end fails only the features and intervals concerned, and so does any
    unforeseen error. Raises WorldError when the catalogue, the bucket or an image server fails, so that the partition
    may be tried again; EnvironmentFault if no feature is to blame.
    """
    services, isolation = guarded(services), Isolation()
    results: list[PartitionResult] = []

    def some(rows: NDArray[np.intp]) -> tuple[PartitionResult, ...]:
        whole = len(rows) == len(features)
        mine, own = (features, grids) if whole else (features.take(rows), grids.take(rows))
        return _compute(request, mine, own, session, services)

    for rows, answer in isolation.run(np.arange(len(features)), some):
        if isinstance(answer, Exception):
            failure = unforeseen_failure(answer)
            results.append(_failed(features.take(rows), dict.fromkeys(range(len(rows)), failure)))
        else:
            results.extend(answer)
    return tuple(results)


def _compute(
    request: Request, features: Features, grids: Grids, session: ScriptSupervisor, services: Services
) -> tuple[PartitionResult, ...]:
    found = check_geometries(features, grids)
    rows = usable_rows(features, found)
    results = []
    if found:
        broken = np.array(sorted(found), np.intp)
        messages = as_failures(found)
        results.append(_failed(features.take(broken), {place: messages[int(row)] for place, row in enumerate(broken)}))
    if len(rows):
        usable = (features.take(rows), grids.take(rows)) if found else (features, grids)
        results.append(_usable(request, *usable, session, services))
    return tuple(results)


def _usable(
    request: Request, features: Features, grids: Grids, session: ScriptSupervisor, services: Services
) -> PartitionResult:
    try:
        bindings = bind_bands(session.evalscript, request, services.collections)
    except ScriptError as error:
        return _failed(features, dict.fromkeys(range(len(features)), as_failure(error)))
    computation = Computation(
        bindings=bindings,
        geometry=sample_geometry(features, grids),
        session=session,
        calculations=request.calculations,
        services=services,
    )
    intervals: list[IntervalResult] = []
    isolation = Isolation()
    for found in intervals_with_acquisitions(
        bindings, request.intervals, computation.geometry, services, prefetch=True
    ):
        intervals.extend(evaluate_isolated(computation, found, isolation))
    return PartitionResult(
        features=features,
        intervals=tuple(intervals),
        geometry_pixel_count=computation.geometry.samples.counts,
        processing_units=processing_units(grids.sample_count, _weights(intervals, len(features))),
    )


def _weights(intervals: list[IntervalResult], count: int) -> NDArray[np.float64]:
    """(n,): input bands times data samples, summed over the intervals with data."""
    weights = np.zeros(count)
    for one in intervals:
        weights += one.present * one.band_samples
    return weights


def _failed(features: Features, failures: Mapping[int, Failure]) -> PartitionResult:
    """The result of features that have no statistics."""
    return PartitionResult(
        features=features,
        intervals=(),
        geometry_pixel_count=np.zeros(len(features), np.int64),
        failures=failures,
    )
