"""Report: findings about features before they are processed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from arpent.domain.boundary.text import REPLACEMENT
from arpent.domain.feature import Features
from arpent.domain.finding import Finding, Verdict
from arpent.domain.grid import AS_THE_SERVICE, Grids, PixelRule, Resolution, Rule, Size
from arpent.domain.interval import Interval
from arpent.domain.location import IDENTIFIER, Location
from arpent.engine.analysis.estimate import AvailableImagery
from arpent.engine.band_bindings import BandBinding
from arpent.engine.geometry_checks import smaller_than_a_sample
from arpent.engine.hints import CLOUDS, outside_time
from arpent.engine.output_keys import LONGEST, name_of, safe, template

SMALL = "The polygon is smaller than one sample; its numbers are those of {whose}."
TOUCHED = "the pixels that it touches"
CENTRED = "the pixel whose centre lies in it, if there is one"
NEAREST = "the pixel whose centre lies in it, or else of the nearest one"
TAKEN = (
    "The name that output.s3.url makes of identifier '{identifier}' is taken by another feature with this "
    "identifier or by a file of the job: this feature's results are called '{own}'. Put <ID> into the url, "
    "or make the identifiers differ."
)
REPAIRED = "The identifier has bytes that are not UTF-8; each is shown as \ufffd. Write the column as UTF-8."
LONG = "The identifier is longer than the {limit} letters that a file's name may have; the file is called '{name}'."
OUTSIDE = "No acquisition of the time range reaches the feature; its file will hold no interval."
NO_INTERVAL = (
    "The time range holds no whole interval, so that no feature's file holds one. Lengthen timeRange, shorten "
    "aggregationInterval, or set lastIntervalBehavior to SHORTEN or EXTEND."
)
CLOUDY = (
    "maxCloudCoverage leaves no acquisition of the time range that reaches the feature (an item without cloud "
    "cover passes only at 100); its file will hold no interval."
)
FILTERED = (
    "dataFilter ({names}) leaves no acquisition of the time range that reaches the feature; its file will hold no "
    "interval."
)
LACKING = (
    "No acquisition that reaches the feature has all bands that the script asks for ({bands} is missing): its samples "
    "have no data."
)
LATE = "dataFilter.timeRange leaves no acquisition of the request's intervals; the file will hold no interval."
SAMPLED = " Only a sample of the features was checked: others may be affected too."


def unusable_findings(features: Features, found: Mapping[int, tuple[str, str]]) -> list[Finding]:
    """Findings about features that cannot have statistics."""
    return [_finding(features, row, Verdict.FAILED, kind, message) for row, (kind, message) in sorted(found.items())]


def small(
    usable: Features, grids: Grids, sampling: Resolution | Size, rule: PixelRule = AS_THE_SERVICE
) -> list[Finding]:
    """Findings about features smaller than one sample; `rule`: which samples belong to a polygon."""
    whose = TOUCHED if rule.kind is not Rule.CENTRE else NEAREST if rule.nearest else CENTRED
    message = SMALL.format(whose=whose)
    rows = np.flatnonzero(smaller_than_a_sample(usable, grids, sampling))
    return [_finding(usable, int(row), Verdict.WARNING, "smaller-than-a-sample", message) for row in rows]


def names(given: Features, named: Features, output: Location) -> list[Finding]:
    """Findings about identifiers that are repeated, changed or too long; `given`: features as in the file, `named`: as
    in the results."""
    by_name = IDENTIFIER in template(output)
    if not by_name and given.identifiers == named.identifiers and _plain(given.identifiers):
        return []
    first: dict[str, int] = {}
    findings = []
    ids = given.ids.tolist()
    for row, (identifier, own) in enumerate(zip(given.identifiers, named.identifiers, strict=True)):
        feature = ids[row]
        if own != identifier:
            message = TAKEN.format(identifier=identifier if identifier is not None else feature, own=own)
            findings.append(_finding(named, row, Verdict.WARNING, "duplicate-identifier", message))
        elif identifier and first.setdefault(identifier, row) != row:
            message = f"Feature {given.ids[first[identifier]]} has the same identifier '{identifier}'."
            findings.append(_finding(named, row, Verdict.WARNING, "duplicate-identifier", message))
        if not identifier:
            continue
        if REPLACEMENT in identifier:
            findings.append(_finding(named, row, Verdict.WARNING, "identifier-repaired", REPAIRED))
        if by_name and len(safe(identifier)) > LONGEST:
            message = LONG.format(limit=LONGEST, name=name_of(feature, own))
            findings.append(_finding(named, row, Verdict.WARNING, "long-identifier", message))
    return findings


def _plain(identifiers: Sequence[str | None]) -> bool:
    """Whether all identifiers differ, and none was repaired."""
    texts = [each for each in identifiers if each]
    return len(set(texts)) == len(texts) and REPLACEMENT not in "".join(texts)


def outside(
    sample: Features,
    seen: AvailableImagery,
    bindings: Sequence[BandBinding],
    *,
    intervals: Sequence[Interval],
    complete: bool,
) -> list[Finding]:
    """Findings about features that no item reaches in any interval, possibly because filters exclude all items, and
    about features that only items without a needed band reach. `complete`: imagery was searched for all features."""
    if not intervals:
        return [_finding(sample, row, Verdict.WARNING, "no-interval", NO_INTERVAL) for row in range(len(sample))]
    late = [outside_time(binding, intervals) for binding in bindings]
    findings = []
    for row in np.flatnonzero(~seen.reached).tolist():
        excluding = sorted({name for found in seen.filtered for name, reached in found.reached.items() if reached[row]})
        kind, message = "outside-imagery", OUTSIDE
        if all(late):
            kind, message = "filtered-out", LATE
        elif excluding:
            kind = "filtered-out"
            message = CLOUDY if excluding == [CLOUDS] else FILTERED.format(names=", ".join(excluding))
        findings.append(_finding(sample, row, Verdict.WARNING, kind, message if complete else message + SAMPLED))
    for found in seen.filtered:
        message = LACKING.format(bands=" or ".join(found.lacking)) + ("" if complete else SAMPLED)
        bare = np.flatnonzero(seen.reached & ~found.complete) if found.lacking else ()
        findings.extend(_finding(sample, int(row), Verdict.WARNING, "band-missing", message) for row in bare)
    return findings


def _finding(features: Features, row: int, verdict: Verdict, kind: str, message: str) -> Finding:
    return Finding(
        feature=int(features.ids[row]),
        identifier=features.identifiers[row],
        verdict=verdict,
        kind=kind,
        message=message,
    )
