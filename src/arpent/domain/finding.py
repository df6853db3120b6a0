"""Finding: a problem with, or a remark about, one feature of a job."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

INCOMPLETE = "intervals-unavailable"
"""Kind of a warning: the feature lacks intervals that may succeed if it is processed again."""


class Verdict(StrEnum):
    """What a finding means for the feature's numbers."""

    FAILED = "FAILED"
    """The feature has no statistics; its file holds an error."""
    WARNING = "WARNING"
    """The feature has statistics, but they need a second look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the validation report."""

    feature: int
    """Primary key of the feature."""
    identifier: str | None
    """Its `identifier`, if it has one."""
    verdict: Verdict
    """Whether the feature failed or has a warning."""
    kind: str
    """empty, invalid, not-a-polygon, smaller-than-a-sample, outside-imagery, duplicate-identifier, too-large …"""
    message: str
    """A sentence that says what to do."""

    @property
    def may_pass(self) -> bool:
        """Whether processing the feature again may help."""
        return self.verdict is Verdict.FAILED or self.kind == INCOMPLETE
