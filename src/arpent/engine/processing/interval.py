"""Interval: one interval of one partition: acquisitions, pixels, script and statistics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from arpent.domain.calculation import Calculations
from arpent.domain.errors import ScriptError, ScriptTimeout
from arpent.domain.evalscript import Evalscript, Mosaicking
from arpent.domain.interval import Interval
from arpent.domain.ports.scripts import ScriptAnswer, ScriptInput
from arpent.domain.result import BandStatistics, ErrorType, Failure, IntervalResult
from arpent.engine.band_bindings import BandBinding
from arpent.engine.budget import check_numbers
from arpent.engine.isolation import Isolation, unforeseen_failure
from arpent.engine.processing.acquisitions import IntervalAcquisitions
from arpent.engine.processing.inputs import Prepared, prepare
from arpent.engine.processing.sample_geometry import SampleGeometry
from arpent.engine.processing.scatter import scatter_to_partition
from arpent.engine.processing.script_supervisor import ScriptSupervisor
from arpent.engine.processing_units import band_samples, fusion
from arpent.engine.services import Services
from arpent.engine.stage_timer import READ, REDUCE, SCRIPT
from arpent.zonal.reductions import OutsideSample
from arpent.zonal.statistics import summarise

OUTSIDE = np.iinfo(np.int64).min
"""Stands for the sample outside the polygons where segments are named by feature ids."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Computation:
    """What stays the same over all intervals of a partition."""

    bindings: tuple[BandBinding, ...]
    """Inputs of the script with their collections."""
    geometry: SampleGeometry
    """The features' grids and samples."""
    session: ScriptSupervisor
    """The loaded script."""
    calculations: Calculations
    """What to report."""
    services: Services
    """Ports for images, catalogue and buckets."""


def evaluate_isolated(
    computation: Computation, found: IntervalAcquisitions, isolation: Isolation
) -> Iterator[IntervalResult]:
    """As `evaluate`, except that a feature which fails for an unforeseen reason fails alone, in this interval. If
    finding the acquisitions failed, the interval fails for all features."""
    count = len(computation.geometry.features)
    if found.error is not None:
        yield _failed_interval(found.interval, np.ones(count, bool), found.error)
        return

    def some(rows: NDArray[np.intp]) -> list[IntervalResult]:
        try:
            if len(rows) == count:
                return list(evaluate(computation, found))
            part = replace(computation, geometry=computation.geometry.take(rows))
            results = evaluate(part, found.take(rows))
            return [scatter_to_partition(result, rows, count) for result in results]
        except Exception:
            computation.session.restart()  # who knows in which state it was left
            raise

    for rows, answer in isolation.run(np.arange(count), some):
        if isinstance(answer, Exception):
            yield _failed_interval(found.interval, found.present & np.isin(np.arange(count), rows), answer)
        else:
            yield from answer


def _failed_interval(interval: Interval, present: NDArray[np.bool_], error: Exception) -> IntervalResult:
    failures = dict.fromkeys(np.flatnonzero(present).tolist(), unforeseen_failure(error))
    return IntervalResult(interval=interval, present=present, outputs={}, failures=failures)


def evaluate(computation: Computation, found: IntervalAcquisitions) -> Iterator[IntervalResult]:
    """Results of one interval: one for SIMPLE, otherwise one per group of features that see the same scenes."""
    for members in groups(computation.bindings, found):
        rows = np.flatnonzero(members)
        alone = len(computation.bindings) == 1 and computation.bindings[0].input.mosaicking is Mosaicking.SIMPLE
        if alone or len(rows) == len(members):
            yield _evaluate_group(computation, found)
            continue
        part = replace(computation, geometry=computation.geometry.take(rows))
        yield scatter_to_partition(_evaluate_group(part, found.take(rows)), rows, len(members))


def groups(bindings: Sequence[BandBinding], found: IntervalAcquisitions) -> Iterator[NDArray[np.bool_]]:
    """Groups of features (n,) that see the same scenes: a script's `samples` has one entry per scene of its feature;
    with several sources, `samples` of SIMPLE have length 0 or 1 (sentinelhub.md 5.2)."""
    scened = [
        one.reach.any(axis=0, keepdims=True) if binding.input.mosaicking is Mosaicking.SIMPLE else one.reach
        for binding, one in zip(bindings, found.inputs, strict=True)
        if len(bindings) > 1 or binding.input.mosaicking is not Mosaicking.SIMPLE
    ]
    present = found.present
    group = np.zeros(len(present), np.intp)
    if scened:
        _, group = np.unique(np.packbits(np.concatenate(scened), axis=0).T, axis=0, return_inverse=True)
    for number in range(int(group.max(initial=0)) + 1):
        members = present & (group.ravel() == number)
        if members.any():
            yield members


