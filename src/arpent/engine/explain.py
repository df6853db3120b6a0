"""Explain: computes one feature in one interval by the same steps as processing, and keeps all intermediate values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from arpent.domain.errors import InvalidRequest, ScriptError
from arpent.domain.evalscript import DATA_MASK
from arpent.domain.explanation import Explanation, SeenInput, SeenItem, SeenOutput
from arpent.domain.feature import Features
from arpent.domain.grid import Grids
from arpent.domain.interval import Interval
from arpent.domain.location import Location
from arpent.domain.ports.scripts import ScriptAnswer
from arpent.domain.request import Request
from arpent.domain.result import Failure, IntervalResult, PartitionResult
from arpent.engine.analysis.read_features import load_feature
from arpent.engine.band_bindings import BandBinding, bind_bands
from arpent.engine.budget import check_grid
from arpent.engine.geometry_checks import as_failures, check_geometries
from arpent.engine.guards import guarded
from arpent.engine.processing.acquisitions import (
    IntervalAcquisitions,
    intervals_with_acquisitions,
    passes_cloud_filter,
    refusing_filter,
)
from arpent.engine.processing.inputs import Prepared
from arpent.engine.processing.interval import Computation, answers, read_samples
from arpent.engine.processing.process import script_of
from arpent.engine.processing.sample_geometry import sample_geometry
from arpent.engine.processing.script_supervisor import ScriptSupervisor
from arpent.engine.processing.totals import IntervalTotals, as_failure, masks_of
from arpent.engine.services import Limits, Services
from arpent.zonal.sample_type import converted

NAMED = 6
"""Maximum number of interval starts that an error message lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """The chosen interval and how to compute it, known before any pixel is read."""

    computation: Computation
    found: IntervalAcquisitions


def explain_feature(
    request: Request, feature: int, start: datetime | None, services: Services, limits: Limits | None = None
) -> Explanation:
    """Explain a feature from the file of a batch request. `start`: start of the interval; None: the first interval with
    data.

    Raises FeatureNotFound, InvalidRequest if no interval begins at `start`, LimitExceeded, ScriptError if the script
    cannot be loaded, or WorldError.
    """
    assert isinstance(request.features, Location), "a batch request names a file of features"
    if limits is not None and limits.synchronous is not None:
        services = replace(services, synchronous=replace(limits.synchronous, kept=True))
    return explain(request, load_feature(request.features, feature, services), start, services)


def explain(request: Request, features: Features, start: datetime | None, services: Services) -> Explanation:
    """Explain the only feature in `features`. For `start` and errors see `explain_feature`."""
    intervals, services = _wanted(request.intervals, start), guarded(services)
    grids = Grids.over(features.bounds, request.sampling)
    if faults := check_geometries(features, grids, request.pixels):
        return _without_numbers(features, intervals[0], as_failures(faults)[0])
    with ScriptSupervisor(services.runtime, script_of(request, services)) as session:
        bindings = bind_bands(session.evalscript, request, services.collections)
        if services.synchronous is not None:
            check_grid(grids, session.evalscript, [len(one.requests) for one in bindings], services.synchronous)
        computation = Computation(
            bindings=bindings,
            geometry=sample_geometry(features, grids, request.pixels),
            session=session,
            calculations=request.calculations,
            services=services,
        )
        return _explained(_choose(computation, intervals))


def _wanted(intervals: Sequence[Interval], start: datetime | None) -> Sequence[Interval]:
    """The interval that begins at `start`, or all intervals if `start` is None. Raises InvalidRequest if none does."""
    if not intervals:
        raise InvalidRequest("The time range of the request holds no whole interval")
    if start is None:
        return intervals
    chosen = [interval for interval in intervals if interval.start == start]
    if not chosen:
        starts = ", ".join(f"{interval.start:%Y-%m-%dT%H:%M:%SZ}" for interval in intervals[:NAMED])
        more = ", …" if len(intervals) > NAMED else ""
        raise InvalidRequest.at("from", f"no interval of the request begins then; they begin at {starts}{more}")
    return chosen


def _choose(computation: Computation, intervals: Sequence[Interval]) -> _Case:
    """The first interval with data, or the very first if none has data."""
    first: IntervalAcquisitions | None = None
    for found in intervals_with_acquisitions(
        computation.bindings, intervals, computation.geometry, computation.services
    ):
        if found.error is not None:
            raise found.error
        first = first or found
        if found.present.any():
            return _Case(computation=computation, found=found)
    assert first is not None, "there is an interval"
    return _Case(computation=computation, found=first)


def _explained(case: _Case) -> Explanation:
    if not case.found.present.any():
        return _explanation(case, _result(case), None, None)
    try:
        prepared = read_samples(case.computation, case.found)
        ((call, answer),) = answers(case.computation, prepared, len(case.computation.geometry.samples) + 1)
        assert isinstance(answer, ScriptAnswer), "sums are not asked for"
    except ScriptError as error:
        return _explanation(case, _result(case, failure=as_failure(error)), None, None, error)
    computation = case.computation
    totals = IntervalTotals(
        computation.bindings, computation.calculations, computation.geometry.grids.sample_count, case.found
    )
    totals.add(np.zeros(1, np.intp), case.found, prepared, [(call, answer)], computation.shares)
    result = _result(case, next(totals.results()))
    broken = 0 in result.intervals[0].failures
    return _explanation(
        case, result, prepared, answer, (answer.failures.get(0) or answer.failures.get(1)) if broken else None
    )


