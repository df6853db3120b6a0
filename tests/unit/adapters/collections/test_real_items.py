"""Collections against real items of every catalogue: which collection an item is of, and whether what the TOML says of
scale, offset and no data is what the item itself says."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from arpent.adapters.catalogs.deduplicate import newest
from arpent.adapters.catalogs.harmonization import band_fields
from arpent.adapters.catalogs.item import belongs, read_item
from arpent.adapters.collections.files import load_collections
from arpent.domain.errors import CatalogUnavailable
from arpent.domain.imagery.collection import Band, Collection
from arpent.domain.imagery.item import Item

COLLECTIONS = {collection.id: collection for collection in load_collections().values()}

OF: Mapping[str, str | None] = {
    "sentinel-2-l2a": "sentinel-2-l2a",
    "sentinel-2-c1-l2a": "sentinel-2-l2a",
    "s2_l2a_c1": "sentinel-2-l2a",
    "sentinel-s2-l2a-cogs": "sentinel-2-l2a",
    "sentinel-2-l1c": "sentinel-2-l1c",
    "sentinel-1-rtc": "sentinel-1-grd",
    "sentinel1-rtc-aws": "sentinel-1-grd",
    "landsat-c2-l2": "landsat-ot-l2",
    "landsat-c2l2-sr": "landsat-ot-l2",
    "landsat-c2l2-st": "landsat-ot-l2",
    "HLSL30.v1.5": "hls",
    "modis-13Q1-061": "modis-13q1",
    "cop-dem-glo-30": "dem",
    "esa-worldcover": "esa-worldcover",
    "io-lulc-annual-v02": "io-lulc",
    "naip": "naip",
    # amplitudes in radar geometry; other sensors; swath geometry; reflectance of another kind
    "sentinel-1-grd": None,
    "sentinel1-grd": None,
    "alos-dem": None,
    "planet-nicfi-analytic": None,
    "ENMAP_HSI_L2A": None,
    "sentinel-3-syn-2-syn-ntc": None,
    "ga_s2am_ard_3": None,
    "s2_l2a_zarr_sample": None,
    None: None,  # type: ignore[dict-item]
}
"""STAC collection of the real items \u2192 ours."""

WRONG_SCALE = {("cdse", "AOT")}
"""What a catalogue says and is not so: CDSE puts the scale and offset of reflectance on the optical depth of some."""


@cache
def documents(folder: Path) -> tuple[tuple[str, dict[str, Any]], ...]:
    return tuple((path.name, json.loads(path.read_text())) for path in sorted((folder / "stac_items").rglob("*.json")))


def members(folder: Path) -> Iterator[tuple[str, dict[str, Any], Collection, Item]]:
    for name, document in documents(folder):
        wanted = OF[document.get("collection")]  # type: ignore[index]
        if wanted:
            yield name, document, COLLECTIONS[wanted], read_item(document, COLLECTIONS[wanted], f"https://x/{name}")


def asset_of(document: Mapping[str, Any], band: Band, variant: str) -> Mapping[str, Any] | None:
    keys: Sequence[str] = band.variant_assets.get(variant, ()) if band.variant_assets else band.assets
    return next((document["assets"][key] for key in keys if key in document["assets"]), None)


@pytest.mark.parametrize("folder", [True, False])
def test_each_item_is_of_one_collection_or_of_none(shared_data: Path, folder: bool) -> None:
    seen = 0
    for name, document in documents(shared_data):
        expected = OF[document.get("collection")]  # type: ignore[index]
        if not folder and document.get("collection") is None:
            continue  # refused, see the next test
        found = [known for known, one in COLLECTIONS.items() if belongs(document, one, folder=folder)]
        assert found == ([expected] if expected else []), name
        seen += bool(found)
    assert seen >= 30


def test_an_item_of_an_api_that_names_no_collection_is_refused_by_name(shared_data: Path) -> None:
    nameless = [document for _, document in documents(shared_data) if document.get("collection") is None]
    assert nameless
    for document in nameless:
        with pytest.raises(CatalogUnavailable, match="has no `collection`"):
            belongs(document, COLLECTIONS["sentinel-2-l2a"], folder=False)


def test_scale_and_offset_are_those_of_the_item(shared_data: Path) -> None:
    """For every band whose item tells them, in the band's first unit."""
    compared = 0
    for name, document, collection, item in members(shared_data):
        for band in collection.bands.values():
            asset = asset_of(document, band, item.variant)
            fields = band_fields(asset, band.index) if asset else {}
            scale = fields.get("scale", fields.get("raster:scale"))
            unit = band.units[0]
            archive = (
                "cdse"
                if str(item.assets[band.name].href if band.name in item.assets else "").startswith("s3://eodata")
                else ""
            )
            if scale is None or unit.name == "DN" or (archive, band.name) in WRONG_SCALE:
                continue
            offset = fields.get("offset", fields.get("raster:offset")) or 0
            assert unit.scale == pytest.approx(scale), (name, band.name)
            if band.harmonized:
                taken_off = document["properties"].get("earthsearch:boa_offset_applied") is True
                assert item.assets[band.name].harmonization == (0 if taken_off else pytest.approx(offset / scale))
            else:
                assert unit.offset == pytest.approx(offset), (name, band.name)
            compared += 1
    assert compared > 250


