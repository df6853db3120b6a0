"""What is told of filters that leave nothing, and of pixels that are not those of the real service."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from arpent.adapters.collections.files import load_collections
from arpent.domain.errors import LimitExceeded
from arpent.domain.partition import Analysis
from arpent.engine.analysis.analyse import analyse
from arpent.engine.band_bindings import bind_bands
from arpent.engine.explain import explain_feature
from arpent.engine.hints import of_offers
from arpent.engine.services import Limits, Services
from arpent.engine.statistics import statistics
from arpent.settings import Settings
from arpent.wire.explanation import render_explanation
from arpent.wire.request.parse import parse_batch, parse_statistical
from arpent.worker import services_of
from tests.support.client import seed_body
from tests.support.parcels import good_parcels, write_geopackage
from tests.support.scripts import SEED
from tests.support.world import make_imagery
from tests.unit.wire.bodies import BATCH, text

PARCELS = [parcel for parcel in good_parcels(6) if parcel.kind == "field"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Imagery that tells its cloud cover, the same without, and some that does not tell its baseline."""
    folder = tmp_path_factory.mktemp("world")
    for name in ("told", "untold", "silent"):
        make_imagery(folder / name)
    for path in (folder / "silent").rglob("*.json"):
        document = json.loads(path.read_text())
        for field in ("s2:processing_baseline", "s2:datatake_id", "earthsearch:boa_offset_applied"):
            document.get("properties", {}).pop(field, None)
        for asset in document.get("assets", {}).values():
            asset.pop("raster:bands", None)
        path.write_text(json.dumps(document))
    for path in (folder / "untold").rglob("*.json"):
        document = json.loads(path.read_text())
        document.get("properties", {}).pop("eo:cloud_cover", None)
        path.write_text(json.dumps(document))
    (folder / "buckets" / "fields").mkdir(parents=True)
    (folder / "buckets" / "results").mkdir()
    write_geopackage(folder / "buckets" / "fields" / "a.gpkg", PARCELS)
    return folder


@pytest.fixture
def services(request: pytest.FixtureRequest, folder: Path) -> Services:
    return services_of(Settings(catalog=str(folder / request.param), buckets=folder / "buckets", parquet=False))


def analysed(services: Services, **data_filter: Any) -> Analysis:
    body = seed_body("s3://fields/a.gpkg", SEED.text, "s3://results/out")
    body["input"]["data"] = [{"type": "sentinel-2-l2a", "dataFilter": data_filter}]
    return analyse("job", parse_batch(json.dumps(body)), services, Limits())


def kinds(analysis: Analysis) -> set[str]:
    return {finding.kind for finding in analysis.findings}


@pytest.mark.parametrize("services", ["told", "untold"], indirect=True)
def test_nothing_is_told_of_filters_that_leave_something(services: Services) -> None:
    analysis = analysed(services)
    assert analysis.hints == ()
    assert "filtered-out" not in kinds(analysis)


@pytest.mark.parametrize("services", ["silent"], indirect=True)
def test_items_that_do_not_tell_their_baseline(services: Services) -> None:
    """Their reflectances may be 0.1 too large."""
    (hint,) = analysed(services).hints
    assert "acquisitions of input.data '0' do not state their processing baseline" in hint
    assert "From baseline 04.00 on, -1000 would be added to them: set s2:processing_baseline" in hint


@pytest.mark.parametrize("services", ["silent"], indirect=True)
def test_stored_numbers_have_no_baseline(services: Services) -> None:
    script = SEED.text.replace('"dataMask"] }', '"dataMask"], units: "DN" }', 1)
    assert "DN" in script
    body = seed_body("s3://fields/a.gpkg", script, "s3://results/out")
    for harmonize, hints in ((False, 0), (True, 1)):
        body["input"]["data"] = [{"type": "sentinel-2-l2a", "processing": {"harmonizeValues": harmonize}}]
        analysis = analyse("job", parse_batch(json.dumps(body)), services, Limits())
        assert len([hint for hint in analysis.hints if "baseline" in hint]) == hints


@pytest.mark.parametrize("services", ["told"], indirect=True)
def test_a_range_without_any_acquisition_is_said(services: Services) -> None:
    body = seed_body("s3://fields/a.gpkg", SEED.text, "s3://results/out")
    body["aggregation"]["timeRange"] = {"from": "1999-06-01T00:00:00Z", "to": "1999-07-01T00:00:00Z"}
    analysis = analyse("job", parse_batch(json.dumps(body)), services, Limits())
    (hint,) = analysis.hints
    assert "no acquisition of sentinel-2-l2a" in hint
    assert "1999-06-01T00:00:00Z" in hint
    assert kinds(analysis) == {"outside-imagery"}


