"""The same acquisition counts once."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import shapely

from arpent.adapters.catalogs.deduplicate import newest
from arpent.adapters.catalogs.item import read_item
from arpent.adapters.collections.files import load_collections
from arpent.domain.imagery.item import Asset, Item

WHOLE, WEST, EAST = shapely.box(0, 0, 2, 1), shapely.box(0, 0, 1.1, 1), shapely.box(1.05, 0, 2, 1)


def made(name: str, footprint: shapely.Geometry = WHOLE, *, second: int = 0, **properties: object) -> Item:
    return Item(
        id=name,
        collection="sentinel-2-l2a",
        instant=datetime(2023, 8, 13, 10, 0, second, tzinfo=UTC),
        created=None,
        cloud_cover=None,
        footprint=footprint,
        assets={},
        properties={"platform": "sentinel-2a", "grid:code": "MGRS-33TWM", "s2:datatake_id": "D", **properties},
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"s2:processing_baseline": "02.14", "s2:sequence": 1}, {"s2:processing_baseline": "05.00", "s2:sequence": 0}),
        ({"s2:generation_time": "2020-01-01T00:00:00Z"}, {"s2:generation_time": "2023-01-01T00:00:00Z"}),
        ({"s2:sequence": "0"}, {"s2:sequence": "1"}),
    ],
)
def test_the_newest_processing_wins(old: dict[str, object], new: dict[str, object]) -> None:
    items = (made("old", second=3, **old), made("new", second=5, **new))
    assert [item.id for item in newest(items)] == ["new"]
    assert [item.id for item in newest(items[::-1])] == ["new"]


def test_the_baseline_in_the_datatake_does_not_part_them() -> None:
    items = (made("a", **{"s2:datatake_id": "G_1_N02.14"}), made("b", **{"s2:datatake_id": "G_1_N05.00"}))
    assert [item.id for item in newest(items)] == ["b"]


def test_other_tiles_datatakes_and_platforms_stay() -> None:
    items = (
        made("a"), made("b", **{"grid:code": "MGRS-33TWL"}), made("c", **{"s2:datatake_id": "E"}),
        made("d", platform="sentinel-2b"),
    )  # fmt: skip
    assert len(newest(items)) == 4


def test_two_halves_of_a_tile_both_stay() -> None:
    halves = (made("west", WEST), made("east", EAST, **{"s2:sequence": 1}))
    assert {item.id for item in newest(halves)} == {"west", "east"}
    assert [item.id for item in newest((*halves, made("whole", **{"s2:processing_baseline": "05.00"})))] == ["whole"]


def test_an_older_processing_stays_where_no_newer_one_lies() -> None:
    """What a search of that place alone would find."""
    newer = made("new", shapely.box(0, 0, 1.9, 1), **{"s2:processing_baseline": "05.00"})
    found = {item.id: item for item in newest((made("old", **{"s2:processing_baseline": "02.14"}), newer))}
    assert found["new"].superseded is None
    assert found["old"].superseded is not None
    assert shapely.equals(found["old"].superseded, newer.footprint)
    assert shapely.equals(found["old"].footprint, WHOLE)


def test_without_a_tile_nothing_is_dropped() -> None:
    items = [made(name, **{"grid:code": None}) for name in ("a", "b")]
    assert len(newest(items)) == 2


def test_without_a_tile_an_id_is_not_enough_to_be_the_same() -> None:
    """Ids differ within a STAC collection only, and a collection here may be several."""
    items = [made("orthophoto", second=second, **{"grid:code": None}) for second in (1, 2, 2)]
    assert [item.instant.second for item in newest(items)] == [1, 2]


def test_order_is_by_time() -> None:
    items = (made("late", second=9, **{"grid:code": "X"}), made("early", second=1))
    assert [item.id for item in newest(items)] == ["early", "late"]


def test_a_real_pair(shared_data: Path) -> None:
    collection = load_collections()["sentinel-2-l2a"]
    files = sorted((shared_data / "stac_items").glob("earthsearch-v1_S2A_32TMT_20200302_*.json"))
    items = [read_item(json.loads(file.read_text()), collection, str(file)) for file in files]
    assert len(items) == 2
    found = {item.id: item for item in newest(items)}
    assert found["S2A_32TMT_20200302_1_L2A"].superseded is None
    older = found["S2A_32TMT_20200302_0_L2A"]  # its footprint is drawn otherwise, and a little larger in some places
    assert older.superseded is not None
    assert 0 < older.footprint.difference(older.superseded).area < 0.01 * older.footprint.area


@pytest.mark.parametrize("sequence", ["\u00b2", "9" * 5000, "-1", True, [1], {"a": 1}])
def test_a_sequence_that_is_no_number_is_the_oldest(sequence: object) -> None:
    items = (made("old", **{"s2:sequence": sequence}), made("new", **{"s2:sequence": 1}))
    assert [item.id for item in newest(items)] == ["new"]


@pytest.mark.parametrize(("old", "new"), [("5.09", "05.10"), ("N0509", "05.10"), ("2.9", "05.00"), ("05.09", 5.1)])
def test_baselines_are_compared_by_their_numbers(old: object, new: object) -> None:
    """Catalogues write them in ways of their own."""
    items = [made(name, **{"s2:processing_baseline": value}) for name, value in (("b", old), ("a", new))]
    assert [item.id for item in newest(items)] == ["a"]


def test_tiles_are_the_same_however_they_are_written() -> None:
    tiles = ({"grid:code": "MGRS-6WVC"}, {"s2:mgrs_tile": "06WVC"}, {"grid:code": "MGRS-06wvc"})
    assert len(newest([replace(made(f"{row}"), properties=tile) for row, tile in enumerate(tiles)])) == 1


@pytest.mark.parametrize(("shared", "parts"), [("quality.tif", 1), ("other.tif", 2)])
def test_parts_of_an_item_are_one_however_their_images_are_signed(shared: str, parts: int) -> None:
    """A server that signs does so anew for each item: one part would hide the bands of the other."""
    host = "https://images.test"
    one, other = (
        replace(made("a"), assets={name: Asset(href=f"{host}/{file}?X-Amz-Signature={number}") for name, file in files})
        for number, files in enumerate(
            [[("B04", "red.tif"), ("QA", "quality.tif")], [("B10", "heat.tif"), ("QA", shared)]]
        )
    )
    found = newest([one, other])
    assert len(found[0].assets) == (3 if parts == 1 else 2)
