"""Join: adds the bands of items from another catalogue, such as cloud masks, to the items of the same acquisitions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import shapely

from arpent.adapters.catalogs.deduplicate import tile_of
from arpent.domain.imagery.collection import Join
from arpent.domain.imagery.item import Item
from arpent.raster.footprints.antimeridian import around


def ground_of(items: Sequence[Item]) -> tuple[float, float, float, float]:
    """West, south, east and north of the whole area that the items cover, in degrees; west > east if it crosses 180.
    Items to be joined are searched here, so that they do not depend on the box of the search."""
    bounds = shapely.bounds(shapely.get_parts([item.footprint for item in items]))
    west, east = around(bounds[:, [0, 2]].tolist())
    return west, float(bounds[:, 1].min()), east, float(bounds[:, 3].max())


def with_bands(items: Sequence[Item], others: Sequence[Item], join: Join) -> tuple[Item, ...]:
    """The items, each with the bands of that one of `others` that belongs to the same acquisition: same platform and
    tile (if both name them), at most `join.minutes` apart, and with intersecting footprints. If several do, prefer one
    that is not superseded, then the largest intersection, then the nearest time. Items without a partner stay
    unchanged, and lack those bands."""
    slack = timedelta(minutes=join.minutes)
    tree = shapely.STRtree([other.footprint for other in others])

    def whole(item: Item) -> Item:
        near = (others[row] for row in tree.query(item.footprint, predicate="intersects").tolist())
        fitting = (other for other in near if abs(other.instant - item.instant) <= slack and _same(item, other))
        best = max(fitting, key=lambda other: _closeness(item, other), default=None)
        if best is None:
            return item
        return replace(item, assets={**item.assets, **best.assets}, joined=(*item.joined, best))

    return tuple(whole(item) for item in items)


def _same(first: Item, second: Item) -> bool:
    pairs = ((_platform(first), _platform(second)), (tile_of(first), tile_of(second)))
    return all(one == other for one, other in pairs if one and other)


def _closeness(item: Item, other: Item) -> tuple[bool, float, float, str]:
    """Sort key, best last: not superseded by a newer processing, then shared area, then nearness in time, then id."""
    shared = shapely.area(shapely.intersection(item.footprint, other.footprint))
    return (
        other.superseded is None,
        round(float(shared), 9),
        -abs((other.instant - item.instant).total_seconds()),
        other.id,
    )


def _platform(item: Item) -> str:
    return str(item.properties.get("platform") or "").strip().lower().replace(" ", "-").replace("_", "-")
