"""A catalogue asked for months at once answers for intervals as if it were asked for each."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import shapely

from arpent.domain.imagery.collection import Band, Collection, Join, Unit
from arpent.domain.imagery.item import Item
from arpent.domain.interval import Interval
from arpent.engine.processing.search_prefetch import AHEAD, Box, SearchPrefetch

START = datetime(2025, 1, 1, tzinfo=UTC)
BOX = (14.0, 46.0, 15.0, 47.0)
COLLECTION = Collection(id="sentinel-2-l2a", aliases=(), stac_collections=(), bands={})


def item(day: float) -> Item:
    instant = START + timedelta(days=day)
    return Item(
        id=f"{day}", collection="sentinel-2-l2a", instant=instant, created=None, cloud_cover=None,
        footprint=shapely.box(*BOX), assets={},
    )  # fmt: skip


@dataclass
class Recorded:
    """A catalogue of an item every two and a half days, and what it was asked."""

    asked: list[Interval] = field(default_factory=list)
    of: list[Collection] = field(default_factory=list)

    def search(self, collection: Collection, interval: Interval, box: Box) -> tuple[Item, ...]:
        self.asked.append(interval)
        self.of.append(collection)
        found = (item(2.5 * number) for number in range(150))
        return tuple(one for one in found if collection.timeless or interval.contains(one.instant))


def intervals(count: int, days: int) -> list[Interval]:
    step = timedelta(days=days)
    return [Interval(start=START + step * number, end=START + step * (number + 1)) for number in range(count)]


def test_a_year_takes_a_few_searches_and_gives_the_same():
    catalog, plain = Recorded(), Recorded()
    every = intervals(36, 10)
    ahead = SearchPrefetch(catalog=catalog, end=every[-1].end)
    for interval in every:
        assert ahead.search(COLLECTION, interval, BOX) == plain.search(COLLECTION, interval, BOX) != ()
    assert len(catalog.asked) == 4
    assert max(asked.end for asked in catalog.asked) == every[-1].end
    assert all(asked.end - asked.start <= AHEAD for asked in catalog.asked)


def test_an_interval_longer_than_the_look_ahead_is_asked_for_whole():
    catalog = Recorded()
    year = Interval(start=START, end=START + timedelta(days=365))
    found = SearchPrefetch(catalog=catalog, end=year.end).search(COLLECTION, year, BOX)
    assert catalog.asked == [year]
    assert len(found) == 146


def test_an_interval_that_reaches_beyond_the_answer_is_asked_for():
    catalog = Recorded()
    ahead = SearchPrefetch(catalog=catalog, end=START + timedelta(days=365))
    ahead.search(COLLECTION, intervals(1, 10)[0], BOX)
    late = Interval(start=START + timedelta(days=88), end=START + timedelta(days=98))
    assert len(ahead.search(COLLECTION, late, BOX)) == 4
    assert len(catalog.asked) == 2


def test_another_box_or_collection_is_another_search():
    catalog = Recorded()
    ahead = SearchPrefetch(catalog=catalog, end=START + timedelta(days=365))
    (interval,) = intervals(1, 10)
    ahead.search(COLLECTION, interval, BOX)
    ahead.search(COLLECTION, interval, (0.0, 0.0, 1.0, 1.0))
    ahead.search(replace(COLLECTION, id="landsat-ot-l2"), interval, BOX)
    assert len(catalog.asked) == 3


def test_timeless_items_belong_to_every_interval():
    catalog = Recorded()
    ahead = SearchPrefetch(catalog=catalog, end=START + timedelta(days=365))
    timeless = replace(COLLECTION, timeless=True)
    assert {len(ahead.search(timeless, interval, BOX)) for interval in intervals(3, 10)} == {150}
    assert len(catalog.asked) == 1


def test_inputs_with_other_joins_are_asked_for_each():
    """One reads a cloud mask of another catalogue, one does not."""
    catalog = Recorded()
    mask = Band(name="OCM", assets=("mask",), units=(Unit(name="DN"),))
    join = Join(collection=replace(COLLECTION, id="sentinel-2-l2a/clouds", bands={"OCM": mask}), catalog="", minutes=9)
    joined = replace(COLLECTION, joins=(join,))
    (day,) = intervals(1, 1)
    ahead = SearchPrefetch(catalog=catalog, end=day.end)
    for bands in (("B04",), ("OCM", "B04"), ("B04",), ("OCM",)):
        ahead.search(joined.with_joins_of(bands), day, BOX)
    assert [len(one.joins) for one in catalog.of] == [0, 1]
