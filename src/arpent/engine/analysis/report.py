"""Report: what is wrong, or worth knowing, about each feature before it is processed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import orjson
import shapely
from numpy.typing import NDArray

from arpent.domain.feature import Features
from arpent.domain.finding import Finding, Verdict
from arpent.domain.grid import Grids
from arpent.engine.analysis.estimate import Survey

SMALL = "The polygon is smaller than one sample; its numbers are those of the pixels that it touches."
OUTSIDE = "No acquisition of the time range reaches the feature; its file will hold no interval."
NO_INTERVAL = (
    "The time range holds no whole interval, so that no feature's file holds one. Lengthen timeRange, shorten "
    "aggregationInterval, or set lastIntervalBehavior to SHORTEN or EXTEND."
)
SAMPLED = " Only a sample of the features was looked at: others may share this."


def unusable_findings(features: Features, found: Mapping[int, tuple[str, str]]) -> list[Finding]:
    """Features that will have no numbers."""
    return [_finding(features, row, Verdict.FAILED, kind, message) for row, (kind, message) in sorted(found.items())]


def warnings(features: Features, usable: Features, grids: Grids) -> list[Finding]:
    """Features that will have numbers which may surprise."""
    small = np.flatnonzero(shapely.area(usable.geometries) < np.prod(grids.pixel_size, axis=1))
    findings = [_finding(usable, int(row), Verdict.WARNING, "smaller-than-a-sample", SMALL) for row in small]
    first: dict[str, int] = {}
    for row, identifier in enumerate(features.identifiers):
        if identifier is not None and first.setdefault(identifier, row) != row:
            message = f"Feature {features.ids[first[identifier]]} has the same identifier '{identifier}'."
            findings.append(_finding(features, row, Verdict.WARNING, "duplicate-identifier", message))
    return findings


def outside(sample: Features, seen: Survey, *, intervals: int, complete: bool) -> list[Finding]:
    """Features that no item reaches in any of the intervals; `complete`: all features were looked at."""
    if not intervals:
        return [_finding(sample, row, Verdict.WARNING, "no-interval", NO_INTERVAL) for row in range(len(sample))]
    message = OUTSIDE if complete else OUTSIDE + SAMPLED
    rows: NDArray[np.intp] = np.flatnonzero(~seen.reached)
    return [_finding(sample, int(row), Verdict.WARNING, "outside-imagery", message) for row in rows]


def render_report(findings: Sequence[Finding], hints: Sequence[str] = ()) -> bytes:
    """The report as JSON; `hints`: what is told of the job as a whole."""
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
    return orjson.dumps({"findings": lines} | ({"hints": list(hints)} if hints else {}))


def _finding(features: Features, row: int, verdict: Verdict, kind: str, message: str) -> Finding:
    return Finding(
        feature=int(features.ids[row]),
        identifier=features.identifiers[row],
        verdict=verdict,
        kind=kind,
        message=message,
    )
