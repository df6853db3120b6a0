"""The made-up country is what the tests take it for, and the oracle's answers about it can be checked by hand."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio.raw
import pytest
import rasterio
import shapely

from tests.support.imagery import scenes_of
from tests.support.loopback import NetworkBlocked
from tests.support.oracle import batch_answers, place_of
from tests.support.parcels import Parcel, bad_parcels, good_parcels, reproject, write_geopackage
from tests.support.scripts import GREENEST_DAY, GREENEST_TILE, NDVI, SEED, Script
from tests.support.world import EPSG, NORTH, SEASON, WEST, digital_numbers, make_imagery

REACH = {3035: 10.0, 32633: 10.0, 4326: 0.0001}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_imagery(tmp_path_factory.mktemp("world") / "stac")


def body(of: str = "P10D", order: str = "mostRecent", **more: Any) -> dict[str, Any]:
    return {
        "input": {"data": [{"type": "sentinel-2-l2a", "dataFilter": {"mosaickingOrder": order}}]},
        "aggregation": {
            "timeRange": {"from": "2023-06-01T00:00:00Z", "to": "2023-08-10T00:00:00Z"},
            "aggregationInterval": {"of": of},
            "resx": 10,
            "resy": 10,
        },
        **more,
    }


def one(catalog: Path, folder: Path, geometry: shapely.Geometry, wish: dict[str, Any], script: Script) -> Any:
    features = write_geopackage(folder / "one.gpkg", [Parcel(id=7, geometry=geometry, identifier="A")])
    return batch_answers(wish, features=features, catalog=catalog, script=script)[7]["response"]


def test_pixels_are_the_formula(catalog: Path) -> None:
    for acquisition in SEASON:
        with rasterio.open(catalog / acquisition.id / "B08.tif") as image:
            assert np.array_equal(image.read(1), digital_numbers("B08", acquisition))
            assert image.overviews(1) == [2]
            assert image.crs.to_epsg() == EPSG


def test_the_tiles_differ_where_they_overlap_and_the_swath_ends() -> None:
    west, east = SEASON[0], SEASON[1]
    assert not np.array_equal(digital_numbers("B04", west)[:, 200:], digital_numbers("B04", east)[:, :56])
    assert 0 < (digital_numbers("B04", SEASON[4]) == 0).mean() < 1
    assert (digital_numbers("B08", west) == 0).any()
    assert (digital_numbers("B04", west) != 0).all()


def test_a_day_processed_twice_counts_once(catalog: Path) -> None:
    scenes = scenes_of(catalog)
    assert len(scenes) == len(SEASON) - 1
    assert "S2A_33TXM_20230713_1_L2A" in {scene.id for scene in scenes}


@pytest.mark.parametrize("epsg", [32633, 4326, 3035])
def test_no_parcel_is_in_doubt_about_its_tiles(catalog: Path, epsg: int) -> None:
    """Its polygon, its box in the features' CRS and its box in degrees reach the same footprints."""
    for parcel in good_parcels():
        assert parcel.geometry is not None
        polygon = reproject(parcel.geometry, epsg)
        place = place_of(polygon, polygon.bounds, f"EPSG:{epsg}", {"width": 1, "height": 1})
        own_box = reproject(shapely.box(*polygon.bounds), 4326, epsg)
        for scene in scenes_of(catalog):
            shapes = (place.reach, own_box, shapely.box(*place.reach.bounds), shapely.box(*own_box.bounds))
            assert len({scene.footprint.intersects(each) for each in shapes}) == 1, (parcel.kind, scene.id)


def test_geopackages_keep_keys_identifiers_and_bad_rows(tmp_path: Path) -> None:
    parcels = good_parcels() + bad_parcels()
    meta, ids, shapes, columns = pyogrio.raw.read(write_geopackage(tmp_path / "a.gpkg", parcels), return_fids=True)
    assert ids.tolist() == [parcel.id for parcel in parcels]
    assert columns[list(meta["fields"]).index("identifier")].tolist() == [parcel.identifier for parcel in parcels]
    assert meta["crs"] == "EPSG:32633"
    assert shapes[-len(bad_parcels())] is None
    bare = pyogrio.read_info(write_geopackage(tmp_path / "b.gpkg", parcels, None, identifier=False))
    assert bare["crs"] is None
    assert "identifier" not in bare["fields"]


