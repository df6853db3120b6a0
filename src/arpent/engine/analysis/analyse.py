"""Analyse: read and check the features, dry-run the script, estimate the work and partition it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from arpent.domain.boundary.wanted import Wanted
from arpent.domain.errors import ScriptExecutionError, ScriptOutOfMemory
from arpent.domain.feature import Features
from arpent.domain.grid import Grids, PixelRule
from arpent.domain.location import Location
from arpent.domain.partition import Analysis
from arpent.domain.request import Request
from arpent.engine import hints
from arpent.engine.analysis import report
from arpent.engine.analysis.check_calculations import check_calculations
from arpent.engine.analysis.check_update import check_update
from arpent.engine.analysis.estimate import (
    NOTHING,
    AvailableImagery,
    available_imagery,
    bytes_to_read,
    estimate,
    seconds_of,
)
from arpent.engine.analysis.partitioning import assign_blocks, cut_into_partitions, partition_size, runs
from arpent.engine.analysis.read_features import load_features, with_own_keys
from arpent.engine.analysis.script_dry_run import check_resolution, dry_run
from arpent.engine.band_bindings import BandBinding, bind_bands, has_scenes
from arpent.engine.budget import MOST_FEATURE_NUMBERS, answer_numbers, check_numbers, kept_numbers
from arpent.engine.geometry_checks import check_geometries, usable_rows
from arpent.engine.guards import check_wanted, guarded
from arpent.engine.hints import Filtered
from arpent.engine.isolation import Isolation, unforeseen_failure
from arpent.engine.output_keys import own
from arpent.engine.processing.process import script_of
from arpent.engine.processing.sample_geometry import without_samples
from arpent.engine.services import Limits, Services
from arpent.evalscript.lint import script_hints
from arpent.wire.origin import origin
from arpent.wire.result.report import render_report
from arpent.zonal.pixel_rules import check_metres

Answer = TypeVar("Answer")
SURVEYED = 500
"""Maximum number of features for which the analysis searches imagery."""


def analyse(
    job_id: str, request: Request, services: Services, limits: Limits, wanted: Wanted = lambda: True
) -> Analysis:
    """Analyse a job: partitions, findings, estimate and hints, without reading pixels. Raises CallerError if the
    request or the features are wrong, ScriptError, WorldError, and NoLongerWanted soon after `wanted` returns False."""
    assert isinstance(request.features, Location), "a batch request names a file of features"
    assert request.output is not None, "a batch request has an output"
    services = guarded(services, wanted)
    check_update(request, services.objects)
    script = script_of(request, services)
    bindings, remarks, numbers, kept = _twice(lambda: _understood(script, request, services, limits))
    features = load_features(request.features, services, limits)
    features = features if features.valid is not None else features.checked()
    check_resolution(features, request.sampling, bindings)
    check_metres(features.crs, request.pixels)
    sources = [each for each in (request.features, request.script) if isinstance(each, Location)]
    as_told, features = features, with_own_keys(job_id, request.output, features, *sources)

    grids = Grids.over(features.bounds, request.sampling)
    found = _geometry_faults(features, grids, request.pixels)
    rows = usable_rows(features, found)
    usable, grids = features.take(rows), grids.take(rows)
    sample = _evenly(len(usable))
    seen = _available_imagery(bindings, request, usable.take(sample), grids.take(sample), services)
    remarks += _twice(lambda: _tried(script, bindings, seen, services))
    remarks += (*hints.of_offers(bindings), *hints.of_filters(bindings, request.intervals, seen.filtered))
    remarks += tuple(hints.of_range(bindings, request.intervals, seen.filtered))
    findings = [
        *report.unusable_findings(features, found),
        *report.small(usable, grids, request.sampling, request.pixels),
        *report.names(as_told, features, request.output),
        *report.outside(
            usable.take(sample),
            seen,
            bindings,
            intervals=request.intervals,
            complete=len(sample) == len(usable),
        ),
    ]
    check_wanted(wanted)
    # Writing the report also shows early whether the bucket can be written at all.
    services.objects.write(own(request.output, job_id, "report/features.json"), render_report(findings, remarks))

    if services.table is not None:
        place = own(request.output, job_id, "features/features.parquet")
        services.features.copy(request.features, place, origin(request))
    if services.collection is not None:
        described = services.collection(job_id, request, features)
        services.objects.write(own(request.output, job_id, "stac/collection.json"), described)

    layout = assign_blocks(_centres(features), features.crs, seen.rasters, _corners(features))
    weight = np.ones(len(features), np.int64)
    weight[rows] = grids.sample_count
    scenes = has_scenes(bindings)
    size = partition_size(weight, layout, limits.pixel_budget, kept, scenes=scenes, numbers=numbers)
    parts = runs(weight, layout, size, limits.parallelism)
    volume = bytes_to_read(seen, usable, _numbers(parts, len(features))[rows])
    return Analysis(
        partitions=cut_into_partitions(features, parts),
        findings=findings,
        script=script if isinstance(request.script, Location) else None,
        hints=remarks,
        estimate=estimate(
            seen,
            intervals=len(request.intervals),
            sample=sample,
            sample_count=grids.sample_count,
            size=volume,
            seconds=seconds_of(volume, len(usable) * len(request.intervals), len(parts), limits.parallelism),
        ),
    )


def _geometry_faults(features: Features, grids: Grids, rule: PixelRule) -> dict[int, tuple[str, str]]:
    """The result of `check_geometries`; features for which the check itself fails count as unusable."""

    def some(rows: NDArray[np.intp]) -> dict[int, tuple[str, str]]:
        if len(rows) == len(features):
            return check_geometries(features, grids, rule)
        return check_geometries(features.take(rows), grids.take(rows), rule)

    found: dict[int, tuple[str, str]] = {}
    for rows, answer in Isolation().run(np.arange(len(features)), some):
        if isinstance(answer, Exception):
            found |= dict.fromkeys(rows.tolist(), ("failed", unforeseen_failure(answer).message))
        else:
            found |= {int(rows[row]): reason for row, reason in answer.items()}
    return found


def _twice(step: Callable[[], Answer]) -> Answer:
    """The result of a step that runs the script; the step is repeated once if it fails. If the interpreter is killed
    from outside, it looks as if the script ran out of memory; only if that happens twice may it fail the whole job."""
    try:
        return step()
    except (ScriptOutOfMemory, ScriptExecutionError):
        return step()


def _understood(
    script: str, request: Request, services: Services, limits: Limits
) -> tuple[tuple[BandBinding, ...], tuple[str, ...], int, int]:
    """Band bindings of the script, hints about its text, the count of numbers that a feature has in all intervals, and
    how many numbers must be kept for each sample of an interval. A script that sees no scenes is also dry-run here,
    since that needs no imagery."""
    with services.runtime.open(script) as session:
        bindings = bind_bands(session.evalscript, request, services.collections)
        check_calculations(session.evalscript, request.calculations, lenient=limits.lenient_histograms)
        check_numbers(session.evalscript, request.calculations, len(request.intervals), MOST_FEATURE_NUMBERS)
        if not has_scenes(bindings):
            dry_run(session, bindings, ())
        numbers = answer_numbers(session.evalscript, request.calculations) * len(request.intervals)
        kept = kept_numbers(session.evalscript, request.calculations)
        return bindings, script_hints(session.evalscript), numbers, kept


def _tried(
    script: str, bindings: tuple[BandBinding, ...], seen: AvailableImagery, services: Services
) -> tuple[str, ...]:
    """Hints from a dry run with the scenes that were found; none for a script that sees no scenes."""
    if not has_scenes(bindings):
        return ()
    with services.runtime.open(script) as session:
        return dry_run(session, bindings, seen.scenes, complete=seen.all_scenes)


def _available_imagery(
    bindings: tuple[BandBinding, ...], request: Request, sample: Features, grids: Grids, services: Services
) -> AvailableImagery:
    if not len(sample):
        return replace(NOTHING, filtered=tuple(Filtered(0) for _ in bindings))
    return available_imagery(bindings, request.intervals, without_samples(sample, grids), services)


def _evenly(count: int) -> NDArray[np.intp]:
    """(m,): rows of the features for which imagery is searched, evenly spread over all `count`."""
    return np.unique(np.linspace(0, count - 1, min(SURVEYED, count)).astype(np.intp))


def _numbers(parts: Sequence[NDArray[np.intp]], count: int) -> NDArray[np.int64]:
    """(n,): number of the partition that each feature belongs to."""
    numbers = np.zeros(count, np.int64)
    for number, rows in enumerate(parts):
        numbers[rows] = number
    return numbers


def _centres(features: Features) -> NDArray[np.float64]:
    """(n, 2): centres of the bounding boxes; (0, 0) for features without one."""
    bounds = features.bounds
    return np.nan_to_num((bounds[:, :2] + bounds[:, 2:]) / 2, nan=0.0, posinf=0.0, neginf=0.0)


def _corners(features: Features) -> NDArray[np.float64]:
    """(n, 2): north-western corners of the bounding boxes; (0, 0) for features without one."""
    return np.nan_to_num(features.bounds[:, [0, 3]], nan=0.0, posinf=0.0, neginf=0.0)
