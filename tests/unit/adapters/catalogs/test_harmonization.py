"""The baseline offset, on real items of four catalogues."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from arpent.adapters.catalogs.item import belongs, read_item
from arpent.adapters.collections.files import load_collections
from arpent.domain.imagery.item import Item

COLLECTION = load_collections()["sentinel-2-l2a"]


def real(shared_data: Path, start: str) -> Item:
    (path,) = (shared_data / "stac_items").glob(f"{start}*.json")
    document = json.loads(path.read_text())
    assert belongs(document, COLLECTION, folder=False)
    item = read_item(document, COLLECTION, "https://example.test/item.json")
    assert item is not None
    return item


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("earthsearch-v1_S2B_33TWM_20230813", 0.0),  # the flag: taken off already
        ("earthsearch-v1_S2A_32TMT_20200302_0", 0.0),  # old baseline, offset 0
        ("earthsearch-v1_S2A_32TMT_20200302_1", 0.0),
        ("earthsearch-v1-c1_", -1000.0),
        ("stac-utils+stac-geoparquet__sentinel-2-l2a__S2B", -1000.0),  # baseline 05.10, no raster extension
        ("stac-utils+stac-geoparquet__sentinel-2-l2a__S2A", 0.0),  # baseline 02.12
        ("xcube-dev", -1000.0),
        ("Open-EO", -1000.0),
    ],
)
def test_catalogues(shared_data: Path, start: str, expected: float) -> None:
    assets = real(shared_data, start).assets
    assert {"B01", "B02", "B03", "B04", "B05", "B08", "B8A", "B09", "B11", "B12", "SCL", "AOT"} <= assets.keys()
    harmonized = {name: asset.harmonization for name, asset in assets.items() if COLLECTION.bands[name].harmonized}
    assert set(harmonized.values()) == {expected}
    # Some items of CDSE declare the reflectance offset on AOT, too.
    assert assets["AOT"].harmonization == assets["SCL"].harmonization == 0.0


def item(properties: dict[str, object], asset: dict[str, object], collection: str = "sentinel-2-l2a") -> float:
    document = {
        "type": "Feature",
        "id": "x",
        "collection": collection,
        "geometry": {"type": "Point", "coordinates": [0, 0]},
        "properties": {"datetime": "2023-01-01T00:00:00Z", **properties},
        "assets": {"red": {"href": "B04.tif", **asset}},
    }
    found = read_item(document, COLLECTION, "/catalog/x.json")
    assert found is not None
    return found.assets["B04"].harmonization


RASTER = {"raster:bands": [{"scale": 0.0001, "offset": -0.1}]}


def test_rules() -> None:
    assert item({}, {}) == 0.0
    assert item({}, RASTER) == -1000.0
    assert item({"earthsearch:boa_offset_applied": True}, RASTER) == 0.0
    assert item({"earthsearch:boa_offset_applied": False}, RASTER) == -1000.0
    assert item({"earthsearch:boa_offset_applied": True}, RASTER, "sentinel-2-c1-l2a") == -1000.0
    assert item({"s2:processing_baseline": "05.09"}, {"raster:bands": [{"scale": 0.0001, "offset": 0}]}) == 0.0
    assert item({"s2:processing_baseline": "04.00"}, {}) == -1000.0
    assert item({"s2:processing_baseline": "03.01"}, {}) == 0.0
    assert item({"processing:version": "10.00"}, {}) == -1000.0
    assert item({"s2:processing_baseline": "unknown"}, {}) == 0.0
