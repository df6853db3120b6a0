"""The engine against the slow obvious answer: mosaicking, scenes, fusion, units, types, grids and calculations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import shapely

from tests.support.compare import differences
from tests.support.engine import Engine, wish
from tests.support.imagery import Scene, scenes_of
from tests.support.numbers import intervals_of
from tests.support.oracle import answer, choose, place_of
from tests.support.parcels import good_parcels, reproject
from tests.support.scripts import GREENEST_DAY, GREENEST_TILE, NDVI, SEED, Script
from tests.support.season_scripts import ANOMALY, CHANGE, FILTERED, GREENEST_WHEN, PER_SCENE, TYPES, in_unit
from tests.support.seasons import make_season

S2 = "sentinel-2-l2a"
CRS = (32633, 4326, 3035, 3794)
DEGREES = {"resx": 0.00013, "resy": 0.00009}
CALCULATIONS: dict[str, Any] = {
    "default": {
        "histograms": {"default": {"nBins": 7}},
        "statistics": {"default": {"percentiles": {"k": [0, 33.3, 50, 99.9, 100]}}},
    },
    "percent": {
        "histograms": {
            "up": {"bins": [-10, 0, 5, 40, 127]},
            "down": {"binWidth": 50, "lowEdge": -128, "highEdge": 100},
        },
        "statistics": {"down": {"percentiles": {"k": [5, 1]}}},
    },
    "clamped": {"histograms": {"default": {"binWidth": 10000}}},
    "raw": {"histograms": {"default": {"binWidth": 0.07, "lowEdge": -0.4, "highEdge": 0.0}}},
}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> tuple[Engine, list[Scene]]:
    folder = tmp_path_factory.mktemp("oracle")
    catalog = make_season(folder / "stac")
    return Engine.over(catalog, folder), scenes_of(catalog)


def compare(engine: tuple[Engine, list[Scene]], body: Mapping[str, Any], script: Script, epsg: int = 32633) -> int:
    """How many intervals agreed; fails where any number differs."""
    made, scenes = engine
    parcels = good_parcels(8)
    found = made.answers(body, parcels, epsg)
    intervals = 0
    for parcel in parcels:
        shape = reproject(parcel.geometry or shapely.Polygon(), epsg)
        expected = answer(body, geometry=shape, box=shape.bounds, crs=f"EPSG:{epsg}", scenes=scenes, script=script)
        assert differences(found[parcel.id]["response"], expected) == [], f"{parcel.kind} ({parcel.id})"
        intervals += len(expected["data"])
    return intervals


@pytest.mark.parametrize(
    ("name", "epsg"),
    [*(("seed", epsg) for epsg in CRS), ("ndvi", 4326), ("ndvi", 3794), ("day", 3035), ("tile", 4326)],
)
def test_every_reference_system(engine: tuple[Engine, list[Scene]], name: str, epsg: int):
    """Every mosaicking in one that is not the images' own."""
    resolution = DEGREES if epsg == 4326 else {}
    script = {"seed": SEED, "ndvi": NDVI, "day": GREENEST_DAY, "tile": GREENEST_TILE}[name]
    assert compare(engine, wish(script.text, **resolution), script, epsg) > 20


@pytest.mark.parametrize("order", ["mostRecent", "leastRecent", "leastCC"])
@pytest.mark.parametrize("clouds", [100, 30, 4])
def test_orders_and_clouds(engine: tuple[Engine, list[Scene]], order: str, clouds: float):
    source = {"type": S2, "dataFilter": {"mosaickingOrder": order, "maxCloudCoverage": clouds}}
    for script in (SEED, GREENEST_DAY):
        assert compare(engine, wish(script.text, source, aggregationInterval={"of": "P20D"}), script) > 5


@pytest.mark.parametrize(
    "script", [GREENEST_WHEN, FILTERED, PER_SCENE, TYPES], ids=["dates", "filtered", "band per scene", "types"]
)
@pytest.mark.parametrize("last", ["SKIP", "SHORTEN", "EXTEND"])
def test_scripts_with_calculations(engine: tuple[Engine, list[Scene]], script: Script, last: str):
    interval = {"of": "P15D", "lastIntervalBehavior": last}
    wanted = dict(CALCULATIONS)
    if any(output not in wanted for output in script.sample_types):
        wanted["default"] = {"statistics": wanted["default"]["statistics"]}
    assert compare(engine, wish(script.text, calculations=wanted, aggregationInterval=interval), script) > 20


