"""Cloud masks: rules that identify clear samples, and the collections that have the bands for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from arpent.domain.errors import InvalidRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudMask:
    """A rule that identifies clear samples."""

    clear: str
    """JavaScript condition on `Q`, the band's value: true where the ground is visible."""
    words: str
    """The rule in words, for a comment in the script."""
    bands: Mapping[str, str]
    """Collection → the band that the rule reads."""


LANDSAT = {f"landsat-{sensor}-{level}": "BQA" for sensor in ("ot", "tm", "etm") for level in ("l2", "l1")}
MASKS: Mapping[str, CloudMask] = {
    "scl": CloudMask(
        clear="Q == 2 || Q == 4 || Q == 5 || Q == 6 || Q == 7",
        words="SCL 2 (dark), 4 (vegetation), 5 (bare), 6 (water), 7 (unclassified) count; shadow, cloud, snow do not",
        bands={"sentinel-2-l2a": "SCL"},
    ),
    "cld": CloudMask(
        clear="Q < 40",
        words="samples count whose probability of cloud, CLD, is below 40 percent",
        bands={"sentinel-2-l2a": "CLD"},
    ),
    "qa_pixel": CloudMask(
        clear="(Q & 63) == 0",
        words="samples count that have none of the bits 0 to 5 of QA_PIXEL: fill, clouds, cirrus, shadow, snow",
        bands=LANDSAT,
    ),
    "fmask": CloudMask(
        clear="(Q & 31) == 0",
        words="samples count that have none of the bits 0 to 4 of Fmask: cirrus, cloud, next to one, shadow, snow",
        bands={"hls": "QA"},
    ),
}
"""Name of a cloud mask → its rule."""


def usual_mask(collection: str) -> str:
    """Name of the first mask that the collection has. Raises InvalidRequest if it has none."""
    for name, mask in MASKS.items():
        if collection in mask.bands:
            return name
    known = ", ".join(dict.fromkeys(one for mask in MASKS.values() for one in mask.bands))
    raise InvalidRequest(f"No band of {collection} shows clouds; masks are known for {known}")


def mask_band(name: str, collection: str) -> str:
    """The band of the collection that the mask reads. Raises InvalidRequest."""
    if name not in MASKS:
        raise InvalidRequest(f"The mask {name!r:.40} is not known: write {', '.join(MASKS)}")
    bands = MASKS[name].bands
    if collection not in bands:
        raise InvalidRequest(f"The mask {name} is for {', '.join(bands)}; {collection} lacks its band")
    return bands[collection]
