"""The synchronous API, `POST /api/v1/statistics`: by requests and by the official client, against the oracle."""

from __future__ import annotations

import json
from typing import Any

import pytest
import shapely
from requests_oauthlib import OAuth2Session
from sentinelhub import CRS, BBox, DataCollection, Geometry, SentinelHubStatistical, SHConfig

from tests.support import client
from tests.support.compare import differences
from tests.support.imagery import scenes_of
from tests.support.oracle import answer as expected_answer
from tests.support.parcels import reproject
from tests.support.scripts import NDVI, SEED, Script, at_the_head_of_evaluate_pixel
from tests.support.server import Server
from tests.support.world import NORTH, WEST

UTM = "http://www.opengis.net/def/crs/EPSG/0/32633"
DEGREES = "http://www.opengis.net/def/crs/EPSG/0/4326"
BOX = (WEST + 2_203.7, NORTH - 911.3, WEST + 2_417.2, NORTH - 704.9)
TRIANGLE = shapely.Polygon([(WEST + 2_205, NORTH - 900), (WEST + 2_410, NORTH - 851), (WEST + 2_250, NORTH - 720)])

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def wish(bounds: dict[str, Any], script: Script = SEED, **more: Any) -> dict[str, Any]:
    return {
        "input": {"bounds": bounds, "data": [{"type": "sentinel-2-l2a"}]},
        "aggregation": {
            "timeRange": {"from": "2023-06-01T00:00:00Z", "to": "2023-07-31T00:00:00Z"},
            "aggregationInterval": {"of": "P10D"},
            "evalscript": script.text,
            "resx": 10,
            "resy": 10,
        },
        **more,
    }


def post(oauth: OAuth2Session, server: Server, body: dict[str, Any]) -> Any:
    return oauth.request("POST", f"{server.url}/api/v1/statistics", headers=client.JSON, json=body)


def expected(
    server: Server, body: dict[str, Any], script: Script, geometry: shapely.Geometry, box: Any, epsg: int = 32633
) -> dict[str, Any]:
    scenes = scenes_of(server.catalog)
    return expected_answer(body, geometry=geometry, box=box, crs=f"EPSG:{epsg}", scenes=scenes, script=script)


def test_a_box(server: Server, oauth: OAuth2Session) -> None:
    body = wish({"bbox": list(BOX), "properties": {"crs": UTM}})
    answer = post(oauth, server, body)
    assert answer.status_code == 200, answer.text
    assert differences(answer.json(), expected(server, body, SEED, shapely.box(*BOX), BOX)) == []
    assert float(answer.headers["x-processingunits-spent"]) > 0
    assert answer.headers["content-type"].startswith("application/json")


def test_a_polygon_in_degrees(server: Server, oauth: OAuth2Session) -> None:
    polygon = reproject(TRIANGLE, 4326)
    body = wish({"geometry": json.loads(shapely.to_geojson(polygon)), "properties": {"crs": DEGREES}})
    body["aggregation"] |= {"resx": 0.0001, "resy": 0.0001}
    answer = post(oauth, server, body)
    assert answer.status_code == 200, answer.text
    assert differences(answer.json(), expected(server, body, SEED, polygon, polygon.bounds, 4326)) == []


def test_a_polygon_on_the_grid_of_a_box(server: Server, oauth: OAuth2Session) -> None:
    """Both: the grid from the box, data only inside the polygon (sentinelhub.md 2.1)."""
    geometry = json.loads(shapely.to_geojson(TRIANGLE))
    body = wish({"bbox": list(BOX), "geometry": geometry, "properties": {"crs": UTM}}, NDVI)
    body["calculations"] = {
        "index": {"histograms": {"default": {"nBins": 5, "lowEdge": 0.0, "highEdge": 0.3}}},
        "bands": {
            "histograms": {"blue": {"binWidth": 0.05, "lowEdge": 0.0}},
            "statistics": {"red": {"percentiles": {"k": [33, 50, 75, 90]}}},
        },
        "classes": {"histograms": {"default": {"bins": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]}}},
    }
    answer = post(oauth, server, body)
    assert answer.status_code == 200, answer.text
    assert differences(answer.json(), expected(server, body, NDVI, TRIANGLE, BOX)) == []