@pytest.mark.parametrize("services", ["untold"], indirect=True)
def test_items_without_a_cloud_cover(services: Services) -> None:
    analysis = analysed(services, maxCloudCoverage=99)
    (hint,) = analysis.hints
    assert "maxCloudCoverage 99 of input.data '0' excludes all" in hint
    assert "have no cloud cover" in hint
    assert kinds(analysis) == {"filtered-out"}
    assert len(list(analysis.findings)) == len(PARCELS)


@pytest.mark.parametrize("services", ["told"], indirect=True)
def test_a_cloud_cover_that_no_item_keeps(services: Services) -> None:
    analysis = analysed(services, maxCloudCoverage=0)
    (hint,) = analysis.hints
    assert "maxCloudCoverage 0" in hint
    assert "no cloud cover" not in hint
    assert kinds(analysis) == {"filtered-out"}


@pytest.mark.parametrize("services", ["told"], indirect=True)
def test_a_time_range_beside_the_intervals(services: Services) -> None:
    window = {"from": "2019-01-01T00:00:00Z", "to": "2019-02-01T00:00:00Z"}
    analysis = analysed(services, timeRange=window)
    (hint,) = analysis.hints
    assert "dataFilter.timeRange of input.data '0' (2019-01-01T00:00:00Z to" in hint
    assert kinds(analysis) == {"filtered-out"}


@pytest.mark.parametrize("services", ["untold"], indirect=True)
@pytest.mark.parametrize(
    ("data_filter", "told"),
    [
        ({}, ""),
        ({"maxCloudCoverage": 50}, "excludes all"),
        ({"timeRange": {"from": "2019-01-01T00:00:00Z", "to": "2019-02-01T00:00:00Z"}}, "dataFilter.timeRange"),
    ],
)
def test_the_synchronous_answer_has_hints(services: Services, data_filter: dict[str, Any], told: str) -> None:
    body = seed_body("s3://fields/a.gpkg", SEED.text, "s3://results/out")
    box = list(PARCELS[0].geometry.bounds)
    crs = {"crs": "http://www.opengis.net/def/crs/EPSG/0/32633"}
    body["input"] = {"bounds": {"bbox": box, "properties": crs},
                     "data": [{"type": "sentinel-2-l2a", "dataFilter": data_filter}]}  # fmt: skip
    del body["output"]
    _, _, hints = statistics(parse_statistical(json.dumps(body)), services, Limits())
    assert told in " ".join(hints)
    assert bool(hints) == bool(told)


@pytest.mark.parametrize("services", ["untold"], indirect=True)
def test_the_synchronous_answer_has_hints_about_the_script(services: Services) -> None:
    body = seed_body("s3://fields/a.gpkg", f"{SEED.text}\nfunction filterScene(s) {{ return [] }}", "s3://results/out")
    crs = {"crs": "http://www.opengis.net/def/crs/EPSG/0/32633"}
    body["input"] = {
        "bounds": {"bbox": list(PARCELS[0].geometry.bounds), "properties": crs}, "data": [{"type": "sentinel-2-l2a"}],
    }  # fmt: skip
    del body["output"]
    _, _, hints = statistics(parse_statistical(json.dumps(body)), services, Limits())
    assert "did you mean 'filterScenes', which chooses scenes" in " ".join(hints)


SCRIPT = """//VERSION=3
function setup() {
  return { input: ["VV", "dataMask"], output: [{ id: "a", bands: 1 }, { id: "dataMask", bands: 1 }] };
}
function evaluatePixel(s) { return { a: [s.VV], dataMask: [s.dataMask] }; }"""


@pytest.mark.parametrize("services", ["told"], indirect=True)
@pytest.mark.parametrize(
    ("processing", "told"),
    [
        ({}, ["backCoeff GAMMA0_TERRAIN, orthorectify true", "gives backCoeff GAMMA0_ELLIPSOID, orthorectify false"]),
        ({"backCoeff": "GAMMA0_TERRAIN"}, ["has orthorectify true here"]),
        ({"backCoeff": "GAMMA0_TERRAIN", "orthorectify": True}, []),
    ],
)
def test_pixels_that_are_not_the_real_services(services: Services, processing: dict[str, Any], told: list[str]) -> None:
    changes = {"input.data": [{"type": "sentinel-1-grd", "processing": processing}], "aggregation.evalscript": SCRIPT}
    request = parse_batch(text(BATCH, changes))
    with services.runtime.open(SCRIPT) as session:
        bindings = bind_bands(session.evalscript, request, load_collections())
    hints = list(of_offers(bindings))
    assert len(hints) == bool(told)
    assert all(part in hints[0] for part in told)
    assert not list(of_offers([replace(one, collection=load_collections()["sentinel-2-l2a"]) for one in bindings]))


