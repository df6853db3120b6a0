"""The made landscape: what the demo and the tests may rely on."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.features
import shapely

from arpent.adapters.catalogs.stac_folder import FolderCatalog
from arpent.adapters.collections.files import load_collections
from arpent.adapters.formats.geopackage import read_features
from arpent.domain.interval import Interval
from arpent.landscape.make import Landscape, make_landscape


def digest(folder: Path) -> str:
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            found.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return found.hexdigest()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Landscape:
    return make_landscape(tmp_path_factory.mktemp("landscape"), parcels=120, tile=256, scenes=20)


def pixels(item: Path, band: str) -> np.ndarray:
    with rasterio.open(item / f"{band}.tif") as image:
        return image.read(1)


def test_same_seed_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        make_landscape(tmp_path / name, seed=seed, parcels=10, tile=128, scenes=2)
    assert digest(tmp_path / "a") == digest(tmp_path / "b") != digest(tmp_path / "c")


def test_parcels_touch_but_do_not_overlap(made: Landscape) -> None:
    (features,) = read_features(made.features)
    assert features.ids.tolist() == list(range(1, 121))
    assert features.identifiers == made.identifiers
    assert features.crs.to_epsg() == 32633
    assert shapely.is_valid(features.geometries).all()
    hectares = shapely.area(features.geometries) / 10_000
    assert 0.25 < hectares.min() < 1.2
    assert 4 < hectares.max() < 15
    overlap = hectares.sum() - shapely.area(shapely.union_all(features.geometries)) / 10_000
    assert overlap < 1e-6
    left, _ = shapely.STRtree(features.geometries).query(features.geometries, predicate="touches")
    assert len(np.unique(left)) > 100
    assert (shapely.get_num_geometries(features.geometries) > 1).any()
    assert (shapely.get_num_interior_rings(shapely.get_parts(features.geometries)) > 0).any()


def test_the_catalogue_finds_two_intervals_of_scenes(made: Landscape) -> None:
    catalog = FolderCatalog(made.catalog)
    collection = load_collections()["sentinel-2-l2a"]
    for start, end in (((6, 1), (7, 1)), ((7, 1), (7, 31))):
        interval = Interval(start=datetime(2020, *start, tzinfo=UTC), end=datetime(2020, *end, tzinfo=UTC))
        items = catalog.search(collection, interval, (15.0, 46.0, 17.0, 47.0))
        assert len(items) >= 10
        assert all(set(item.assets) == {"B02", "B03", "B04", "B08", "SCL"} for item in items)
        assert all(asset.harmonization == 0 for item in items for asset in item.assets.values())
        assert min(item.cloud_cover or 0 for item in items) < 5
        assert max(item.cloud_cover or 0 for item in items) > 50


def test_images_are_cogs_in_blocks(made: Landscape) -> None:
    images = list(made.catalog.rglob("*.tif"))
    assert len(images) == 20 * 2 * 5
    for path in images:
        with rasterio.open(path) as image:
            assert image.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
            assert image.block_shapes == [(256, 256)]
            assert image.dtypes == (("uint8",) if path.stem == "SCL" else ("uint16",))
            assert image.res == ((20.0, 20.0) if path.stem == "SCL" else (10.0, 10.0))
            assert image.nodata == 0


def test_tiles_agree_where_they_overlap(made: Landscape) -> None:
    west, east = (made.catalog / f"S2A_{tile}_20200515_0_L2A" for tile in ("33TWM", "33TXM"))
    assert np.array_equal(pixels(west, "B08")[:, 192:], pixels(east, "B08")[:, :64])
    assert np.array_equal(pixels(west, "SCL")[:, 96:], pixels(east, "SCL")[:, :32])


def test_the_swath_ends_in_every_second_pass(made: Landscape) -> None:
    for path in made.catalog.glob("*/*.json"):
        item = json.loads(path.read_text())
        empty = pixels(path.parent, "B04") == 0
        assert np.array_equal(empty, pixels(path.parent, "B08") == 0)
        assert np.array_equal(empty[::2, ::2], pixels(path.parent, "SCL") == 0)
        if item["properties"]["sat:relative_orbit"] == 122:
            assert not empty.any()
        elif "33TXM" in path.name:
            assert 0.5 < empty.mean() < 1


def test_crops_follow_their_calendar(made: Landscape) -> None:
    """On clear days wheat is green in May and ripe in late July, maize the other way round."""
    (features,) = read_features(made.features)
    means: dict[tuple[str, str], float] = {}
    for day, name in (("may", "S2A_33TWM_20200515_0_L2A"), ("july", "S2B_33TWM_20200724_0_L2A")):
        (folder,) = made.catalog.glob(name.replace("S2B", "S2?").replace("S2A", "S2?"))
        red, near, classes = (pixels(folder, band).astype(float) for band in ("B04", "B08", "SCL"))
        clear = np.kron(np.isin(classes, (4, 5)), np.ones((2, 2), bool)) & (near > 0)
        with rasterio.open(folder / "B04.tif") as image:
            for crop in ("wheat", "maize"):
                shapes = [shape for shape, name in zip(features.geometries, made.crops, strict=True) if name == crop]
                inside = rasterio.features.geometry_mask(shapes, red.shape, image.transform, invert=True) & clear
                assert inside.sum() > 200
                means[crop, day] = float(((near - red) / (near + red))[inside].mean())
    assert means["wheat", "may"] > 0.6
    assert means["wheat", "july"] < 0.5
    assert means["maize", "may"] < 0.4
    assert means["maize", "july"] > 0.6


def test_too_many_parcels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="enlarge `tile`"):
        make_landscape(tmp_path, parcels=1000, tile=128, scenes=1)
    with pytest.raises(ValueError, match="multiple of 8"):
        make_landscape(tmp_path, tile=100)