def test_an_aligned_box_by_hand(catalog: Path, tmp_path: Path) -> None:
    answer = one(catalog, tmp_path, shapely.box(WEST + 300, NORTH - 1_100, WEST + 400, NORTH - 1_020), body(), SEED)
    assert answer["geometryPixelCount"] == 80
    starts = [entry["interval"]["from"][5:10] for entry in answer["data"]]
    assert starts == ["06-01", "06-11", "06-21", "07-01", "07-11", "07-31"]  # nothing was taken from 21 to 31 July
    newest = digital_numbers("B04", SEASON[2])[102:110, 30:40]  # 8 June
    stats = answer["data"][0]["outputs"]["output_B04"]["bands"]["B0"]["stats"]
    assert (stats["sampleCount"], stats["noDataCount"]) == (80, 0)
    assert stats["max"] == float(np.float32(int(newest.max()) * 0.0001))
    assert stats["mean"] == pytest.approx(float(np.mean(newest) * 0.0001), rel=1e-6)


def test_the_order_decides_who_wins(catalog: Path, tmp_path: Path) -> None:
    box = shapely.box(WEST + 2_100, NORTH - 300, WEST + 2_200, NORTH - 200)  # in both tiles
    means = {}
    for order, winner in (("mostRecent", 2), ("leastRecent", 0), ("leastCC", 2)):
        answer = one(catalog, tmp_path, box, body(order=order), SEED)
        first = answer["data"][0]["outputs"]["output_B04"]["bands"]["B0"]["stats"]
        pixels = digital_numbers("B04", SEASON[winner])[20:30, 210:220]
        assert first["min"] == float(np.float32(int(pixels.min()) * 0.0001)), order
        means[order] = first["mean"]
    assert means["mostRecent"] != means["leastRecent"]


def test_orbit_sees_days_and_tile_sees_tiles(catalog: Path, tmp_path: Path) -> None:
    box = shapely.box(WEST + 2_100, NORTH - 300, WEST + 2_130, NORTH - 270)
    answers = [one(catalog, tmp_path, box, body(), script) for script in (GREENEST_DAY, GREENEST_TILE)]
    seen = [answer["data"][0]["outputs"]["seen"]["bands"]["count"]["stats"]["max"] for answer in answers]
    assert seen == [2.0, 3.0]


def test_masks_types_and_calculations(catalog: Path, tmp_path: Path) -> None:
    wish = body(
        calculations={
            "index": {"histograms": {"default": {"nBins": 4, "lowEdge": -1.0, "highEdge": 1.0}}},
            "default": {"statistics": {"red": {"percentiles": {"k": [5, 50.5]}}}},
        }
    )
    triangle = shapely.Polygon([(WEST + 1_003, NORTH - 905), (WEST + 1_097, NORTH - 951), (WEST + 1_020, NORTH - 820)])
    outputs = one(catalog, tmp_path, triangle, wish, NDVI)["data"][0]["outputs"]
    assert set(outputs["index"]["bands"]["B0"]) == {"stats", "histogram"}
    assert outputs["classes"]["bands"]["B0"]["stats"]["noDataCount"] == 0  # not listed in dataMask: not masked
    assert outputs["classes"]["bands"]["B0"]["stats"]["min"] == 0.0  # pixels outside count as zeros
    assert list(outputs["bands"]["bands"]["red"]["stats"]["percentiles"]) == ["5.0", "50.5"]
    assert "percentiles" not in outputs["bands"]["bands"]["blue"]["stats"]
    index, bands = (outputs[name]["bands"] for name in ("index", "bands"))
    assert index["B0"]["stats"]["noDataCount"] > bands["red"]["stats"]["noDataCount"] > 0


def test_every_good_parcel_has_an_answer_in_every_crs(catalog: Path, tmp_path: Path) -> None:
    for epsg, step in REACH.items():
        features = write_geopackage(tmp_path / f"{epsg}.gpkg", good_parcels(2) + bad_parcels(), epsg)
        wish = body(of="P1M")
        wish["aggregation"] |= {"resx": step, "resy": step}
        answers = batch_answers(wish, features=features, catalog=catalog, script=SEED)
        assert set(answers) == {parcel.id for parcel in good_parcels(2)}
        kinds = {parcel.kind: answers[parcel.id]["response"] for parcel in good_parcels(2)}
        assert kinds["outside the imagery"]["data"] == []
        assert kinds["overlap"] == kinds["the same again"]
        assert kinds["tiny"]["geometryPixelCount"] == 1


@pytest.mark.parametrize("address", [("192.0.2.1", 80), ("example.org", 80)])
def test_the_network_is_blocked(address: tuple[str, int]) -> None:
    with socket.socket() as outside, pytest.raises(NetworkBlocked):
        outside.connect(address)
    with pytest.raises(NetworkBlocked):
        socket.create_connection(address, timeout=0.1)


def test_loopback_is_not_blocked() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        socket.create_connection(listening.getsockname(), timeout=5).close()
