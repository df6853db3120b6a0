"""Analyse: read the features, try the script, say what is wrong with either, and cut the work."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import orjson
import shapely

from arpent.engine.check import unusable, usable_rows
from arpent.engine.destination import ID, IDENTIFIER, own, result_key, template
from arpent.engine.feeds import bind
from arpent.engine.footing import stand
from arpent.engine.partition import cut, lay_out
from arpent.engine.pipeline import script_of
from arpent.engine.survey import Survey, estimate, survey
from arpent.engine.trial import check_calculations, check_resolution, try_out
from arpent.engine.world import Limits, World
from arpent.errors import FeaturesUnreadable
from arpent.model.analysis import Analysis
from arpent.model.feature import Features
from arpent.model.finding import Finding, Verdict
from arpent.model.grid import Grids
from arpent.model.location import Location
from arpent.model.request import Request

SURVEYED = 500
"""Features the survey looks at."""


def analyse(job_id: str, request: Request, world: World, limits: Limits) -> Analysis:
    """Everything that can be known before a pixel is read. Raises CallerError, ScriptError or WorldError."""
    assert isinstance(request.features, Location), "a batch request names a GeoPackage"
    assert request.output is not None, "a batch request has an output"
    script = script_of(request, world)
    with world.runtime.open(script) as session:
        feeds = bind(session.evalscript, request, world.collections)
        check_calculations(session.evalscript, request.calculations, lenient=limits.lenient_histograms)
        try_out(session, feeds)
    features = _features(request.features, world, limits)
    check_resolution(features, request.sampling, feeds)
    _check_keys(job_id, request.output, features)
    found = unusable(features, request.sampling)
    rows = usable_rows(features, found)
    findings = _unusable_findings(features, found) + _warnings(features, rows, request)
    usable = features.take(rows)
    grids = Grids.over(usable.bounds, request.sampling)
    sample = np.unique(np.linspace(0, max(0, len(rows) - 1), min(SURVEYED, len(rows))).astype(np.intp))
    seen = survey(feeds, request.intervals, stand(usable.take(sample), grids.take(sample)), world) if len(rows) else None
    findings += _outside(usable.take(sample), seen, complete=len(sample) == len(rows))
    layout = lay_out(_centres(features), features.crs, () if seen is None else seen.rasters)
    weight = np.ones(len(features), np.int64)
    weight[rows] = grids.sample_count * (1 if seen is None else seen.depth)
    expected = {} if seen is None else estimate(
        seen, feeds, len(np.unique(layout.block)), grids.sample_count, len(request.intervals), limits.parallelism
    )
    _write_report(job_id, request.output, findings, world)
    return Analysis(
        partitions=cut(features, weight, layout, limits.pixel_budget, limits.parallelism),
        findings=tuple(findings),
        estimate=expected,
    )


def _features(location: Location, world: World, limits: Limits) -> Features:
    with TemporaryDirectory(prefix="arpent-") as folder:
        path = Path(folder) / "features.gpkg"
        world.objects.download(location, path)
        batches: list[Features] = []
        count = 0
        for batch in world.read_features(path):
            batches.append(batch)
            count += len(batch)
            if limits.maximum_features is not None and count > limits.maximum_features:
                raise FeaturesUnreadable(
                    f"The GeoPackage {location.url} holds more than the {limits.maximum_features} features "
                    "that this server takes at once; split it into several requests"
                )
    if not count:
        raise FeaturesUnreadable(f"The GeoPackage {location.url} holds no features")
    return Features(
        crs=batches[0].crs,
        ids=np.concatenate([batch.ids for batch in batches]),
        identifiers=tuple(identifier for batch in batches for identifier in batch.identifiers),
        geometries=np.concatenate([batch.geometries for batch in batches]),
    )


def _check_keys(job_id: str, output: Location, features: Features) -> None:
    """Two features that would write the same object are refused: one of them would be lost."""
    pattern = template(output)
    if ID in pattern:
        return
    seen: dict[str, int] = {}
    for feature, identifier in zip(features.ids.tolist(), features.identifiers, strict=True):
        key = result_key(pattern, job_id, feature, identifier)
        if key in seen:
            raise FeaturesUnreadable(
                f"Features {seen[key]} and {feature} would both be written to '{key}'; "
                f"put {ID} into output.s3.url beside {IDENTIFIER}, or make the identifiers differ"
            )
        seen[key] = feature


def _centres(features: Features) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """(n, 2): centres of the bounding boxes; features without one go to the front."""
    bounds = features.bounds
    return np.nan_to_num((bounds[:, :2] + bounds[:, 2:]) / 2, nan=0.0, posinf=0.0, neginf=0.0)


def _unusable_findings(features: Features, found: dict[int, tuple[str, str]]) -> list[Finding]:
    return [
        _finding(features, row, Verdict.FAILED, kind, message) for row, (kind, message) in sorted(found.items())
    ]


def _warnings(features: Features, rows: np.ndarray[tuple[int, ...], np.dtype[np.intp]], request: Request) -> list[Finding]:
    """Features that will have numbers which may surprise."""
    usable = features.take(rows)
    grids = Grids.over(usable.bounds, request.sampling)
    small = shapely.area(usable.geometries) < np.prod(grids.pixel_size, axis=1)
    findings = [
        _finding(usable, int(row), Verdict.WARNING, "smaller-than-a-sample",
                 "The polygon is smaller than one sample; its numbers are those of the pixels that it touches.")
        for row in np.flatnonzero(small)
    ]
    first: dict[str, int] = {}
    for row, identifier in enumerate(features.identifiers):
        if identifier is None:
            continue
        if identifier in first:
            message = f"Feature {features.ids[first[identifier]]} has the same identifier '{identifier}'."
            findings.append(_finding(features, row, Verdict.WARNING, "duplicate-identifier", message))
        else:
            first[identifier] = row
    return findings


def _outside(sample: Features, seen: Survey | None, *, complete: bool) -> list[Finding]:
    """Features no item reaches in any interval; only if all were looked at is the list whole."""
    if seen is None:
        return []
    message = "No acquisition of the time range reaches the feature; its file will hold no interval."
    if not complete:
        message += " Only a sample of the features was looked at: others may share this."
    return [
        _finding(sample, int(row), Verdict.WARNING, "outside-imagery", message) for row in np.flatnonzero(~seen.reached)
    ]


def _finding(features: Features, row: int, verdict: Verdict, kind: str, message: str) -> Finding:
    return Finding(
        feature=int(features.ids[row]), identifier=features.identifiers[row], verdict=verdict, kind=kind, message=message
    )


def _write_report(job_id: str, output: Location, findings: list[Finding], world: World) -> None:
    """The validation report; writing it also shows early whether the bucket can be written at all."""
    lines = [
        {
            "id": finding.feature,
            "identifier": finding.identifier,
            "verdict": finding.verdict,
            "kind": finding.kind,
            "message": finding.message,
        }
        for finding in findings
    ]
    world.objects.write(own(output, job_id, "report/features.json"), orjson.dumps({"findings": lines}))


