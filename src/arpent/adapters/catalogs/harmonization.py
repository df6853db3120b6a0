"""Harmonization: the baseline offset to add to an asset's digital numbers so that DN = 10000 * reflectance
(sentinelhub.md 6)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from arpent.domain.boundary.text import whole_number
from arpent.domain.imagery.collection import Collection

Document = Mapping[str, object]
"""JSON of a STAC item, or of a part of it."""


def offset(collection: Collection, item: Document, asset: Document) -> float:
    """The offset by the first of the collection's rules that has an answer; 0 if none has. For harmonized bands
    only."""
    rule = collection.harmonize
    own = rule.get("by_collection")
    rules = own.get(item.get("collection"), rule.get("rules")) if isinstance(own, Mapping) else rule.get("rules")
    for name in rules if isinstance(rules, Sequence) else ():
        answer = _RULES[name](rule, item, asset)
        if answer is not None:
            return answer
    return 0.0


def properties(item: Document) -> Document:
    """The item's `properties`; empty if it has none."""
    found = item.get("properties")
    return found if isinstance(found, Mapping) else {}


def baseline(rule: Document, item: Document) -> tuple[int, ...] | None:
    """The processing baseline, `05.09` as (5, 9); None if the item does not say."""
    names = rule.get("baseline")
    for name in names if isinstance(names, Sequence) else ():
        text = properties(item).get(str(name))
        if isinstance(text, str) and (found := _numbers(text)):
            return found
    return None


def _by_flag(rule: Document, item: Document, _: Document) -> float | None:
    flags = rule.get("flag")
    names = (flags,) if isinstance(flags, str) else flags if isinstance(flags, Sequence) else ()
    return 0.0 if any(properties(item).get(str(name)) is True for name in names) else None


def _by_raster_offset(_: Document, __: Document, asset: Document) -> float | None:
    """The asset's own scale and offset, as digital numbers: -0.1 at 0.0001 is -1000."""
    bands = asset.get("raster:bands")
    first = bands[0] if isinstance(bands, Sequence) and bands and isinstance(bands[0], Mapping) else {}
    scale, shift = first.get("scale", asset.get("raster:scale")), first.get("offset", asset.get("raster:offset"))
    if not isinstance(scale, int | float) or not isinstance(shift, int | float) or not scale:
        return None
    return round(shift / scale, 6) + 0.0


def _by_baseline(rule: Document, item: Document, _: Document) -> float | None:
    found = baseline(rule, item)
    if found is None:
        return None
    shift = rule.get("offset")
    since = _numbers(str(rule.get("since") or "0")) or (0,)
    return float(shift) if found >= since and isinstance(shift, int | float) else 0.0


def _numbers(text: str) -> tuple[int, ...]:
    """The numbers between the dots; empty if one of them is none."""
    found = [whole_number(part) for part in text.split(".")]
    return () if None in found else tuple(number for number in found if number is not None)


_RULES: Mapping[str, Callable[[Document, Document, Document], float | None]] = {
    "flag": _by_flag,
    "raster-offset": _by_raster_offset,
    "baseline": _by_baseline,
}
