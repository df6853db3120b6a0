"""The baseline offset, on items as four catalogues write them: made ones, and real ones where they are at hand."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import shapely

from arpent.adapters.catalogs.item import belongs, read_item
from arpent.adapters.collections.files import load_collections
from arpent.domain.imagery.collection import Collection
from arpent.domain.imagery.item import Item

COLLECTION = load_collections()["sentinel-2-l2a"]


BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12", "SCL", "AOT")
EARTH_SEARCH = (
    "coastal", "blue", "green", "red", "rededge1", "rededge2", "rededge3", "nir", "nir08", "nir09", "swir16", "swir22",
    "scl", "aot",
)  # fmt: skip
CDSE = (
    "B01_60m", "B02_10m", "B03_10m", "B04_10m", "B05_20m", "B06_20m", "B07_20m", "B08_10m", "B8A_20m", "B09_60m",
    "B11_20m", "B12_20m", "SCL_20m", "AOT_10m",
)  # fmt: skip
"""Keys of the assets, in the order of BANDS; the Planetary Computer names them as BANDS does."""
APPLIED, KEPT = {"earthsearch:boa_offset_applied": True}, {"earthsearch:boa_offset_applied": False}


def raster_bands(offset: float) -> dict[str, object]:
    """An asset's fields, raster extension 1."""
    return {"raster:bands": [{"scale": 0.0001, "offset": offset}]}


def raster_fields(offset: float) -> dict[str, object]:
    """The same in raster extension 2."""
    return {"raster:scale": 0.0001, "raster:offset": offset}


def made(keys: tuple[str, ...], collection: str, properties: dict[str, object], asset: dict[str, object]) -> Item:
    """All assets but SCL have these fields, AOT too: some items of CDSE declare the reflectance offset on it."""
    fields = {key: {} if key.lower().startswith("scl") else asset for key in keys}
    document = {
        "type": "Feature",
        "id": "made",
        "collection": collection,
        "geometry": shapely.box(0, 0, 1, 1).__geo_interface__,
        "properties": {"datetime": "2023-01-01T00:00:00Z", **properties},
        "assets": {key: {"href": f"{key}.tif", **field} for key, field in fields.items()},
    }
    return read(document)


def real(shared_data: Path, start: str) -> Item:
    (path,) = (shared_data / "stac_items").glob(f"{start}*.json")
    return read(json.loads(path.read_text()))


def read(document: dict[str, object]) -> Item:
    assert belongs(document, COLLECTION, folder=False)
    item = read_item(document, COLLECTION, "https://example.test/item.json")
    assert item is not None
    return item


def check(item: Item, expected: float) -> None:
    """Every band has its asset; those of reflectance have the offset, the others never."""
    assert set(BANDS) <= item.assets.keys()
    harmonized = {name: one.harmonization for name, one in item.assets.items() if COLLECTION.bands[name].harmonized}
    assert set(harmonized.values()) == {expected}
    assert item.assets["AOT"].harmonization == item.assets["SCL"].harmonization == 0.0


@pytest.mark.parametrize(
    ("keys", "collection", "properties", "asset", "expected"),
    [
        (EARTH_SEARCH, "sentinel-2-l2a", APPLIED, raster_bands(-0.1), 0.0),
        (EARTH_SEARCH, "sentinel-2-l2a", KEPT, raster_bands(0), 0.0),
        (EARTH_SEARCH, "sentinel-2-l2a", KEPT, raster_bands(-0.1), -1000.0),
        (EARTH_SEARCH, "sentinel-2-c1-l2a", {"s2:processing_baseline": "05.11"}, raster_bands(-0.1), -1000.0),
        (BANDS, "sentinel-2-l2a", {"s2:processing_baseline": "05.10"}, {}, -1000.0),
        (BANDS, "sentinel-2-l2a", {"s2:processing_baseline": "02.12"}, {}, 0.0),
        (CDSE, "sentinel-2-l2a", {"processing:version": "05.12"}, raster_fields(-0.1), -1000.0),
        (CDSE, "sentinel-2-l2a", {"processing:version": "02.14"}, raster_fields(0), 0.0),
    ],
    ids=["Earth Search, offset taken off", "Earth Search, old", "Earth Search, offset left", "Earth Search c1",
         "Planetary Computer", "Planetary Computer, old", "CDSE", "CDSE, old"],
)  # fmt: skip
def test_items_as_catalogues_write_them(
    keys: tuple[str, ...], collection: str, properties: dict[str, object], asset: dict[str, object], expected: float
) -> None:
    check(made(keys, collection, properties, asset), expected)


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
def test_real_items(shared_data: Path, start: str, expected: float) -> None:
    check(real(shared_data, start), expected)


