"""Which processing level an item is of: no item is of two, and one that does not say is of none."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import shapely

from arpent.adapters.catalogs.item import read_items
from arpent.adapters.collections.files import load_collections

L1C, L2A = (load_collections()[name] for name in ("sentinel-2-l1c", "sentinel-2-l2a"))
SAFE = "S2B_MSI{}_20230813T100029_N0509_R122_T33TWM_20230813T120000"


def item(name: str = "tile", collection: str | None = None, *assets: str, **fields: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "id": name,
        "collection": collection,
        "properties": {"constellation": "sentinel-2", **fields},
        "assets": {key: {"href": f"{key}.tif"} for key in ("red", "nir", "B04", *assets)},
    }


def level(document: dict[str, Any]) -> set[str]:
    """To which collections of a folder it belongs."""
    placed = document | {"geometry": shapely.box(0, 0, 1, 1).__geo_interface__}
    placed["properties"] = {"datetime": "2023-08-13T10:00:00Z", **document["properties"]}
    return {found.id[-3:] for found in (L1C, L2A) if list(read_items([(placed, "/x.json")], found, folder=True))}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (item(**{"s2:product_type": "S2MSI1C"}), "l1c"),
        (item(**{"product:type": "S2MSI2A"}), "l2a"),
        (item(SAFE.format("L1C"), **{"s2:product_type": "S2MSI2A"}), "l2a"),
        (item(**{"processing:level": "L1C"}), "l1c"),
        (item(**{"processing:level": "Level-2A"}), "l2a"),
        (item(SAFE.format("L2A"), **{"processing:level": "L2"}), "l2a"),
        (item(SAFE.format("L1C"), **{"processing:level": "L1"}), "l1c"),
        (item(SAFE.format("L1C")), "l1c"),
        (item(SAFE.format("L2A")), "l2a"),
        (item("S2B_20EPT_20250731_0_L1C"), "l1c"),
        (item("S2B_20EPT_20250731_0_L2A"), "l2a"),
        (item("S2B_33TWM_20230813-l2a"), "l2a"),
        (item("tile", None, "cirrus"), "l1c"),
        (item("tile", None, "B10"), "l1c"),
        (item("tile", None, "scl"), "l2a"),
        (item("tile", None, "SCL"), "l2a"),
        (item("tile", None, "AOT_10m"), "l2a"),
        (item("tile", "sentinel-2-l2a"), "l2a"),
        (item("tile", "sentinel-2-l1c"), "l1c"),
        (item(SAFE.format("L1C"), "sentinel-2-l2a"), "l1c"),
        (item(), None),
        (item("ALL2A_tile"), None),
        (item(**{"processing:level": "L3"}), None),
    ],
)
def test_an_item_is_of_one_level_or_of_none(document: dict[str, Any], expected: str | None) -> None:
    assert level(document) == {expected} - {None}


def test_an_item_that_does_not_say_is_named(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert list(read_items([(item("nobody knows"), "/x.json")] * 2, L2A, folder=True)) == []
    (line,) = [each.getMessage() for each in caplog.records]
    assert line.startswith("Item 'nobody knows' does not say whether it belongs to sentinel-2-l2a")
    assert "set its `collection` to sentinel-2-l2a" in line
    assert line.endswith("It is left out.")


def test_real_items_are_of_the_level_that_their_names_say(shared_data: Path) -> None:
    """With their product type, and without it."""
    seen = 0
    for path in sorted((shared_data / "stac_items").rglob("*.json")):
        document = json.loads(path.read_text())
        if "sentinel-2" not in str(document["properties"].get("constellation", "")).lower().replace(" ", "-"):
            continue
        if not any(mark in document["id"] for mark in ("L1C", "L2A")) and "scl" not in document["assets"]:
            continue
        expected = {"l1c" if "L1C" in document["id"] else "l2a"}
        silent = document | {"id": "tile", "collection": "mine"}
        silent["properties"] = {name: value for name, value in document["properties"].items() if "product" not in name}
        for each in (document, document | {"properties": silent["properties"]}, silent):
            if found := level(each):
                assert found == expected, path.name
                seen += 1
    assert seen > 40