RADAR = {"sar:instrument_mode": "IW", "sar:polarizations": ["VV", "VH"], "sat:orbit_state": "descending"}


@pytest.fixture(scope="module")
def radar(folder: Path) -> Services:
    """The same places and times, told as radar: some with one polarisation, some that do not tell their orbit."""
    for number, path in enumerate(sorted((folder / "told").rglob("*.json"))):
        document = json.loads(path.read_text())
        if "assets" not in document:
            continue
        (image, *_) = document["assets"].values()
        href = str((path.parent / image["href"]).resolve())
        own = {**RADAR, "datetime": document["properties"]["datetime"]}
        if number % 3 == 0:
            own["sar:polarizations"] = ["VV"]
        if number % 3 == 1:
            del own["sat:orbit_state"]
        document |= {"collection": "sentinel-1-rtc", "properties": own}
        document["assets"] = {name.lower(): {"href": href} for name in own["sar:polarizations"]}
        (folder / "radar").mkdir(exist_ok=True)
        (folder / "radar" / f"{number}.json").write_text(json.dumps(document))
    return services_of(Settings(catalog=str(folder / "radar"), buckets=folder / "buckets", parquet=False))


def radar_analysis(services: Services, bands: tuple[str, ...], **data_filter: Any) -> Analysis:
    script = SCRIPT.replace('"VV", "dataMask"', ", ".join(f'"{band}"' for band in (*bands, "dataMask")))
    body = seed_body("s3://fields/a.gpkg", script.replace("s.VV", f"s.{bands[0]}"), "s3://results/out")
    wish = {"backCoeff": "GAMMA0_TERRAIN", "orthorectify": True}
    body["input"]["data"] = [{"type": "sentinel-1-grd", "dataFilter": data_filter, "processing": wish}]
    return analyse("job", parse_batch(json.dumps(body)), services, Limits())


def test_a_filter_that_leaves_nothing_names_those_that_do_not_tell(radar: Services) -> None:
    analysis = radar_analysis(radar, ("VV",), orbitDirection="ASCENDING")
    (hint,) = analysis.hints
    assert "orbitDirection ASCENDING of input.data '0' excludes all" in hint
    assert "of them do not state it" in hint
    assert kinds(analysis) == {"filtered-out"}
    assert "dataFilter (orbitDirection) leaves no acquisition" in next(iter(analysis.findings)).message


def test_items_that_do_not_tell_are_left_out_and_counted(radar: Services) -> None:
    (hint,) = radar_analysis(radar, ("VV",), orbitDirection="DESCENDING").hints
    assert "acquisitions that do not state it" in hint
    assert not radar_analysis(radar, ("VV",), acquisitionMode="IW").hints


def test_a_polarisation_that_acquisitions_lack_is_told(radar: Services) -> None:
    (hint,) = radar_analysis(radar, ("VV", "VH")).hints
    assert "acquisitions of input.data '0' have no VH" in hint
    bare = radar_analysis(radar, ("VV", "VH"), polarization="SV")
    assert "band-missing" in kinds(bare)
    assert "(VH is missing)" in next(each.message for each in bare.findings if each.kind == "band-missing")


def test_explain_names_the_filter_that_excludes_an_item(radar: Services) -> None:
    body = seed_body("s3://fields/a.gpkg", SCRIPT, "s3://results/out")
    body["input"]["data"] = [{"type": "sentinel-1-grd", "dataFilter": {"polarization": "DV"}}]
    found = explain_feature(parse_batch(json.dumps(body)), PARCELS[0].id, None, radar, Limits())
    told = json.loads(render_explanation(found))["inputs"][0]["items"]
    excluded = [item for item in told if item.get("excludedBy") == "polarization"]
    assert excluded
    assert not any(item["used"] for item in excluded)
    assert any(item["used"] for item in told)


@pytest.mark.parametrize("services", ["told"], indirect=True)
def test_more_numbers_than_a_feature_may_have(services: Services) -> None:
    """A worker keeps them until its partition is done."""
    script = """//VERSION=3
    function setup() {
      return { input: ["B04", "dataMask"], output: [{ id: "x", bands: 4096 }, { id: "dataMask", bands: 1 }] } }
    function evaluatePixel(s) { return { x: [s.B04], dataMask: [s.dataMask] } }"""
    body = seed_body("s3://fields/a.gpkg", script, "s3://results/out", aggregationInterval={"of": "P1D"})
    ranks = {"k": [k / 10 for k in range(1000)]}
    body["calculations"] = {"default": {"statistics": {"default": {"percentiles": ranks}}}}
    with pytest.raises(LimitExceeded, match="4 such intervals would fit"):
        analyse("job", parse_batch(json.dumps(body)), services, Limits())