def item(
    properties: dict[str, object], asset: dict[str, object], collection: str = "sentinel-2-l2a",
    own: Collection = COLLECTION,
) -> float | None:  # fmt: skip
    """The offset of a band; None: the item does not tell it, and it is taken for 0."""
    document = {
        "type": "Feature",
        "id": "x",
        "collection": collection,
        "geometry": shapely.box(0, 0, 1, 1).__geo_interface__,
        "properties": {"datetime": "2023-01-01T00:00:00Z", **properties},
        "assets": {"red": {"href": "B04.tif", **asset}},
    }
    found = read_item(document, own, "/catalog/x.json")
    assert found is not None
    return found.assets["B04"].harmonization if found.assets["B04"].harmonization_told else None


RASTER = {"raster:bands": [{"scale": 0.0001, "offset": -0.1}]}


def test_rules() -> None:
    assert item({}, {}) is None
    assert item({}, RASTER) == -1000.0
    assert item({"earthsearch:boa_offset_applied": True}, RASTER) == 0.0
    assert item({"earthsearch:boa_offset_applied": False}, RASTER) == -1000.0
    assert item({"earthsearch:boa_offset_applied": True}, RASTER, "sentinel-2-c1-l2a") == -1000.0
    assert item({"s2:processing_baseline": "05.09"}, {"raster:bands": [{"scale": 0.0001, "offset": 0}]}) == 0.0
    assert item({"s2:processing_baseline": "04.00"}, {}) == -1000.0
    assert item({"s2:processing_baseline": "03.01"}, {}) == 0.0
    assert item({"processing:version": "10.00"}, {}) == -1000.0
    assert item({"s2:processing_baseline": "unknown"}, {}) is None
    assert item({"earthsearch:boa_offset_applied": False}, {}) is None


def test_where_no_rule_asks_for_the_baseline_nothing_is_untold() -> None:
    rules = {**COLLECTION.harmonize, "rules": ["flag", "raster-offset"], "by_collection": {"plain": []}}
    own = replace(COLLECTION, harmonize=rules)
    assert item({}, {}, own=own) == 0.0
    assert item({}, RASTER, own=own) == -1000.0
    assert item({"s2:processing_baseline": "05.09"}, RASTER, "plain", own=own) == 0.0


PRODUCT = "S2A_MSIL2A_20230813T100031_N{}_R122_T33TWM_20230813T161358"
L1C = PRODUCT.replace("L2A", "L1C")


@pytest.mark.parametrize(
    ("properties", "asset", "expected"),
    [
        ({"sentinel:product_id": PRODUCT.format("0509")}, {}, -1000.0),
        ({"sentinel:product_id": PRODUCT.format("0301")}, {}, 0.0),
        ({"title": PRODUCT.format("0400") + ".SAFE"}, {}, -1000.0),
        ({}, {"href": f"s3://eodata/{PRODUCT.format('0500')}.SAFE/GRANULE/B04_10m.jp2"}, -1000.0),
        ({"title": "S2A_N0509_"}, {}, None),
        ({"input": L1C.format("0206")}, {"href": f"/{PRODUCT.format('0500')}.SAFE/B04.tif"}, -1000.0),
        ({"s2:product_uri": PRODUCT.format("0206")}, {"href": f"/{PRODUCT.format('0500')}.SAFE/B04.tif"}, -1000.0),
        ({"input": L1C.format("0206"), "title": PRODUCT.format("0509")}, {}, -1000.0),
        ({"input": L1C.format("0206")}, {}, None),
        ({"s2:product_uri": L1C.format("0206"), "title": PRODUCT.format("0509")}, {}, -1000.0),
        ({"title": PRODUCT.format("0509"), "replaces": PRODUCT.format("0206")}, {}, None),
        ({"created": "2021-03-01T00:00:00Z"}, {}, 0.0),
        ({"created": "2021-03-01T00:00:00Z", "updated": "2022-01-24T23:59:59Z"}, {}, 0.0),
        ({"created": "2021-03-01T00:00:00Z", "updated": "2023-06-01T00:00:00Z"}, {}, None),
        ({"created": "2022-01-25T00:00:00Z"}, {}, None),
        ({"created": "2021-03-01T00:00:00Z"}, RASTER, -1000.0),
    ],
    ids=str,
)
def test_a_baseline_by_names_and_days(
    properties: dict[str, object], asset: dict[str, object], expected: float | None
) -> None:
    assert item(properties, asset) == expected


