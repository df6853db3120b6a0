"""Presets: what a name alone opens, tried with the real items of the archives."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from arpent.adapters.sources.access import TableAccess
from arpent.adapters.sources.table import catalog_address, presets, source_table
from arpent.domain.errors import InvalidSetting
from arpent.network.source import ArchiveSource, SourceTable
from arpent.settings import Settings
from arpent.worker import access_of, catalog_addresses, egress_policy
from tests.support.archives import archive

NAMES = ("earth-search", "planetary-computer", "cdse", "usgs", "hls", "deafrica")


def table(*catalogs: str, **given: dict[str, object]) -> SourceTable:
    entries = {name.replace("_", "-"): ArchiveSource.model_validate(entry) for name, entry in given.items()}
    return source_table(entries, catalogs)


def test_every_name_is_a_catalogue_and_a_source() -> None:
    assert tuple(presets()) == NAMES
    for name, preset in presets().items():
        assert catalog_address(name) == preset.catalog
        assert preset.catalog.startswith("https://")
        assert name in preset.sources
        assert all(source.match for source in preset.sources.values())
    homes = [key for preset in presets().values() for key in preset.sources]
    assert len(homes) == len(set(homes)), "an entry is changed by its name"
    assert catalog_address("./stac") == "./stac"


@pytest.mark.parametrize(
    ("name", "url", "expected"),
    [
        ("planetary-computer", "https://sentinel2l2a01.blob.core.windows.net/sentinel2-l2/x.tif", "planetary-computer"),
        ("planetary-computer", "https://planetarycomputer.microsoft.com/api/data/v1/x", None),
        ("cdse", "s3://eodata/Sentinel-2/MSI/L2A/x.jp2", "cdse"),
        ("cdse", "https://zipper.dataspace.copernicus.eu/odata/v1/Products(1)/$value", "cdse-https"),
        ("cdse", "s3://results/x", None),
        ("usgs", "https://landsatlook.usgs.gov/data/collection02/x_SR_B4.TIF", "usgs"),
        ("usgs", "s3://usgs-landsat/collection02/x.TIF", "usgs-s3"),
        ("hls", "https://data.lpdaac.earthdatacloud.nasa.gov/lp-prod-protected/HLSL30.020/x.tif", "hls"),
        ("hls", "https://data.lpdaac.earthdatacloud.nasa.gov/lp-prod-public/HLSL30.020/x.jpg", None),
        ("hls", "s3://lp-prod-protected/HLSL30.020/x.tif", "hls-s3"),
        ("deafrica", "s3://deafrica-sentinel-2-l2a-c1-dev/x.tif", "deafrica"),
        ("earth-search", "s3://usgs-landsat/collection02/x.TIF", "earth-search-us-west-2"),
        ("earth-search", "s3://copernicus-dem-30m/x.tif", "earth-search-dem"),
        ("earth-search", "s3://sentinel-s1-l1c/GRD/x.tiff", "earth-search-sentinel"),
        ("earth-search", "https://sentinel-cogs.s3.us-west-2.amazonaws.com/x.tif", None),
        ("./stac", "s3://usgs-landsat/x", None),
    ],
)
def test_an_image_finds_its_entry(name: str, url: str, expected: str | None) -> None:
    found = table(name).of(url)
    assert (None if found is None else found.name) == expected


def test_real_items_need_no_entry_but_those_of_the_preset(shared_data: Path) -> None:
    """Every image of an archive's items is either open over https, or finds an entry."""
    open_hosts = ("amazonaws.com", "planetarycomputer.microsoft.com", "landsatlook.usgs.gov", "datahub.creodias.eu")
    seen = 0
    for prefix, name in (("pc__", "planetary-computer"), ("cdse__", "cdse"), ("usgs__landsat-c2l2", "usgs"),
                         ("earthsearch-v1__", "earth-search"), ("deafrica__", "deafrica")):  # fmt: skip
        entries = table(name)
        for path in sorted((shared_data / "stac_items" / "more").glob(f"{prefix}*.json")):
            for asset in json.loads(path.read_text())["assets"].values():
                href = asset["href"]
                if "://" in href and entries.of(href) is None:
                    assert href.split("/")[2].endswith(open_hosts), (path.name, href)
                seen += 1
    assert seen > 300


