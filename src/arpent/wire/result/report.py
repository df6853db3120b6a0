"""Report: the analysis's findings about a job's features, as JSON (`report/features.json`)."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from arpent.domain.finding import Finding, Verdict


def render_report(findings: Sequence[Finding], hints: Sequence[str] = ()) -> bytes:
    """The report as JSON bytes; `hints` are remarks about the job as a whole."""
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


def parse_report(payload: bytes) -> list[Finding]:
    """The findings in a report, given as JSON bytes."""
    return [
        Finding(
            feature=int(line["id"]),
            identifier=line["identifier"],
            verdict=Verdict(line["verdict"]),
            kind=line["kind"],
            message=line["message"],
        )
        for line in orjson.loads(payload)["findings"]
    ]
