"""Analyse: read the features, try the script, say what is wrong with either, and cut the work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from arpent.domain.errors import ScriptExecutionError, ScriptOutOfMemory
from arpent.domain.evalscript import Mosaicking
from arpent.domain.feature import Features
from arpent.domain.grid import Grids, Resolution, Size
from arpent.domain.location import Location
from arpent.domain.partition import Analysis
from arpent.domain.request import Request
from arpent.engine import hints
from arpent.engine.analysis import report
from arpent.engine.analysis.check_calculations import check_calculations
from arpent.engine.analysis.estimate import NOTHING, Survey, bytes_to_read, estimate, seconds_of, survey
from arpent.engine.analysis.partitioning import assign_blocks, cut_into_partitions, runs
from arpent.engine.analysis.read_features import take_in, with_own_keys
from arpent.engine.analysis.script_dry_run import check_resolution, dry_run
from arpent.engine.band_bindings import BandBinding, bind_bands
from arpent.engine.geometry_checks import unusable, usable_rows
from arpent.engine.guards import guarded
from arpent.engine.hints import Filtered
from arpent.engine.isolation import Isolation, unforeseen_failure
from arpent.engine.origin import origin
from arpent.engine.output_keys import own
from arpent.engine.processing.process import script_of
from arpent.engine.processing.sample_geometry import sample_geometry
from arpent.engine.services import Limits, Services
from arpent.evalscript.lint import script_hints

Told = TypeVar("Told")
SURVEYED = 500
"""Features the survey looks at."""


def analyse(job_id: str, request: Request, services: Services, limits: Limits) -> Analysis:
    """Everything that can be known before a pixel is read. Raises CallerError, ScriptError or WorldError."""
    assert isinstance(request.features, Location), "a batch request names a GeoPackage"
    assert request.output is not None, "a batch request has an output"
    services = guarded(services)
    script = script_of(request, services)
    bindings, told = _twice(lambda: _understood(script, request, services, limits))
    features = take_in(request.features, services, limits)
    features = replace(features, valid=features.validity)
    check_resolution(features, request.sampling, bindings)
    as_told, features = features, with_own_keys(job_id, request.output, features)

    found = _unusable(features, request.sampling)
    rows = usable_rows(features, found)
    usable = features.take(rows)
    grids = Grids.over(usable.bounds, request.sampling)
    sample = _evenly(len(usable))
    seen = _survey(bindings, request, usable.take(sample), grids.take(sample), services)
    told += _twice(lambda: _tried(script, bindings, seen, services))
    told += (*hints.of_offers(bindings), *hints.of_filters(bindings, request.intervals, seen.filtered))
    findings = [
        *report.unusable_findings(features, found),
        *report.small(usable, grids, request.sampling),
        *report.names(as_told, features, request.output),
        *report.outside(
            usable.take(sample),
            seen,
            bindings,
            intervals=request.intervals,
            complete=len(sample) == len(usable),
        ),
    ]
    # Writing the report also shows early whether the bucket can be written at all.
    services.objects.write(own(request.output, job_id, "report/features.json"), report.render_report(findings, told))

    if services.table is not None:
        place = own(request.output, job_id, "features/features.parquet")
        services.features.copy(request.features, place, origin(job_id, request))

    layout = assign_blocks(_centres(features), features.crs, seen.rasters, _corners(features))
    weight = np.ones(len(features), np.int64)
    weight[rows] = grids.sample_count * seen.depth
    parts = runs(weight, layout, limits.pixel_budget, limits.parallelism, seen.depth)
    size = bytes_to_read(seen, usable, _numbers(parts, len(features))[rows])
    return Analysis(
        partitions=cut_into_partitions(features, parts),
        findings=findings,
        hints=told,
        estimate=estimate(
            seen,
            intervals=len(request.intervals),
            sample=sample,
            sample_count=grids.sample_count,
            size=size,
            seconds=seconds_of(size, len(usable) * len(request.intervals), len(parts), limits.parallelism),
        ),
    )


def _unusable(features: Features, sampling: Resolution | Size) -> dict[int, tuple[str, str]]:
    """As `unusable`; a feature that breaks the check is one of them."""

    def some(rows: NDArray[np.intp]) -> dict[int, tuple[str, str]]:
        return unusable(features if len(rows) == len(features) else features.take(rows), sampling)

    found: dict[int, tuple[str, str]] = {}
    for rows, answer in Isolation().run(np.arange(len(features)), some):
        if isinstance(answer, Exception):
            found |= dict.fromkeys(rows.tolist(), ("failed", unforeseen_failure(answer).message))
        else:
            found |= {int(rows[row]): reason for row, reason in answer.items()}
    return found


def _twice(step: Callable[[], Told]) -> Told:
    """What a step gives that runs the script. An interpreter that was killed from outside looks as if the script had
    died of memory, and would fail the whole job: such an end has to come twice."""
    try:
        return step()
    except (ScriptOutOfMemory, ScriptExecutionError):
        return step()


def _understood(
    script: str, request: Request, services: Services, limits: Limits
) -> tuple[tuple[BandBinding, ...], tuple[str, ...]]:
    """What the script feeds on, and what is told of its text. A script without scenes is run, too, since nothing else
    has to be known for that."""
    with services.runtime.open(script) as session:
        bindings = bind_bands(session.evalscript, request, services.collections)
        check_calculations(session.evalscript, request.calculations, lenient=limits.lenient_histograms)
        if not _has_scenes(bindings):
            dry_run(session, bindings, ())
        return bindings, script_hints(session.evalscript)


def _tried(script: str, bindings: tuple[BandBinding, ...], seen: Survey, services: Services) -> tuple[str, ...]:
    """What is told of a run in the scenes that the survey has seen."""
    if not _has_scenes(bindings):
        return ()
    with services.runtime.open(script) as session:
        return dry_run(session, bindings, seen.scenes, complete=seen.all_scenes)


def _has_scenes(bindings: Sequence[BandBinding]) -> bool:
    return any(binding.input.mosaicking is not Mosaicking.SIMPLE for binding in bindings)


def _survey(
    bindings: tuple[BandBinding, ...], request: Request, sample: Features, grids: Grids, services: Services
) -> Survey:
    if not len(sample):
        return replace(NOTHING, filtered=tuple(Filtered(0) for _ in bindings))
    return survey(bindings, request.intervals, sample_geometry(sample, grids), services)


def _evenly(count: int) -> NDArray[np.intp]:
    """Rows of the features to survey, spread over all of them."""
    return np.unique(np.linspace(0, count - 1, min(SURVEYED, count)).astype(np.intp))


def _numbers(parts: Sequence[NDArray[np.intp]], count: int) -> NDArray[np.int64]:
    """(n,): which partition each feature belongs to."""
    numbers = np.zeros(count, np.int64)
    for number, rows in enumerate(parts):
        numbers[rows] = number
    return numbers


def _centres(features: Features) -> NDArray[np.float64]:
    """(n, 2): centres of the bounding boxes; features without one go to the origin."""
    bounds = features.bounds
    return np.nan_to_num((bounds[:, :2] + bounds[:, 2:]) / 2, nan=0.0, posinf=0.0, neginf=0.0)


def _corners(features: Features) -> NDArray[np.float64]:
    """(n, 2): north-western corners of the bounding boxes, likewise."""
    return np.nan_to_num(features.bounds[:, [0, 3]], nan=0.0, posinf=0.0, neginf=0.0)
