"""Want: one band that a script asks for, in one unit."""

from __future__ import annotations

from dataclasses import dataclass

from arpent.model.collection import Band, Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """One band that a script asks for."""

    band: Band
    """The band."""
    unit: Unit
    """The unit the script wants; scaling to it is the script harness's work."""
