"""Compute: all statistics of some features. Errors become values, so that no feature fails because of another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from arpent.domain.errors import ScriptError
from arpent.domain.evalscript import Mosaicking
from arpent.domain.feature import Features
from arpent.domain.grid import Grids
from arpent.domain.request import Request
from arpent.domain.result import Failure, IntervalResult, PartitionResult
from arpent.engine.band_bindings import BandBinding, bind_bands
from arpent.engine.budget import samples_at_once
from arpent.engine.geometry_checks import as_failures, check_geometries, usable_rows
from arpent.engine.guards import guarded
from arpent.engine.isolation import Isolation, unforeseen_failure
from arpent.engine.processing.acquisitions import IntervalAcquisitions, intervals_with_acquisitions
from arpent.engine.processing.chunks import Chunk, chunks, raster_of_blocks
from arpent.engine.processing.interval import Computation, add_isolated
from arpent.engine.processing.sample_geometry import sample_geometry, without_samples
from arpent.engine.processing.script_supervisor import ScriptSupervisor
from arpent.engine.processing.totals import IntervalTotals, as_failure
from arpent.engine.processing_units import processing_units
from arpent.engine.services import Services

CHUNKS = 4
"""Samples that do not fit into memory at once are cut this much finer than they had to be: smaller arrays stay in the
processor's caches, and the memory of one serves the next."""


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
    limit = samples_at_once(session.evalscript, bindings, 1, services)
    if grids.sample_count.sum() <= limit and not _has_scenes(bindings):
        return _in_one_piece(request, features, grids, bindings, session, services)
    return _in_chunks(request, features, grids, bindings, session, services)


def _in_one_piece(
    request: Request,
    features: Features,
    grids: Grids,
    bindings: tuple[BandBinding, ...],
    session: ScriptSupervisor,
    services: Services,
) -> PartitionResult:
    """All samples at once, one interval after the other, while the next one is searched for."""
    geometry = sample_geometry(features, grids)
    computation = Computation(
        bindings=bindings, geometry=geometry, session=session, calculations=request.calculations, services=services
    )
    rows, isolation = np.arange(len(features)), Isolation()
    intervals: list[IntervalResult] = []
    for found in intervals_with_acquisitions(bindings, request.intervals, geometry, services, prefetch=True):
        totals = IntervalTotals(bindings, request.calculations, grids.sample_count, found)
        add_isolated(computation, rows, found, totals, isolation)
        intervals.extend(totals.results())
    return _result(features, grids, intervals, geometry.samples.counts)


def _in_chunks(
    request: Request,
    features: Features,
    grids: Grids,
    bindings: tuple[BandBinding, ...],
    session: ScriptSupervisor,
    services: Services,
) -> PartitionResult:
    """Some samples at once, for all intervals: each block of the imagery is decoded for one chunk only."""
    reach = without_samples(features, grids)
    whole = list(intervals_with_acquisitions(bindings, request.intervals, reach, services, prefetch=True))
    scenes = max((int(one.reach.sum(axis=0).max(initial=1)) for found in whole for one in found.inputs), default=1)
    limit = samples_at_once(session.evalscript, bindings, scenes, services)
    totals = [IntervalTotals(bindings, request.calculations, grids.sample_count, found) for found in whole]
    counts, isolation = np.zeros(len(features), np.int64), Isolation()
    for chunk in _cut(features, grids, bindings, whole, limit, services):
        counts[chunk.rows] += chunk.geometry.samples.counts
        computation = Computation(
            bindings=bindings,
            geometry=chunk.geometry,
            session=session,
            calculations=request.calculations,
            services=services,
        )
        for found, one in zip(whole, totals, strict=True):
            add_isolated(computation, chunk.rows, found.take(chunk.rows), one, isolation)
    return _result(features, grids, [result for one in totals for result in one.results()], counts)


def _cut(
    features: Features,
    grids: Grids,
    bindings: Sequence[BandBinding],
    found: Sequence[IntervalAcquisitions],
    limit: int,
    services: Services,
) -> Iterator[Chunk]:
    if grids.sample_count.sum() <= limit:
        yield Chunk(rows=np.arange(len(features)), geometry=sample_geometry(features, grids))
    else:
        raster = raster_of_blocks(bindings, found, features, grids, services.reader)
        yield from chunks(features, grids, raster, max(1, limit // CHUNKS))


def _result(
    features: Features, grids: Grids, intervals: list[IntervalResult], counts: NDArray[np.int64]
) -> PartitionResult:
    return PartitionResult(
        features=features,
        intervals=tuple(intervals),
        geometry_pixel_count=counts,
        processing_units=processing_units(grids.sample_count, _weights(intervals, len(features))),
    )


def _has_scenes(bindings: Sequence[BandBinding]) -> bool:
    return any(binding.input.mosaicking is not Mosaicking.SIMPLE for binding in bindings)


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
