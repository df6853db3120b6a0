"""What a search gives does not depend on where in time it ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import shapely

from arpent.adapters.catalogs.deduplicate import newest
from arpent.adapters.catalogs.routing import Box, RoutedCatalog
from arpent.domain.imagery.collection import Collection
from arpent.domain.imagery.item import Item
from arpent.domain.interval import Interval

MIDNIGHT = datetime(2025, 4, 4, tzinfo=UTC)
DAY = timedelta(days=1)
BOX = (150.0, -34.0, 151.0, -33.0)
COLLECTION = Collection(id="s2", aliases=(), stac_collections=(), bands={})
PROPERTIES = {"platform": "sentinel-2a", "grid:code": "MGRS-56HLH", "s2:datatake_id": "GS2A_20250403T235941_050000"}


class Reprocessed:
    """A catalogue of one acquisition, processed twice: the newer processing has a sensing time three seconds later."""

    def __init__(self, instant: datetime) -> None:
        older = Item(
            id="05.00",
            collection="s2",
            instant=instant,
            created=None,
            cloud_cover=None,
            footprint=shapely.box(*BOX),
            assets={},
            properties={**PROPERTIES, "s2:processing_baseline": "05.00"},
        )
        newer = {**PROPERTIES, "s2:processing_baseline": "05.11"}
        self.items = [older, replace(older, id="05.11", instant=instant + timedelta(seconds=3), properties=newer)]

    def search(self, collection: Collection, interval: Interval, box: Box) -> tuple[Item, ...]:
        return newest(one for one in self.items if collection.timeless or one.within(interval))


@pytest.mark.parametrize("days", [1, 200])
def test_of_two_processings_on_both_sides_of_midnight_the_newer_one_counts(days: int) -> None:
    """Over the east of Australia Sentinel-2 passes at midnight, UTC."""
    catalog = RoutedCatalog(default=Reprocessed(MIDNIGHT - timedelta(seconds=2)), others={})
    before = Interval(start=MIDNIGHT - days * DAY, end=MIDNIGHT)
    after = Interval(start=MIDNIGHT, end=MIDNIGHT + days * DAY)
    assert catalog.search(COLLECTION, before, BOX) == ()
    assert [item.id for item in catalog.search(COLLECTION, after, BOX)] == ["05.11"]


def test_no_item_outside_the_interval_is_given() -> None:
    catalog = RoutedCatalog(default=Reprocessed(MIDNIGHT - timedelta(minutes=30)), others={})
    assert catalog.search(COLLECTION, Interval(start=MIDNIGHT, end=MIDNIGHT + DAY), BOX) == ()


def test_timeless_items_belong_to_every_interval() -> None:
    catalog = RoutedCatalog(default=Reprocessed(MIDNIGHT - 100 * DAY), others={})
    timeless = replace(COLLECTION, timeless=True)
    assert len(catalog.search(timeless, Interval(start=MIDNIGHT, end=MIDNIGHT + DAY), BOX)) == 1
