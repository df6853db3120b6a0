"""Joins: a cloud mask of another catalogue goes to the item of the same acquisition, and to no other."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import shapely

from arpent.adapters.catalogs.routing import open_catalog
from arpent.adapters.collections.files import CollectionFileError, load_collections
from arpent.domain.errors import CatalogUnavailable
from arpent.domain.interval import Interval

EXAMPLE = """
extends = "sentinel-2-l2a"
id = "sentinel-2-l2a"

[joins.clouds]
catalog = "clouds"
stac_collections = ["omnicloudmask"]
minutes = 10

[bands]
OCM = { assets = ["mask"], join = "clouds", units = "number", categorical = true, fallback_no_data = "none" }
"""
NOON = datetime(2023, 6, 1, 12, tzinfo=UTC)
DAY = Interval(start=NOON - timedelta(hours=12), end=NOON + timedelta(hours=12))
BOX = (15.0, 46.0, 16.0, 47.0)


def write(folder: Path, name: str, *, minutes: float = 0, asset: str = "red", **fields: Any) -> None:
    folder.mkdir(exist_ok=True)
    ground = fields.pop("ground", shapely.box(15, 46, 16, 47))
    own = {"datetime": (NOON + timedelta(minutes=minutes)).isoformat(), **fields.pop("properties", {})}
    document = {
        "type": "Feature", "stac_version": "1.0.0", "id": name, "links": [],
        "collection": "sentinel-2-l2a" if asset == "red" else "omnicloudmask", "properties": own,
        "geometry": json.loads(shapely.to_geojson(ground)), "assets": {asset: {"href": f"./{name}.tif"}},
    }  # fmt: skip
    (folder / f"{name}.json").write_text(json.dumps(document))


def masks(folder: Path, box: tuple[float, float, float, float] = BOX, **catalogs: str) -> dict[str, str | None]:
    (folder / "toml").mkdir(exist_ok=True)
    (folder / "toml" / "mine.toml").write_text(EXAMPLE)
    collection = load_collections(folder / "toml")["sentinel-2-l2a"]
    catalog = open_catalog(str(folder / "images"), catalogs or {"clouds": str(folder / "masks")})
    found = catalog.search(collection, DAY, box)
    for item in found:  # what it says of its image can be seen
        assert all(item.assets["OCM"] == one.assets["OCM"] for one in item.joined)
        assert len(item.joined) == ("OCM" in item.assets)
    return {item.id: Path(item.assets["OCM"].href).stem if "OCM" in item.assets else None for item in found}


@pytest.mark.parametrize(
    ("minutes", "image", "mask", "expected"),
    [
        (0, {}, {}, "m"),
        (9.9, {}, {}, "m"),
        (-9.9, {}, {}, "m"),
        (10.1, {}, {}, None),
        (5, {"platform": "Sentinel-2A"}, {"platform": "sentinel-2a"}, "m"),
        (5, {"platform": "sentinel-2a"}, {"platform": "sentinel-2b"}, None),
        (5, {"platform": "sentinel-2a"}, {}, "m"),
        (5, {"grid:code": "MGRS-33TWM"}, {"s2:mgrs_tile": "33TWM"}, "m"),
        (5, {"grid:code": "MGRS-6WVC"}, {"s2:mgrs_tile": "06WVC"}, "m"),
        (5, {"grid:code": "MGRS-33TWM"}, {"grid:code": "MGRS-33TWL"}, None),
    ],
)
def test_platform_tile_and_time(
    tmp_path: Path, minutes: float, image: dict[str, Any], mask: dict[str, Any], expected: str | None
) -> None:
    write(tmp_path / "images", "a", properties=image)
    write(tmp_path / "masks", "m", minutes=minutes, asset="mask", properties=mask)
    assert masks(tmp_path) == {"a": expected}


def test_the_mask_that_covers_most_then_the_nearest_in_time(tmp_path: Path) -> None:
    write(tmp_path / "images", "a")
    write(tmp_path / "images", "b", ground=shapely.box(15.9, 46, 16.9, 47))
    write(tmp_path / "masks", "east", asset="mask", ground=shapely.box(15.9, 46, 16.9, 47))
    write(tmp_path / "masks", "late", asset="mask", minutes=5)
    write(tmp_path / "masks", "near", asset="mask", minutes=1)
    write(tmp_path / "masks", "elsewhere", asset="mask", ground=shapely.box(0, 0, 1, 1))
    assert masks(tmp_path) == {"a": "near", "b": "east"}


@pytest.mark.parametrize("box", [BOX, (15.0, 46.0, 15.1, 46.1), (15.9, 46.9, 16.0, 47.0)])
def test_the_mask_does_not_depend_on_which_part_of_the_image_is_looked_for(
    tmp_path: Path, box: tuple[float, float, float, float]
) -> None:
    write(tmp_path / "images", "a")
    write(tmp_path / "masks", "west", asset="mask", ground=shapely.box(15, 46, 15.4, 47))
    write(tmp_path / "masks", "east", asset="mask", ground=shapely.box(15.4, 46, 16, 47))
    assert masks(tmp_path, box) == {"a": "east"}


def test_an_image_across_180_degrees_finds_its_mask(tmp_path: Path) -> None:
    across = shapely.MultiPolygon([shapely.box(179.5, 46, 180, 47), shapely.box(-180, 46, -179.5, 47)])
    write(tmp_path / "images", "a", ground=across)
    write(tmp_path / "masks", "east", asset="mask", ground=shapely.box(-180, 46, -179.6, 47))
    write(tmp_path / "masks", "all", asset="mask", ground=across)
    assert masks(tmp_path, (-179.9, 46.0, -179.8, 46.1)) == {"a": "all"}
    assert masks(tmp_path, (179.8, 46.0, 179.9, 46.1)) == {"a": "all"}


def test_a_mask_that_was_made_anew_goes_first(tmp_path: Path) -> None:
    own = {"platform": "sentinel-2a", "grid:code": "MGRS-33TWM", "s2:datatake_id": "D"}
    write(tmp_path / "images", "a", properties=own)
    write(tmp_path / "masks", "old", asset="mask", properties={**own, "s2:processing_baseline": "02.14"})
    new = {**own, "s2:processing_baseline": "05.00"}
    write(tmp_path / "masks", "new", asset="mask", properties=new, ground=shapely.box(15, 46, 15.95, 47))
    assert masks(tmp_path) == {"a": "new"}


def test_an_asset_of_the_image_itself_is_no_mask(tmp_path: Path) -> None:
    write(tmp_path / "images", "a")
    path = tmp_path / "images" / "a.json"
    document = json.loads(path.read_text())
    document["assets"]["mask"] = {"href": "./own.tif"}
    path.write_text(json.dumps(document))
    write(tmp_path / "masks", "m", minutes=60, asset="mask")
    assert masks(tmp_path) == {"a": None}


def test_a_catalogue_that_is_not_set_is_named(tmp_path: Path) -> None:
    write(tmp_path / "images", "a")
    with pytest.raises(CatalogUnavailable, match="The catalogue clouds of sentinel-2-l2a/clouds is not set"):
        masks(tmp_path, other=str(tmp_path))


def test_what_a_file_extends_stays(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(EXAMPLE)
    mine, own = load_collections(tmp_path)["S2L2A"], load_collections()["S2L2A"]
    assert mine.bands.keys() - own.bands.keys() == {"OCM"}
    assert repr({name: mine.bands[name] for name in own.bands}) == repr(dict(own.bands))  # NaN is not NaN
    assert (mine.harmonize, mine.cloud_cover, mine.metadata) == (own.harmonize, own.cloud_cover, own.metadata)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (('extends = "sentinel-2-l2a"', 'extends = "nope"'), "`extends` is 'nope'; known: alphaearth"),
        (('join = "clouds"', 'join = "cloud"'), "`bands.OCM.join` is 'cloud', which is not in"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, change: tuple[str, str], told: str) -> None:
    (tmp_path / "mine.toml").write_text(EXAMPLE.replace(*change))
    with pytest.raises(CollectionFileError, match=told):
        load_collections(tmp_path)
