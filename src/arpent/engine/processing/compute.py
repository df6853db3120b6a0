"""Compute: all numbers of some features; errors are values here, so that one feature never costs another."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from arpent.domain.errors import ScriptError
from arpent.domain.feature import Features
from arpent.domain.grid import Grids
from arpent.domain.request import Request
from arpent.domain.result import Failure, IntervalResult, PartitionResult
from arpent.engine.geometry_checks import as_failures, unusable, usable_rows
from arpent.engine.band_bindings import bind
from arpent.engine.processing.acquisitions import one_after_another
from arpent.engine.processing.interval import Computation, as_failure, evaluate
from arpent.engine.processing.sample_geometry import stand
from arpent.engine.processing.script_supervisor import Interpreter
from arpent.engine.processing_units import processing_units
from arpent.engine.services import World


def compute(
    request: Request, features: Features, script: str, world: World, grids: Grids | None = None
) -> tuple[PartitionResult, ...]:
    """One result for the features that can have numbers, one for those that cannot (either may be missing).

    `grids` replaces the features' own (a synchronous request with a bbox). An image that is broken for good, or a
    script that does not come to an end, costs only the features and intervals that need the one or cause the other.
    Raises WorldError when the catalogue, the store or a server of images fails: the partition may be tried again.
    """
    found = unusable(features, request.sampling, grids)
    rows = usable_rows(features, found)
    results = []
    if found:
        broken = np.array(sorted(found), np.intp)
        messages = as_failures(found)
        results.append(_failed(features.take(broken), {place: messages[int(row)] for place, row in enumerate(broken)}))
    if len(rows):
        usable = features.take(rows) if found else features
        own = Grids.over(usable.bounds, request.sampling) if grids is None else grids.take(rows)
        results.append(_usable(request, usable, own, script, world))
    return tuple(results)


def _usable(request: Request, features: Features, grids: Grids, script: str, world: World) -> PartitionResult:
    try:
        with Interpreter(world.runtime, script) as interpreter:
            return _computed(request, features, grids, interpreter, world)
    except ScriptError as error:
        return _failed(features, dict.fromkeys(range(len(features)), as_failure(error)))


def _computed(
    request: Request, features: Features, grids: Grids, interpreter: Interpreter, world: World
) -> PartitionResult:
    computation = Computation(
        feeds=bind(interpreter.evalscript, request, world.collections),
        footing=stand(features, grids),
        session=interpreter,
        calculations=request.calculations,
        world=world,
    )
    intervals: list[IntervalResult] = []
    for interval, acquisitions in one_after_another(computation.feeds, request.intervals, computation.footing, world):
        intervals.extend(evaluate(computation, interval, acquisitions))
    return PartitionResult(
        features=features,
        intervals=tuple(intervals),
        geometry_pixel_count=computation.footing.samples.counts,
        processing_units=processing_units(grids.sample_count, _weights(intervals, len(features))),
    )


def _weights(intervals: list[IntervalResult], count: int) -> NDArray[np.float64]:
    """(n,): input bands times data samples, over the intervals with data."""
    weights = np.zeros(count)
    for one in intervals:
        weights += one.present * one.band_samples
    return weights


def _failed(features: Features, failures: Mapping[int, Failure]) -> PartitionResult:
    """Features without numbers."""
    return PartitionResult(
        features=features,
        intervals=(),
        geometry_pixel_count=np.zeros(len(features), np.int64),
        failures=failures,
    )
