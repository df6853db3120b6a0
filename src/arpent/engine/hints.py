"""Hints: messages about parts of a request that are allowed but probably unintended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from arpent.domain.imagery.item import Item
from arpent.domain.interval import Interval, iso_seconds
from arpent.engine.band_bindings import BandBinding

DEFAULTS: Mapping[str, str] = {"backCoeff": "GAMMA0_ELLIPSOID", "orthorectify": "false", "demInstance": "MAPZEN"}
"""Option → value that the real service uses if the request does not set it (sentinelhub.md 2.2)."""

CLOUDS = "maxCloudCoverage"
"""The field of `dataFilter` that excludes by cloud cover."""


@dataclass(slots=True)
class Filtered:
    """Counts which items that reach any of n features the filters of one input exclude or let through. Grows during a
    search."""

    features: int
    """Number of features, n."""
    taken: int = 0
    """Number of items that passed, counted once per interval."""
    cloudy: set[str] = field(default_factory=set)
    """Ids of items that `maxCloudCoverage` excluded …"""
    untold: set[str] = field(default_factory=set)
    """… and the ids of those among them that have no cloud cover."""
    reached: dict[str, NDArray[np.bool_]] = field(default_factory=dict)
    """Field of `dataFilter` → (n,): whether any item that it excluded reaches the feature."""
    other: dict[str, set[str]] = field(default_factory=dict)
    """Other field of `dataFilter` → ids of items that it excluded …"""
    silent: dict[str, set[str]] = field(default_factory=dict)
    """… and the ids of those among them that lack the property filtered by."""
    lacking: dict[str, set[str]] = field(default_factory=dict)
    """Band that the script reads → ids of items that lack it, and therefore give no data."""
    seen: set[str] = field(default_factory=set)
    """Ids of items that passed."""
    doubtful: set[str] = field(default_factory=set)
    """Ids of those items that passed but do not state the baseline offset of their numbers."""
    complete: NDArray[np.bool_] = field(init=False)
    """(n,): whether any item that passed and has all bands reaches the feature."""

    def __post_init__(self) -> None:
        self.complete = np.zeros(self.features, np.bool_)

    def drop(self, item: Item, name: str, reached: NDArray[np.bool_], *, silent: bool) -> None:
        """Count an item that field `name` excluded, with the features (n,) it reaches; `silent`: it lacks the
        property."""
        if reached.any():
            self.other.setdefault(name, set()).add(item.id)
            if silent:
                self.silent.setdefault(name, set()).add(item.id)
            self._reach(name, reached)

    def take(self, item: Item, bands: Sequence[str], reached: NDArray[np.bool_]) -> None:
        """Count an item that passed. `bands`: bands that the script reads; `reached` (n,): features that it reaches."""
        self.taken += 1
        self.seen.add(item.id)
        missing = [band for band in bands if band not in item.assets]
        for band in missing:
            self.lacking.setdefault(band, set()).add(item.id)
        if not missing:
            self.complete |= reached

    def add(self, item: Item, reached: NDArray[np.bool_]) -> None:
        """Count an item that `maxCloudCoverage` excluded, with the features (n,) that it reaches."""
        if reached.any():
            self.cloudy.add(item.id)
            if item.cloud_cover is None:
                self.untold.add(item.id)
            self._reach(CLOUDS, reached)

    def _reach(self, name: str, reached: NDArray[np.bool_]) -> None:
        self.reached[name] = self.reached.get(name, False) | reached


def of_offers(bindings: Sequence[BandBinding]) -> Iterator[str]:
    """Hints about options for which a collection here differs from the real service's default, if the request does not
    set them."""
    for binding in bindings:
        asked = {place.rpartition("->")[2] for place, _ in binding.source.options}
        silent = {
            name: offered for name, offered in binding.collection.offers.items()
            if name not in asked and offered != DEFAULTS.get(name)
        }  # fmt: skip
        if silent:
            beginning = ", ".join(f"{name} {offered}" for name, offered in silent.items())
            usual = ", ".join(f"{name} {DEFAULTS[name]}" for name in silent if name in DEFAULTS)
            yield f"{binding.collection.id} has {beginning} here; the real service gives {usual} by default."


def of_range(bindings: Sequence[BandBinding], intervals: Sequence[Interval], seen: Sequence[Filtered]) -> Iterator[str]:
    """A hint for each input for which the catalogue has no acquisition at all in any interval."""
    if not intervals:
        return
    start, end = (iso_seconds(instant) for instant in (intervals[0].start, intervals[-1].end))
    for binding, found in zip(bindings, seen, strict=True):
        if found.features and not (found.taken or found.cloudy or found.other or outside_time(binding, intervals)):
            yield (
                f"There is no acquisition of {binding.collection.id} at the features from {start} to {end}: the files "
                "will hold no interval. Check the time range, the collection, and where the features and the "
                "catalogue's images lie."
            )


def of_filters(
    bindings: Sequence[BandBinding], intervals: Sequence[Interval], seen: Sequence[Filtered]
) -> Iterator[str]:
    """Hints about filters that exclude everything, about items that are excluded because they lack the property
    filtered by, and about items that lack a band or do not state their baseline."""
    for binding, found in zip(bindings, seen, strict=True):
        name = f"input.data '{binding.source.id}'"
        if intervals and outside_time(binding, intervals):
            assert binding.source.time_range is not None
            window = binding.source.time_range
            yield (
                f"dataFilter.timeRange of {name} ({iso_seconds(window.start)} to {iso_seconds(window.end)}) holds no "
                "instant of the request's intervals: no acquisition remains. Remove or change it."
            )
        limit = f"maxCloudCoverage {binding.source.max_cloud_coverage:g} of {name}"
        unknown = f" ({len(found.untold)} of them have no cloud cover)" if found.untold else ""
        if found.cloudy and not found.taken:
            yield f"{limit} excludes all {len(found.cloudy)} acquisitions{unknown}. Raise or remove it."
        elif found.untold:
            yield f"{limit} leaves out {len(found.untold)} acquisitions that have no cloud cover."
        yield from _of_others(binding, found, name)
        yield from _of_bands(found, name)
        yield from _of_baselines(binding, found, name)


def _of_others(binding: BandBinding, found: Filtered, name: str) -> Iterator[str]:
    """Hints about fields of `dataFilter` that exclude all items, or items that lack the property filtered by."""
    for field_name, value in binding.source.filters:
        dropped, silent = found.other.get(field_name, set()), found.silent.get(field_name, set())
        beginning = f"{field_name} {value} of {name}"
        if dropped and not found.taken:
            unknown = f" ({len(silent)} of them do not state it)" if silent else ""
            yield f"{beginning} excludes all {len(dropped)} acquisitions{unknown}. Change it, or leave it out."
        elif silent:
            yield f"{beginning} leaves out {len(silent)} acquisitions that do not state it."


def _of_bands(found: Filtered, name: str) -> Iterator[str]:
    """Hints about bands that some items lack: polarisations of Sentinel-1, temperature of some Landsat products."""
    for band, items in found.lacking.items():
        beginning = f"{len(items)} of {len(found.seen)} acquisitions of {name} have no {band}"
        yield f"{beginning} ({min(items)}): they give no data at all, since the script asks for it."


def _of_baselines(binding: BandBinding, found: Filtered, name: str) -> Iterator[str]:
    """A hint about items for which it is unknown whether their numbers have the offset of newer baselines
    (sentinelhub.md 6)."""
    if found.doubtful:
        rule = binding.collection.harmonize
        yield (
            f"{len(found.doubtful)} of {len(found.seen)} acquisitions of {name} do not state their processing baseline "
            f"({min(found.doubtful)}): their numbers are taken as they are. From baseline {rule.get('since')} on, "
            f"{rule.get('offset'):g} would be added to them: set s2:processing_baseline in the items, or scale and "
            "offset in raster:bands of the assets."
        )


def outside_time(binding: BandBinding, intervals: Sequence[Interval]) -> bool:
    """Whether the input's own time range overlaps none of the intervals."""
    window = binding.source.time_range
    return window is not None and all(interval.intersection(window) is None for interval in intervals)