def test_an_integer_histogram_for_a_float_output_is_refused(server: Server, oauth: OAuth2Session) -> None:
    body = wish({"bbox": list(BOX), "properties": {"crs": UTM}})
    body["calculations"] = {"default": {"histograms": {"default": {"nBins": 3, "lowEdge": -1, "highEdge": 1}}}}
    answer = post(oauth, server, body)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["message"].startswith("sampleType FLOAT32 mis-matched with corresponding histogram of type integer")
    assert error["code"] == "COMMON_BAD_PAYLOAD"


def test_too_many_samples_in_the_real_services_words(server: Server, oauth: OAuth2Session) -> None:
    body = wish({"bbox": list(BOX), "properties": {"crs": UTM}})
    body["aggregation"]["resx"] = 0.05
    answer = post(oauth, server, body)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["errors"][0]["parameter"] == "aggregation->resx"
    assert "calculated from resx, is larger than allowed 2500" in error["message"]


def test_too_many_samples_of_the_box_though_the_polygon_is_small(server: Server, oauth: OAuth2Session) -> None:
    """The grid is the box's: 26,240 m by 10 m."""
    wide = [WEST, NORTH - 2_000, WEST + 26_240, NORTH]
    geometry = json.loads(shapely.to_geojson(TRIANGLE))
    answer = post(oauth, server, wish({"bbox": wide, "geometry": geometry, "properties": {"crs": UTM}}))
    assert (answer.status_code, answer.json()["error"]) == (
        400,
        {
            "status": 400,
            "reason": "Bad Request",
            "message": "`width = 2624`, calculated from resx, is larger than allowed 2500.\n",
            "code": "COMMON_BAD_PAYLOAD",
            "errors": [
                {
                    "parameter": "aggregation->resx",
                    "violation": "`width = 2624`, calculated from resx, is larger than allowed 2500.",
                }
            ],
        },
    )


@pytest.mark.parametrize("sampling", [{"resx": 1_600, "resy": 1_600}, {"width": 2, "height": 2}], ids=str)
def test_too_coarse_in_the_real_services_words(server: Server, oauth: OAuth2Session, sampling: dict[str, int]) -> None:
    body = wish({"bbox": [WEST, NORTH - 3_200, WEST + 3_200, NORTH], "properties": {"crs": UTM}})
    body["aggregation"] = {name: body["aggregation"][name] for name in body["aggregation"] if name[:3] != "res"}
    body["aggregation"] |= sampling
    answer = post(oauth, server, body)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "COMMON_EXCEPTION"
    assert answer.json()["error"]["message"] == (
        "Your request of 1600.00 meters per pixel exceeds the limit 1500.00 meters per pixel of the collection S2L2A. "
        "Please revise the resolution (or corresponding width/height) to make sure it is in supported range."
    )


def test_a_box_in_web_mercator(server: Server, oauth: OAuth2Session) -> None:
    box = reproject(shapely.box(*BOX), 3857).bounds
    body = wish({"bbox": list(box), "properties": {"crs": "http://www.opengis.net/def/crs/EPSG/0/3857"}}, NDVI)
    answer = post(oauth, server, body)
    assert answer.status_code == 200, answer.text
    assert differences(answer.json(), expected(server, body, NDVI, shapely.box(*box), box, 3857)) == []


def test_the_price(server: Server, oauth: OAuth2Session) -> None:
    """Area times bands, dataMask left out, times samples and intervals; never less than a hundredth
    (sentinelhub.md 7)."""
    body = wish({"bbox": [WEST, NORTH - 2_500, WEST + 4_000, NORTH], "properties": {"crs": UTM}}, NDVI)
    answer = post(oauth, server, body)
    intervals = len(answer.json()["data"])
    assert intervals > 3
    price = float(answer.headers["x-processingunits-spent"])
    assert price == pytest.approx(400 * 250 / 512**2 * 4 / 3 * intervals, rel=1e-12)
    small = post(oauth, server, wish({"bbox": list(BOX), "properties": {"crs": UTM}}))
    assert float(small.headers["x-processingunits-spent"]) == pytest.approx(0.01 / 3 * len(small.json()["data"]))
    body = wish({"bbox": list(BOX), "properties": {"crs": UTM}})
    body["aggregation"]["timeRange"] = {"from": "2023-06-01T00:00:00Z", "to": "2023-06-11T00:00:00Z"}
    assert post(oauth, server, body).headers["x-processingunits-spent"] == "0.01"


