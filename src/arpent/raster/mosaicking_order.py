"""Mosaicking order: which item comes first, and which items form one orbit scene (sentinelhub.md 2.2, 5.2)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime

from arpent.domain.imagery.item import Item
from arpent.domain.request import MosaickingOrder

_EPOCH = datetime(1, 1, 1, tzinfo=UTC)


def _age(item: Item) -> tuple[datetime, datetime, str]:
    return item.instant, item.created or _EPOCH, item.id


def _cloudiness(item: Item) -> tuple[float]:
    return (math.inf if item.cloud_cover is None else item.cloud_cover,)


def arrange(items: Sequence[Item], order: MosaickingOrder) -> tuple[Item, ...]:
    """The items in the given order; each sample comes from the first item that has data there.

    mostRecent: newest first; among equal sensing times, the one ingested later first. leastRecent: the reverse.
    leastCC: lowest cloud cover of the tile first, unknown last, ties as in mostRecent (sentinelhub.md 2.2). Remaining
    ties are broken by id, so that the order never depends on that of the catalogue.
    """
    newest_first = sorted(items, key=_age, reverse=True)
    if order is MosaickingOrder.LEAST_RECENT:
        newest_first.reverse()
    elif order is MosaickingOrder.LEAST_CC:
        newest_first.sort(key=_cloudiness)
    return tuple(newest_first)


def orbits(items: Sequence[Item]) -> tuple[tuple[Item, ...], ...]:
    """The items grouped into one scene per UTC day; days, and the items of a day, keep their order (sentinelhub.md
    5.2)."""
    days: dict[date, list[Item]] = {}
    for item in items:
        days.setdefault(item.instant.astimezone(UTC).date(), []).append(item)
    return tuple(tuple(day) for day in days.values())
