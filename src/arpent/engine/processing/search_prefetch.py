"""Search prefetch: asks a catalogue for months at once, so that a year of intervals takes about four requests."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from arpent.domain.imagery.collection import Collection
from arpent.domain.imagery.item import Item
from arpent.domain.interval import Interval
from arpent.domain.ports.imagery import Catalog

AHEAD = timedelta(days=92)
"""How far one search looks; it bounds the items that are held at once."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What a search found."""

    window: Interval
    """When."""
    box: Box
    """Where."""
    items: tuple[Item, ...]
    """In order of time."""


@dataclass(slots=True, kw_only=True)
class SearchPrefetch:
    """A Catalog for intervals that come in order of time. Not thread-safe."""

    catalog: Catalog
    """The one that is asked."""
    end: datetime
    """End of the last interval: nothing after it is asked for."""
    _answers: dict[str, _Answer] = field(default_factory=dict)
    """The latest per collection."""

    def search(self, collection: Collection, interval: Interval, box: Box) -> tuple[Item, ...]:
        """As in the port."""
        answer = self._answers.get(collection.id)
        if answer is None or answer.box != box or answer.window.intersection(interval) != interval:
            window = Interval(start=interval.start, end=max(interval.end, min(self.end, interval.start + AHEAD)))
            answer = _Answer(window=window, box=box, items=self.catalog.search(collection, window, box))
            self._answers[collection.id] = answer
        if collection.timeless:
            return answer.items
        return tuple(item for item in answer.items if item.within(interval))
