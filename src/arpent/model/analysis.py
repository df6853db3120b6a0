"""Analysis: what a job turned out to be before anything was computed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from arpent.model.finding import Finding
from arpent.model.partition import Partition


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """May be lazy: `partitions` are read to the end first, then `findings`, then `estimate`."""

    partitions: Iterable[Partition]
    """The job's features, cut; every feature is in exactly one of them."""
    findings: Iterable[Finding] = ()
    """What is known of features before they are processed."""
    estimate: Mapping[str, float] = field(default_factory=dict)
    """What to expect: features, acquisitions, bytes, minutes, processing units."""
