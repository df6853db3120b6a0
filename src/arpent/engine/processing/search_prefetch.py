"""Search prefetch: searches a catalogue for months at once, so that a year of intervals takes about four searches."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from arpent.domain.boundary.trace import current_trace, spanned
from arpent.domain.imagery.collection import Collection
from arpent.domain.imagery.item import Item
from arpent.domain.interval import Interval
from arpent.domain.ports.imagery import Catalog

AHEAD = timedelta(days=92)
"""Time span of one search; it limits the number of items in memory."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """The result of one search."""

    window: Interval
    """Time span of the search."""
    box: Box
    """Box of the search."""
    items: tuple[Item, ...]
    """Items found, by time."""


@dataclass(slots=True, kw_only=True)
class SearchPrefetch:
    """A Catalog for the intervals of one partition or analysis, which must be searched in order of time. Not
    thread-safe."""

    catalog: Catalog
    """The catalogue that is searched."""
    end: datetime
    """End of the last interval; no search extends beyond it, except for an interval that does."""
    _answers: dict[tuple[object, ...], _Answer] = field(default_factory=dict)
    """Latest result per collection, choice of items and joins."""

    def search(self, collection: Collection, interval: Interval, box: Box) -> tuple[Item, ...]:
        """As in Catalog, but answered from the latest result if that covers the interval."""
        key = (collection.id, collection.choice, *(join.collection.id for join in collection.joins))
        answer = self._answers.get(key)
        if answer is None or answer.box != box or answer.window.intersection(interval) != interval:
            window = Interval(start=interval.start, end=max(interval.end, min(self.end, interval.start + AHEAD)))
            with spanned("search", current_trace(), **{"arpent.collection": collection.id}):
                answer = _Answer(window=window, box=box, items=self.catalog.search(collection, window, box))
            self._answers[key] = answer
        if collection.timeless:
            return answer.items
        return tuple(item for item in answer.items if item.within(interval))