def _evaluate_group(computation: Computation, found: IntervalAcquisitions) -> IntervalResult:
    try:
        prepared, answer = run_script(computation, found)
    except ScriptError as error:
        failures = dict.fromkeys(np.flatnonzero(found.present).tolist(), as_failure(error))
        return IntervalResult(interval=found.interval, present=found.present, outputs={}, failures=failures)
    with computation.services.stopwatch.stage(REDUCE):
        return summarise_answer(computation, found, prepared, answer)


def run_script(computation: Computation, found: IntervalAcquisitions) -> tuple[Prepared, ScriptAnswer]:
    """The pixels, and the script's answer for them. All features must see the same scenes. Raises ScriptError if
    preProcessScenes or updateOutput fail; errors of evaluatePixel are in the answer."""
    stopwatch = computation.services.stopwatch
    with stopwatch.stage(READ):
        prepared = prepare(
            computation.bindings,
            found.inputs,
            computation.geometry,
            computation.session,
            found.interval,
            computation.services,
        )
    if computation.services.allowance is not None:  # updateOutput may have made more bands
        check_numbers(prepared.evalscript, computation.calculations, 1)
    owners = np.append(computation.geometry.features.ids, OUTSIDE)
    with stopwatch.stage(SCRIPT):
        return prepared, computation.session.evaluate(prepared.inputs, prepared.offsets, owners)


def summarise_answer(
    computation: Computation, found: IntervalAcquisitions, prepared: Prepared, answer: ScriptAnswer
) -> IntervalResult:
    """Statistics of what the script returned."""
    return IntervalResult(
        interval=found.interval,
        present=found.present,
        outputs=_summaries(computation, prepared, answer),
        failures=_failures(computation.geometry, prepared, answer) | dict(prepared.failures),
        items=prepared.items,
        band_samples=fusion(binding.collection.id for binding in computation.bindings)
        * band_samples(
            (binding.input.bands, _depth(inputs))
            for binding, inputs in zip(computation.bindings, prepared.inputs, strict=True)
        ),
        used=prepared.used,
    )


def _depth(inputs: ScriptInput) -> int:
    """Number of samples per pixel: 1, or the number of scenes."""
    values = inputs.values[0]
    return 1 if values.ndim == 1 else values.shape[0]


def _summaries(
    computation: Computation, prepared: Prepared, answer: ScriptAnswer
) -> dict[str, dict[str, BandStatistics]]:
    """Statistics per output and band. The last column of the answer is the sample outside the polygons."""
    evalscript = prepared.evalscript
    geometry, inside = computation.geometry, slice(None, -1)
    count, row, summaries = len(geometry.features), 0, {}
    masks = masks_of(evalscript, answer.values)
    for output in evalscript.outputs:
        valid = masks[output.mask] if output.mask is not None else np.ones(answer.values.shape[1], bool)
        bands = {}
        for band in output.bands:
            values = answer.values[row]
            row += 1
            bands[band] = summarise(
                values[inside],
                valid[inside],
                prepared.segments,
                sample_count=geometry.grids.sample_count,
                calculation=computation.calculations.of(output.id, band),
                sample_type=output.sample_type,
                outside=OutsideSample(value=np.full(count, values[-1]), valid=np.full(count, valid[-1])),
            )
        summaries[output.id] = bands
    return summaries


def masks_of(evalscript: Evalscript, values: NDArray[np.float64]) -> list[NDArray[np.bool_]]:
    """Per band of the mask (N,): whether it marks the sample valid: neither 0 nor NaN (sentinelhub.md 3.3)."""
    first = evalscript.width - evalscript.mask_bands
    return [(values[row] != 0) & ~np.isnan(values[row]) for row in range(first, evalscript.width)]


def _failures(geometry: SampleGeometry, prepared: Prepared, answer: ScriptAnswer) -> dict[int, Failure]:
    """Row → what the script threw there. If it throws for the sample outside, every feature with such samples fails."""
    outside = len(geometry.features)
    failures = {row: as_failure(error) for row, error in answer.failures.items() if row != outside}
    if outside in answer.failures:
        beyond = np.flatnonzero(geometry.grids.sample_count > geometry.samples.counts)
        failures |= {int(row): as_failure(answer.failures[outside]) for row in beyond if int(row) not in failures}
    return failures


def as_failure(error: ScriptError) -> Failure:
    """The failure that a result file states for a script's error."""
    kind = ErrorType.TIMEOUT if isinstance(error, ScriptTimeout) else ErrorType.EXECUTION_ERROR
    return Failure(type=kind, message=str(error))
