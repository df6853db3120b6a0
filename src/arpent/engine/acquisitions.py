"""Acquisitions: which items an input of the script sees in one interval, and which features they reach."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arpent.engine.feeds import Feed
from arpent.engine.footing import Footing
from arpent.engine.world import World
from arpent.model.interval import Interval
from arpent.model.item import Item
from arpent.raster.order import arrange


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