def test_no_data_is_that_of_the_item(shared_data: Path) -> None:
    """For a file that says nothing itself; where a TOML overrules the catalogue, 0 is a value of the band."""
    compared = 0
    for name, document, collection, item in members(shared_data):
        for band in collection.bands.values():
            asset = asset_of(document, band, item.variant)
            told = band_fields(asset, band.index).get("nodata") if asset else None
            if told is None:
                continue
            effective = band.no_data.of(None, masked=False, declared=item.assets[band.name].no_data)
            assert effective == (None if band.no_data.always else told), (name, band.name)
            assert not band.no_data.always or band.name in {"CLD", "SNW", "QA_RADSAT", "SR_CLOUD_QA"}
            compared += 1
    assert compared > 250


def test_cloud_cover_date_and_hrefs_are_those_of_the_item(shared_data: Path) -> None:
    for name, document, collection, item in members(shared_data):
        own = document["properties"]
        if collection.cloud_cover:
            assert item.cloud_cover == own["eo:cloud_cover"], name
        told = own["datetime"] or own["start_datetime"]
        instant = datetime.fromisoformat(told)
        assert item.instant == (instant if instant.tzinfo else instant.replace(tzinfo=UTC)), name
        for band, asset in item.assets.items():
            source = asset_of(document, collection.bands[band], item.variant)
            assert source is not None
            assert asset.href.endswith(source["href"].lstrip("./")), (name, band)


def test_every_band_that_an_archive_serves_is_found(shared_data: Path) -> None:
    """The bands of a complete item of each collection, counted by hand."""
    most: dict[str, int] = {}
    for _, _, collection, item in members(shared_data):
        most[collection.id] = max(most.get(collection.id, 0), len(item.assets))
    assert most == {
        "sentinel-2-l2a": 16, "sentinel-2-l1c": 13, "sentinel-1-grd": 2, "landsat-ot-l2": 19, "hls": 15,
        "modis-13q1": 12, "dem": 1, "esa-worldcover": 4, "io-lulc": 1, "naip": 4,
    }  # fmt: skip


def test_reflectance_and_temperature_of_usgs_become_one_acquisition(shared_data: Path) -> None:
    parts = [
        item for name, _, _, item in members(shared_data)
        if name.startswith("usgs__landsat-c2l2-s") and "LC08_L2SP_005009" in name
    ]  # fmt: skip
    assert len(parts) == 2
    (whole,) = newest(parts)
    assert {"B04", "B10", "BQA", "ST_QA", "SR_QA_AEROSOL"} <= whole.assets.keys()


def test_a_band_of_landsat_8_is_not_one_of_sentinel_2(shared_data: Path) -> None:
    """B05 is the near infrared of one half of HLS, and a red edge of the other."""
    (landsat, *_) = [item for _, _, collection, item in members(shared_data) if collection.id == "hls"]
    assert landsat.variant == "L30"
    assert landsat.assets["NIR_Narrow"].href.endswith("B05.tif")
    assert "RedEdge1" not in landsat.assets
    document = next(document for name, document in documents(shared_data) if name.startswith("cmr__HLSL30"))
    sentinel = {
        **document, "collection": "HLSS30.v2.0",
        "assets": {**document["assets"], "B8A": {"href": "x.B8A.tif"}, "B12": {"href": "x.B12.tif"}},
    }  # fmt: skip
    item = read_item(sentinel, COLLECTIONS["hls"], "https://x/y.json")
    assert item.variant == "S30"
    assert item.assets["NIR_Narrow"].href.endswith("B8A.tif")
    assert item.assets["RedEdge1"].href.endswith("B05.tif")
    assert item.assets["SWIR2"].href.endswith("B12.tif")