@pytest.mark.parametrize(
    ("properties", "asset", "expected"),
    [
        ({}, {"bands": [{"name": "B04", "raster:scale": 0.0001, "raster:offset": -0.1}]}, -1000.0),
        ({}, {"bands": [{"name": "B04", "scale": 0.0001, "offset": -0.1}]}, -1000.0),
        ({}, {"bands": [{"name": "B04"}], "raster:scale": 0.0001, "raster:offset": -0.1}, -1000.0),
        ({}, {"bands": [{"scale": 0.0001, "offset": 0}], "raster:bands": [{"scale": 0.0001, "offset": -0.1}]}, -1000.0),
        ({}, {"raster:bands": [{"data_type": "uint16"}], "bands": [{"scale": 0.0001, "offset": -0.1}]}, -1000.0),
        ({}, {"raster:bands": [{"offset": -1000}]}, -1000.0),
        ({}, {"raster:bands": [{"offset": -0.1}]}, 0.0),
        ({"s2:processing_baseline": 5.1}, {}, -1000.0),
        ({"s2:processing_baseline": "N0400"}, {}, -1000.0),
        ({"s2:processing_baseline": "3.01"}, {}, 0.0),
        ({"s2:product_uri": "S2A_MSIL2A_20230813T100031_N0509_R122_T33TWM_20230813T161358.SAFE"}, {}, -1000.0),
        ({"s2:product_uri": "S2A_MSIL2A_20200813T100031_N0214_R122_T33TWM_20200813T161358.SAFE"}, {}, 0.0),
        ({"s2:datatake_id": "GS2A_20230813T100031_042525_N05.09"}, {}, -1000.0),
    ],
    ids=str,
)
def test_further_ways_to_tell_it(properties: dict[str, object], asset: dict[str, object], expected: float) -> None:
    """As STAC 1.1 has it, as other libraries write it, and by the product's name alone."""
    check(made(EARTH_SEARCH, "sentinel-2-l2a", properties, asset), expected)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (0, 0.0),
        ("nan", math.nan),
        ("NaN", math.nan),
        ("-9999", -9999.0),
        ("inf", math.inf),
        ("none", None),
        (True, None),
    ],
)
@pytest.mark.parametrize("place", ["raster:bands", "bands", "asset"])
def test_no_data_in_any_spelling(told: object, expected: float | None, place: str) -> None:
    """STAC allows words for what JSON has no number for. NaN said is not silence, which would make 0 no data."""
    item = made(
        EARTH_SEARCH, "sentinel-2-l2a", {}, {"nodata": told} if place == "asset" else {place: [{"nodata": told}]}
    )
    assert item.assets["B04"].no_data == (pytest.approx(expected, nan_ok=True) if expected is not None else None)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"data_type": "float32"}, 1.0), ({"data_type": "float64", "scale": 0.0001}, 0.0001),
        ({"data_type": "uint16", "scale": 1}, None), ({}, None),
    ],
)  # fmt: skip
def test_floats_tell_their_scale(fields: dict[str, object], expected: float | None) -> None:
    assert made(EARTH_SEARCH, "sentinel-2-l2a", {}, {"bands": [fields]}).assets["B04"].declared_scale == expected


@pytest.mark.parametrize("baseline", ["05.\u00b2", "05." + "9" * 5000, "\u0665.11", "", ".", "05.11a"])
def test_a_baseline_that_is_no_number_says_nothing(baseline: str) -> None:
    assert item({"s2:processing_baseline": baseline}, {}) is None