def test_two_sources_with_their_own_times_and_orders(engine: tuple[Engine, list[Scene]]):
    early = {"from": "2023-06-01T00:00:00Z", "to": "2023-06-18T10:00:05Z"}
    sources = (
        {"type": S2, "id": "early", "dataFilter": {"timeRange": early, "mosaickingOrder": "mostRecent"}},
        {"type": S2, "id": "late", "dataFilter": {"mosaickingOrder": "leastCC", "maxCloudCoverage": 45}},
    )
    assert compare(engine, wish(CHANGE.text, *sources, aggregationInterval={"of": "P1M"}), CHANGE) > 10
    assert compare(engine, wish(CHANGE.text, *sources), CHANGE) > 20


def test_one_sample_and_many_in_one_script(engine: tuple[Engine, list[Scene]]):
    best = {"type": S2, "id": "best", "dataFilter": {"mosaickingOrder": "leastCC", "maxCloudCoverage": 8}}
    body = wish(ANOMALY.text, best, {"type": S2, "id": "season"}, aggregationInterval={"of": "P10D"})
    assert compare(engine, body, ANOMALY, 3035) > 20


@pytest.mark.parametrize("harmonize", [None, True, False])
@pytest.mark.parametrize(("unit", "scale"), [("REFLECTANCE", 0.0001), ("DN", 1.0)])
def test_units_and_offsets(engine: tuple[Engine, list[Scene]], unit: str, scale: float, harmonize: bool | None):
    source = {"type": S2} | ({} if harmonize is None else {"processing": {"harmonizeValues": harmonize}})
    body = wish(in_unit(unit, scale).text, source, aggregationInterval={"of": "P5D"})
    assert compare(engine, body, in_unit(unit, scale)) > 20


@pytest.mark.parametrize(
    "sampling", [{"width": 7, "height": 13}, {"width": 1, "height": 1}, {"width": 40, "height": 3}]
)
def test_sides_instead_of_a_resolution(engine: tuple[Engine, list[Scene]], sampling: dict[str, int]):
    body = wish(NDVI.text, resx=None, resy=None, **sampling)
    body["aggregation"] = {name: value for name, value in body["aggregation"].items() if value is not None}
    assert compare(engine, body, NDVI) > 20


@pytest.mark.parametrize("resolution", [3.7, 25.0, 180.0])
def test_finer_and_coarser_than_the_image(engine: tuple[Engine, list[Scene]], resolution: float):
    assert compare(engine, wish(NDVI.text, resx=resolution, resy=resolution / 1.3), NDVI) > 20


@pytest.mark.parametrize(
    ("script", "bands"), [(NDVI, 4), (GREENEST_DAY, 2), (GREENEST_TILE, 2)], ids=["simple", "day", "tile"]
)
def test_the_price(engine: tuple[Engine, list[Scene]], script: Script, bands: int):
    """Area, bands and samples of every interval with data, whatever the cut (sentinelhub.md 7)."""
    made, scenes = engine
    body = wish(script.text)
    parcels = good_parcels(8)
    expected = 0.0
    for parcel in parcels:
        shape = parcel.geometry or shapely.Polygon()
        place = place_of(shape, shape.bounds, "EPSG:32633", body["aggregation"])
        for start, end in intervals_of(body["aggregation"]):
            chosen = choose(scenes, body["input"]["data"][0], start, end, place)
            days = {scene.when.date() for scene in chosen}
            samples = {"SIMPLE": min(1, len(chosen)), "ORBIT": len(days), "TILE": len(chosen)}[script.mosaicking]
            expected += max(len(place.xs) / 512**2, 0.01) * bands / 3 * samples
    assert made.run(body, parcels)[1] == pytest.approx(expected, rel=1e-12)
    assert made.run(body, parcels, cuts=[3, 4, 11])[1] == pytest.approx(expected, rel=1e-12)