def test_a_script_that_throws_fails_its_intervals_only(server: Server, oauth: OAuth2Session) -> None:
    body = wish({"bbox": list(BOX), "properties": {"crs": UTM}})
    throwing = "if (samples.B04 > 0) throw new Error('ouch');"
    body["aggregation"]["evalscript"] = at_the_head_of_evaluate_pixel(throwing)
    answer = post(oauth, server, body)
    assert answer.status_code == 200, answer.text
    assert {entry["error"]["type"] for entry in answer.json()["data"]} == {"EXECUTION_ERROR"}


def test_a_browser_on_another_page_may_ask(server: Server, oauth: OAuth2Session) -> None:
    headers = {"Origin": "https://apps.example.org", "Access-Control-Request-Method": "POST"}
    answer = oauth.request("OPTIONS", f"{server.url}/api/v1/statistics", headers=headers)
    assert answer.status_code in (200, 204)
    assert answer.headers["access-control-allow-origin"] in ("*", "https://apps.example.org")


@pytest.fixture(scope="module")
def collection(server: Server) -> DataCollection:
    """The client sends to the collection's service_url, so one with ours is defined from the package's; it can be
    defined only once."""
    return DataCollection.SENTINEL2_L2A.define_from("ARPENT_S2_L2A", service_url=server.url)


def test_the_official_client(server: Server, credentials: tuple[str, str], collection: DataCollection) -> None:
    config = SHConfig(use_defaults=True)
    config.sh_client_id, config.sh_client_secret = credentials
    config.sh_base_url, config.sh_token_url = server.url, server.token_url
    request = SentinelHubStatistical(
        aggregation=SentinelHubStatistical.aggregation(
            evalscript=SEED.text, time_interval=("2023-06-01", "2023-07-01"), aggregation_interval="P1D",
            resolution=(10, 10),
        ),
        input_data=[SentinelHubStatistical.input_data(collection, maxcc=0.5)],
        geometry=Geometry(TRIANGLE, CRS.UTM_33N),
        calculations={"default": {"statistics": {"default": {"percentiles": {"k": [5, 95]}}}}},
        config=config,
    )  # fmt: skip
    (answer,) = request.get_data()
    assert differences(answer, expected(server, request.payload, SEED, TRIANGLE, TRIANGLE.bounds)) == []
    assert len(answer["data"]) == 3
    by_box = SentinelHubStatistical(
        aggregation=SentinelHubStatistical.aggregation(
            evalscript=SEED.text, time_interval=("2023-06-01", "2023-07-01"), aggregation_interval="P10D", size=(21, 20)
        ),
        input_data=[SentinelHubStatistical.input_data(collection)],
        bbox=BBox(BOX, CRS.UTM_33N),
        config=config,
    )
    (answer,) = by_box.get_data()
    assert differences(answer, expected(server, by_box.payload, SEED, shapely.box(*BOX), BOX)) == []


def test_the_official_client_reports_what_failed(
    server: Server, credentials: tuple[str, str], collection: DataCollection
) -> None:
    """It asks for each failed interval once more, then hands on what came."""
    config = SHConfig(use_defaults=True)
    config.sh_client_id, config.sh_client_secret = credentials
    config.sh_base_url, config.sh_token_url = server.url, server.token_url
    request = SentinelHubStatistical(
        aggregation=SentinelHubStatistical.aggregation(
            evalscript=at_the_head_of_evaluate_pixel("if (samples.B04 > 0) throw new Error('ouch');"),
            time_interval=("2023-06-01", "2023-06-20"), aggregation_interval="P5D", resolution=(10, 10),
        ),
        input_data=[SentinelHubStatistical.input_data(collection)],
        bbox=BBox(BOX, CRS.UTM_33N),
        geometry=Geometry(TRIANGLE, CRS.UTM_33N),
        config=config,
    )  # fmt: skip
    (answer,) = request.get_data()
    assert [entry["error"]["type"] for entry in answer["data"]] == ["EXECUTION_ERROR"] * 3
    assert all("ouch" in entry["error"]["message"] for entry in answer["data"])