def test_a_real_item_of_usgs_is_read_in_its_bucket(shared_data: Path) -> None:
    access = TableAccess(table("usgs"))
    (path, *_) = sorted((shared_data / "stac_items" / "more").glob("usgs__landsat-c2l2-sr*.json"))
    asset = json.loads(path.read_text())["assets"]["SR_B1.TIF"]
    assert access.alternate(asset["href"]) == "s3"
    if "alternate" in asset:
        way = access.bucket(asset["alternate"]["s3"]["href"])
        assert (way.requester_pays, way.region) == (True, "us-west-2")


def test_a_source_turns_its_preset_on_and_changes_it() -> None:
    found = {source.name: source for source in table("./stac", cdse={"connections": 2}).sources}
    assert set(found) == {"cdse", "cdse-https"}
    assert (found["cdse"].connections, found["cdse"].access_key) == (2, "env:CDSE_ACCESS_KEY")
    assert [source.name for source in table("./stac", planetary_computer={}).sources] == ["planetary-computer"]


def test_an_entry_of_no_preset_needs_a_match() -> None:
    with pytest.raises(InvalidSetting, match=r"`sources.mine` has no `match`.* cdse"):
        table(mine={"unsigned": True})


def test_missing_keys_of_a_preset_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CDSE_ACCESS_KEY", raising=False)
    monkeypatch.setenv("CDSE_SECRET_KEY", "s")
    way = TableAccess(table("cdse")).bucket("s3://eodata/x")
    assert way.keys is not None
    with pytest.raises(Exception, match=r"source cdse lacks keys: set the variable CDSE_ACCESS_KEY$"):
        way.keys()


def test_settings_and_their_copies_lead_to_the_same_table() -> None:
    settings = Settings(catalog="cdse", catalogs={"dem": "planetary-computer"}, sources={"minio": {"match": "s3://r"}})
    again = Settings.model_validate_json(settings.model_dump_json(exclude={"database_url", "secret_key"}))
    assert access_of(again).table == access_of(settings).table
    names = {source.name for source in access_of(settings).table.sources}
    assert names == {"cdse", "cdse-https", "planetary-computer", "minio"}
    assert catalog_addresses(settings)[0] == "https://stac.dataspace.copernicus.eu/v1"


def test_only_the_operators_own_hosts_are_trusted() -> None:
    settings = Settings(catalog="cdse", sources={"minio": {"match": "s3://r", "endpoint": "http://minio:9000"},
                                                 "wild": {"match": "https://*.internal"}})  # fmt: skip
    policy = egress_policy(settings)
    assert policy.is_trusted("minio", 9000)
    assert not policy.is_trusted("minio", 80)
    for host in ("eodata.dataspace.copernicus.eu", "identity.dataspace.copernicus.eu", "x.internal"):
        assert not policy.is_trusted(host, 443)


def test_a_preset_by_its_name_alone(tmp_path: Path) -> None:
    """The same entry, over an emulator: only its address is another."""
    with archive(tmp_path) as at:
        blobs = {"match": at.url, "sas_url": f"{at.url}/sas", "account": "sentinel2l2a01"}
        access = TableAccess(table("planetary-computer", planetary_computer=blobs))
        asked = access.request(f"{at.url}/sentinel2-l2/a.tif")
    assert asked.url == f"{at.url}/sentinel2-l2/a.tif?sv=1&sig=sas1%2F"
    assert [path for path, _ in at.asked] == ["/sas/sentinel2l2a01/sentinel2-l2"]
