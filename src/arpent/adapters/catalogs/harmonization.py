"""Harmonization: the offset to add to an asset's digital numbers so that DN = 10000 * reflectance for all processing
baselines (sentinelhub.md 6)."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence, Set

from arpent.domain.imagery.collection import Collection

_BASELINE = re.compile(r"N?([0-9]{1,2})\.?([0-9]{2})")
"""A baseline property: 05.09, 5.09, N0509."""
_PRODUCT_BASELINE = re.compile(r"_N([0-9]{2})\.?([0-9]{2})(?:_|\.|$)")
"""The baseline in the name of a product, S2A_MSIL2A_20230813T100031_N0509_R122_…, or datatake, GS2A_…_N05.09."""
_PRODUCT_NAME = re.compile(r"S2[A-Z]_MSI(L\d[A-Z])_\d{8}T\d{6}_N([0-9]{2})([0-9]{2})_")
"""A product name with its level and baseline within another text, such as the URL of an image or a property."""
_PRODUCTS = ("s2:product_uri", "s2:datatake_id", "eopf:datatake_id", "s2:granule_id")
Document = Mapping[str, object]
"""JSON of a STAC item, or of a part of it."""


def offset(collection: Collection, item: Document, asset: Document, index: int = 0) -> float | None:
    """The offset for band `index` of an asset, which must be a harmonized band, by the first of the collection's rules
    that has an answer. If none has: None if `baseline` is one of the rules, else 0."""
    rule = collection.harmonize
    own = rule.get("by_collection")
    rules = own.get(item.get("collection"), rule.get("rules")) if isinstance(own, Mapping) else rule.get("rules")
    names = rules if isinstance(rules, Sequence) else ()
    for name in names:
        answer = _RULES[name](collection, item, band_fields(asset, index))
        if answer is not None:
            return answer
    return None if "baseline" in names else 0.0


def properties(item: Document) -> Document:
    """The item's `properties`; empty if it has none."""
    found = item.get("properties")
    return found if isinstance(found, Mapping) else {}


def band_fields(asset: Document, index: int) -> Document:
    """The fields of an asset for one band of its file: from `raster:bands` (STAC 1.0), else `bands` (STAC 1.1), else
    from the asset itself, which apply to all its bands."""
    found = dict(asset)
    for name in ("bands", "raster:bands"):
        bands = asset.get(name)
        if isinstance(bands, Sequence) and not isinstance(bands, str) and index < len(bands):
            own = bands[index]
            found |= own if isinstance(own, Mapping) else {}
    return found


def field_of(fields: Document, name: str) -> object:
    """A field of the raster extension, with or without its prefix."""
    return fields.get(name, fields.get(f"raster:{name}"))


def number_of(value: object) -> float | None:
    """The value as a float if it is a finite number; None otherwise. Some files write NaN for a missing number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def baseline(collection: Collection, item: Document, href: object = None) -> tuple[int, ...] | None:
    """The processing baseline, `05.09` as (5, 9); None if the item does not give it. It is read from a baseline
    property, else from a product name (…_N0509_…) in the asset's href, a property of _PRODUCTS, the id or any other
    property. Products of another level are ignored, since an item may also name the products that it was made from."""
    names = collection.harmonize.get("baseline")
    for name in names if isinstance(names, Sequence) else ():
        value = properties(item).get(str(name))
        text = f"{value:.2f}" if isinstance(value, float) else value
        if isinstance(text, str) and (found := _BASELINE.fullmatch(text)):
            return int(found[1]), int(found[2])
    levels = {level.upper() for level in collection.metadata.get("levels", "").split(",") if level}
    if own := _of_products((href,), levels):
        return own
    for product in (*(properties(item).get(name) for name in _PRODUCTS), item.get("id")):
        if isinstance(product, str) and (found := _PRODUCT_BASELINE.search(product)):
            named = _PRODUCT_NAME.search(product)
            if named is None or not levels or named[1] in levels:
                return int(found[1]), int(found[2])
    return _of_products(properties(item).values(), levels)


def _of_products(texts: Iterable[object], levels: Set[str]) -> tuple[int, ...] | None:
    """The baseline of the products of these levels (empty: any level) that are named in the texts; None if there are
    none, or if they differ in the baseline."""
    found = {
        (int(major), int(minor)) for text in texts if isinstance(text, str)
        for level, major, minor in _PRODUCT_NAME.findall(text) if not levels or level in levels
    }  # fmt: skip
    return found.pop() if len(found) == 1 else None


def _by_flag(collection: Collection, item: Document, _: Document) -> float | None:
    flags = collection.harmonize.get("flag")
    names = (flags,) if isinstance(flags, str) else flags if isinstance(flags, Sequence) else ()
    return 0.0 if any(properties(item).get(str(name)) is True for name in names) else None


def _by_raster_offset(_: Collection, __: Document, fields: Document) -> float | None:
    """The band's own offset, converted to digital numbers by its scale: -0.1 at scale 0.0001 is -1000. An offset
    without a scale counts only if its absolute value is at least 1, as it is then in digital numbers."""
    scale, shift = number_of(field_of(fields, "scale")), number_of(field_of(fields, "offset"))
    if shift is None or scale == 0:
        return None
    if scale is None:
        return shift if abs(shift) >= 1 else None
    return round(shift / scale, 6) + 0.0


def _by_baseline(collection: Collection, item: Document, fields: Document) -> float | None:
    """The collection's offset if the baseline is new enough, else 0. Without a baseline: 0 if the item was created, and
    last updated, before the day on which the offset was introduced, else None."""
    rule, found = collection.harmonize, baseline(collection, item, fields.get("href"))
    if found is None:
        own, began = properties(item), str(rule.get("introduced") or "")
        days = [own[name] for name in ("created", "updated") if isinstance(own.get(name), str)]
        return 0.0 if days and began and all(str(day) < began for day in days) else None
    shift = rule.get("offset")
    since = tuple(int(part) for part in str(rule.get("since") or "0").split("."))
    return float(shift) if found >= since and isinstance(shift, int | float) else 0.0


_RULES: Mapping[str, Callable[[Collection, Document, Document], float | None]] = {
    "flag": _by_flag,
    "raster-offset": _by_raster_offset,
    "baseline": _by_baseline,
}