def _result(case: _Case, interval: IntervalResult | None = None, *, failure: Failure | None = None) -> PartitionResult:
    geometry = case.computation.geometry
    return PartitionResult(
        features=geometry.features,
        intervals=() if interval is None else (interval,),
        geometry_pixel_count=geometry.samples.counts,
        failures={} if failure is None else {0: failure},
    )


def _explanation(
    case: _Case,
    result: PartitionResult,
    prepared: Prepared | None,
    answer: ScriptAnswer | None,
    error: ScriptError | None = None,
) -> Explanation:
    geometry = case.computation.geometry
    return Explanation(
        features=geometry.features,
        interval=case.found.interval,
        grids=geometry.grids,
        samples=geometry.samples,
        inputs=tuple(_input(case, ordinal, prepared) for ordinal in range(len(case.found.inputs))),
        outputs=() if prepared is None or answer is None else _outputs(prepared, answer),
        result=result,
        error=error,
        log=() if answer is None else answer.log,
        gaps=() if answer is None else answer.gaps,
    )


def _without_numbers(features: Features, interval: Interval, failure: Failure) -> Explanation:
    """The Explanation of a feature whose geometry cannot have statistics."""
    result = PartitionResult(
        features=features, intervals=(), geometry_pixel_count=np.zeros(1, np.int64), failures={0: failure}
    )
    return Explanation(
        features=features, interval=interval, grids=None, samples=None, inputs=(), outputs=(), result=result
    )


def _input(case: _Case, ordinal: int, prepared: Prepared | None) -> SeenInput:
    binding, acquisitions = case.computation.bindings[ordinal], case.found.inputs[ordinal]
    origin = np.full((0, len(case.computation.geometry.samples)), -1, np.int64)
    kept: frozenset[int] = frozenset()
    if prepared is not None:
        taken = prepared.origins[ordinal]
        stored = prepared.inputs[ordinal].values[0]
        # In data fusion, a source without items has no scene at all, not even an empty one.
        origin = taken.rows()[: 1 if stored.ndim == 1 else stored.shape[0]]
        kept = frozenset(id(acquisitions.items[row]) for scene in taken.scenes for row in scene)
    given = {id(item): int(np.sum(origin == row)) for row, item in enumerate(acquisitions.items)}
    items = tuple(
        SeenItem(
            item=item,
            clear=passes_cloud_filter(item, binding),
            reached=bool(case.computation.geometry.reached(item)[0]),
            kept=id(item) in kept,
            samples=given.get(id(item), 0),
            excluded_by=(refusing_filter(item, binding) or (None,))[0],
        )
        for item in acquisitions.candidates
    )
    place = {id(seen.item): row for row, seen in enumerate(items)}
    places = np.array([*(place[id(item)] for item in acquisitions.items), -1], np.int64)
    return SeenInput(
        name=binding.input.datasource if binding.input.datasource is not None else str(ordinal),
        collection=binding.collection.id,
        mosaicking=binding.input.mosaicking,
        items=items,
        bands=tuple(requested.band.name for requested in binding.requests),
        units=tuple(requested.unit.name for requested in binding.requests),
        values=() if prepared is None else _seen(binding, prepared, ordinal),
        origin=places[origin],
        scenes=() if prepared is None else tuple(scene.fields for scene in prepared.inputs[ordinal].scenes),
    )


def _seen(binding: BandBinding, prepared: Prepared, ordinal: int) -> tuple[NDArray[np.float64], ...]:
    """Per band except dataMask (s, N): stored number * scale + offset in doubles, as in the script's loop."""
    inputs = prepared.inputs[ordinal]
    return tuple(
        np.atleast_2d(values).astype(np.float64) * scale + offset
        for band, values, (scale, offset) in zip(binding.input.bands, inputs.values, inputs.scales, strict=True)
        if band != DATA_MASK
    )


def _outputs(prepared: Prepared, answer: ScriptAnswer) -> tuple[SeenOutput, ...]:
    evalscript, outputs, row = prepared.evalscript, [], 0
    masks = masks_of(evalscript, answer.values)
    first = evalscript.width - evalscript.mask_bands
    for output in evalscript.outputs:
        returned = answer.values[row : row + len(output.bands)]
        row += len(output.bands)
        values = np.array([converted(band, output.sample_type) for band in returned]).reshape(returned.shape)
        counts = np.ones(answer.values.shape[1], bool) if output.mask is None else masks[output.mask]
        outputs.append(
            SeenOutput(
                id=output.id,
                bands=output.bands,
                sample_type=output.sample_type,
                returned=returned,
                values=values,
                mask=None if output.mask is None else answer.values[first + output.mask],
                valid=counts & ~np.isnan(values),
            )
        )
    return tuple(outputs)
