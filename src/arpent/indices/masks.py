"""Cloud masks: collection → the band that tells clouds, and which of its numbers are clear."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudMask:
    """A rule that tells clear samples of a collection."""

    band: str
    """The band that tells."""
    clear: str
    """JavaScript over `Q`, the band's number: true where the ground is seen."""
    words: str
    """The rule in words, for a comment in the script."""


MASKS: Mapping[str, CloudMask] = {
    "sentinel-2-l2a": CloudMask(
        band="SCL",
        clear="Q == 2 || Q == 4 || Q == 5 || Q == 6 || Q == 7",
        words="SCL 2 (dark), 4 (vegetation), 5 (bare), 6 (water), 7 (unclassified) count; shadow, cloud, snow do not",
    ),
    "landsat-ot-l2": CloudMask(
        band="BQA",
        clear="(Q & 63) == 0",
        words="samples count that have none of the bits 0 to 5 of QA_PIXEL: fill, clouds, cirrus, shadow, snow",
    ),
}
