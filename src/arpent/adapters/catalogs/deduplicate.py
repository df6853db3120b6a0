"""Deduplicate: keeps the newest of several processings of the same tile and datatake, over the area that it covers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

import shapely

from arpent.domain.boundary.address_names import unsigned_name
from arpent.domain.boundary.text import whole_number
from arpent.domain.imagery.item import Asset, Item

COVERED = 0.9
"""A newer processing supersedes an older one if it covers this share of its footprint. Otherwise they are different
parts of the tile, received by different stations."""
_DATATAKES = ("s2:datatake_id", "eopf:datatake_id")
_TILES = ("grid:code", "s2:mgrs_tile")
_BASELINE = re.compile(r"[A-Z]?(\d\d?)\.?(\d\d)")
_BASELINES = ("s2:processing_baseline", "processing:version")
_GENERATED = ("s2:generation_time", "processing:datetime")


def newest(items: Iterable[Item]) -> tuple[Item, ...]:
    """The items, sorted by sensing time, then id. Older processings are included only if newer ones do not cover all of
    their footprint, and have the area of the newer ones as `superseded`, so that a search of a smaller area, which may
    not meet the newer ones, has the same result there."""
    groups: dict[tuple[str, ...], list[Item]] = {}
    for item in _whole(items):
        groups.setdefault(_acquisition(item), []).append(item)
    kept = [item for group in groups.values() for item in _uncovered(group)]
    return tuple(sorted(kept, key=lambda item: (item.instant, item.id)))


def _whole(items: Iterable[Item]) -> Iterable[Item]:
    """Merge items of one id that hold different images of one acquisition (USGS: reflectance and temperature)."""
    found: dict[str, list[Item]] = {}
    for item in items:
        parts = found.setdefault(item.id, [])
        for place, part in enumerate(parts):
            if part.instant == item.instant and _complete_each_other(part.assets, item.assets):
                assets = {**part.assets, **item.assets}
                parts[place] = replace(part, assets=assets, joined=(*part.joined, item))
                break
        else:
            parts.append(item)
    return (part for parts in found.values() for part in parts)


def _complete_each_other(first: Mapping[str, Asset], second: Mapping[str, Asset]) -> bool:
    """Whether each has assets that the other lacks, and their common assets are the same images, ignoring
    signatures."""
    shared = first.keys() & second.keys()
    alike = all(unsigned_name(first[name].href) == unsigned_name(second[name].href) for name in shared)
    return alike and shared != first.keys() and shared != second.keys()


def _acquisition(item: Item) -> tuple[str, ...]:
    """A key that is equal for all processings of an acquisition: platform, datatake, tile. Exact times differ by
    seconds between processings; the sensing time is used only if there is no datatake. An item without a tile is an
    acquisition of its own, identified by id and time: the STAC collections of one collection may contain items with the
    same id, such as `orthophoto` for each flight."""
    tile = tile_of(item)
    if not tile:
        return (item.id, item.instant.isoformat())
    datatake = re.sub(r"_N\d\d\.\d\d$", "", _text(item, _DATATAKES))
    platform = str(item.properties.get("platform") or "").lower()
    return (platform, datatake or item.instant.isoformat(), tile)


def _uncovered(group: list[Item]) -> list[Item]:
    """The items to keep, newest first; an older one only if it covers an area that the newer ones do not."""
    if len(group) == 1:
        return group
    kept: list[Item] = []
    for item in sorted(group, key=_age, reverse=True):
        area = shapely.area(item.footprint)
        ground = shapely.union_all([other.footprint for other in kept]) if kept else None
        if ground is None or shapely.area(shapely.intersection(ground, item.footprint)) < COVERED * area:
            kept.append(item)
        elif not shapely.covers(ground, item.footprint):
            kept.append(replace(item, superseded=ground))
    return kept


def tile_of(item: Item) -> str:
    """The tile in a uniform spelling, 6WVC for MGRS-6WVC, 06WVC and 6wvc; empty if the item does not give it."""
    return _text(item, _TILES).upper().removeprefix("MGRS-").lstrip("0")


def _age(item: Item) -> tuple[tuple[int, ...], str, float, str, str]:
    """Sort key, newest last: baseline, generation time, sequence, ingestion time, id. ISO text sorts by time."""
    sequence = item.properties.get("s2:sequence")
    number = float(whole_number(str(sequence)) or 0)
    created = item.created.isoformat() if item.created else ""
    return (_baseline(item), _text(item, _GENERATED), number, created, item.id)


def _baseline(item: Item) -> tuple[int, ...]:
    """The baseline as numbers, because its text can be spelled in several ways: 5.09 and N0509 come before 05.10."""
    told = next((item.properties[name] for name in _BASELINES if item.properties.get(name)), "")
    text = f"{told:.2f}" if isinstance(told, float) else str(told).upper()
    found = _BASELINE.fullmatch(text)
    return tuple(int(digits) for digits in (found.groups() if found else re.findall(r"\d{1,9}", text)))


def _text(item: Item, names: tuple[str, ...]) -> str:
    return next((str(item.properties[name]) for name in names if item.properties.get(name)), "")
