"""Acquisitions: which items an input of the script sees in one interval, and which features they reach."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from arpent.domain.evalscript import Mosaicking
from arpent.domain.imagery.item import Item
from arpent.domain.interval import Interval
from arpent.engine.band_bindings import Feed
from arpent.engine.processing.sample_geometry import Footing
from arpent.engine.processing.search_prefetch import SearchAhead
from arpent.engine.services import World
from arpent.engine.stage_timer import SEARCH
from arpent.raster.mosaicking_order import arrange


@dataclass(frozen=True, slots=True, kw_only=True)
class Acquisitions:
    """Items of one input in one interval."""

    items: tuple[Item, ...]
    """In mosaicking order."""
    reach: NDArray[np.bool_]
    """(items, n): which feature each item reaches."""

    def over(self, rows: NDArray[np.intp]) -> Acquisitions:
        """The same for some of the features: items that reach none of them are gone."""
        reach = self.reach[:, rows]
        kept = np.flatnonzero(reach.any(axis=1))
        return Acquisitions(items=tuple(self.items[row] for row in kept), reach=reach[kept])


def one_after_another(
    feeds: Sequence[Feed], intervals: Sequence[Interval], footing: Footing, world: World
) -> Iterator[tuple[Interval, list[Acquisitions]]]:
    """Each interval with the acquisitions of each feed. While one is worked on, the reader fetches headers that the
    next one needs. Raises CatalogUnavailable."""
    if not intervals:
        return
    world = replace(world, catalog=SearchAhead(catalog=world.catalog, end=intervals[-1].end))
    current = _acquire_all(feeds, intervals[0], footing, world)
    for interval, following in pairwise(intervals):
        after = _acquire_all(feeds, following, footing, world)
        yield interval, current
        current = after
    yield intervals[-1], current


def _acquire_all(feeds: Sequence[Feed], interval: Interval, footing: Footing, world: World) -> list[Acquisitions]:
    with world.stopwatch.stage(SEARCH):
        found = [acquire(feed, interval, footing, world) for feed in feeds]
    for feed, one in zip(feeds, found, strict=True):
        world.reader.prepare(_first_hrefs(feed, one.items))
    return found


def _first_hrefs(feed: Feed, items: Sequence[Item]) -> list[str]:
    """Images that will be opened whatever the pixels are, unless preProcessScenes drops them: for SIMPLE those of the
    first item only."""
    if feed.input.mosaicking is Mosaicking.SIMPLE:
        items = items[:1]
    complete = (item for item in items if all(want.band.name in item.assets for want in feed.wants))
    return [item.assets[want.band.name].href for item in complete for want in feed.wants]


def acquire(feed: Feed, interval: Interval, footing: Footing, world: World) -> Acquisitions:
    """Search, filter by cloud cover, put in order. Raises CatalogUnavailable."""
    items, reach = [], []
    for item in candidates(feed, interval, footing, world):
        if not clear(item, feed):
            continue
        reached = footing.reached(item.footprint)
        if reached.any():
            items.append(item)
            reach.append(reached)
    return Acquisitions(items=tuple(items), reach=np.array(reach, bool).reshape(len(items), len(footing.features)))


def candidates(feed: Feed, interval: Interval, footing: Footing, world: World) -> tuple[Item, ...]:
    """What the catalogue has, in mosaicking order. Raises CatalogUnavailable."""
    window = interval if feed.source.time_range is None else interval.intersection(feed.source.time_range)
    found = () if window is None else world.catalog.search(feed.collection, window, footing.box)
    return arrange(found, feed.source.mosaicking_order)


def clear(item: Item, feed: Feed) -> bool:
    """At most `maxCloudCoverage` percent, inclusive; an item that does not tell passes only if nothing is asked."""
    if feed.collection.cloud_cover is None or feed.source.max_cloud_coverage >= 100:
        return True
    return item.cloud_cover is not None and item.cloud_cover <= feed.source.max_cloud_coverage
