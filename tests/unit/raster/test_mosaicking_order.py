"""Mosaicking orders and days."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from arpent.domain.request import MosaickingOrder
from arpent.raster.mosaicking_order import arrange, orbits
from tests.support.cogs import item

EARLY, LATE = datetime(2023, 7, 1, tzinfo=UTC), datetime(2023, 8, 1, tzinfo=UTC)
ITEMS = [
    item("old", {}, day=1, cloud_cover=5.0),
    item("new", {}, day=9, cloud_cover=50.0, created=EARLY),
    item("again", {}, day=9, cloud_cover=50.0, created=LATE),
    item("unknown", {}, day=5),
]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (MosaickingOrder.MOST_RECENT, ["again", "new", "unknown", "old"]),
        (MosaickingOrder.LEAST_RECENT, ["old", "unknown", "new", "again"]),
        (MosaickingOrder.LEAST_CC, ["old", "again", "new", "unknown"]),
    ],
)
def test_the_order_of_the_request_decides(order: MosaickingOrder, expected: list[str]) -> None:
    assert [one.id for one in arrange(ITEMS, order)] == expected
    assert [one.id for one in arrange(ITEMS[::-1], order)] == expected


def test_an_orbit_is_a_utc_day_in_the_order_of_its_first_item() -> None:
    days = orbits([item("b", {}, day=2), item("a", {}, day=1), item("c", {}, day=2)])
    assert [[one.id for one in day] for day in days] == [["b", "c"], ["a"]]
