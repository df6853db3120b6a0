"""The Catalog API, by the official client's SentinelHubCatalog and by plain requests (sentinelhub.md 1.1, 1.5)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
import shapely
from sentinelhub import CRS, BBox, DataCollection, Geometry, SentinelHubCatalog, SHConfig
from sentinelhub.api.catalog import get_available_timestamps
from sentinelhub.exceptions import DownloadFailedException

from arpent.domain.imagery.item import Item
from tests.unit.server.fakes import CLIENTS, World

BASE = "/api/v1/catalog/1.0.0"
BOX = BBox((15.0, 46.0, 15.1, 46.1), CRS.WGS84)
JUNE = ("2020-06-01", "2020-06-30")
BOW_TIE = {"type": "Polygon", "coordinates": [[[15, 46], [16, 47], [16, 46], [15, 47], [15, 46]]]}
WHOLE = {"collections": ["sentinel-2-l2a"], "datetime": "2020-06-01T00:00:00Z/2020-06-30T23:59:59Z"}

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def acquisition(day: float, cloud: float | None = None, collection: str = "sentinel-2-l2a", **more: Any) -> Item:
    west = more.pop("west", 14.5)
    return Item(
        id=more.pop("name", f"tile-{day:05.1f}"),
        collection=collection,
        instant=datetime(2020, 6, 1, 10, tzinfo=UTC) + timedelta(days=day),
        created=None,
        cloud_cover=cloud,
        footprint=shapely.box(west, 45.5, west + 1, 46.5),
        assets={},
        properties={name.replace("__", ":"): value for name, value in more.items()},
        href="/server/secret/place/item.json",
    )


@pytest.fixture
def config(here: World, monkeypatch: pytest.MonkeyPatch) -> SHConfig:
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    config = SHConfig(use_defaults=True)
    config.sh_client_id, config.sh_client_secret = "me", CLIENTS["me"]
    config.sh_base_url = here.url
    config.sh_token_url = f"{here.url}/auth/realms/main/protocol/openid-connect/token"
    return config


@pytest.fixture
def catalog(config: SHConfig) -> SentinelHubCatalog:
    return SentinelHubCatalog(config=config)


def post(here: World, **body: Any) -> requests.Response:
    return requests.post(f"{here.url}{BASE}/search", json=WHOLE | body, headers=here.bearer(), timeout=10)


class TestOfficialClient:
    def test_what_there_is(self, here: World, catalog: SentinelHubCatalog) -> None:
        info = catalog.get_info()
        assert {link["rel"] for link in info["links"]} >= {"self", "root", "conformance", "data", "search"}
        assert all(link["href"].startswith(here.url + BASE) for link in info["links"])
        assert any("item-search" in each for each in catalog.get_conformance()["conformsTo"])
        listed = {each["id"] for each in catalog.get_collections()}
        assert {"sentinel-2-l2a", "sentinel-1-grd", "landsat-etm-l1", "hls", "dem"} <= listed
        one = catalog.get_collection(DataCollection.SENTINEL2_L2A)
        assert one["id"] == "sentinel-2-l2a"
        assert {"name": "B8A"} in one["summaries"]["eo:bands"]

    @pytest.mark.parametrize("limit", [1, 7, 50, 100])
    def test_its_iterator_goes_to_the_end(self, here: World, catalog: SentinelHubCatalog, limit: int) -> None:
        here.items += [acquisition(day / 10, 5.0) for day in range(23)]
        here.items += [acquisition(1, 5.0, west=20.0, name="elsewhere"), acquisition(50, 5.0, name="later")]
        found = catalog.search(DataCollection.SENTINEL2_L2A, time=JUNE, bbox=BOX, limit=limit)
        times = found.get_timestamps()
        assert len(times) == 23
        assert times == sorted(times, reverse=True)
        assert len(set(found.get_ids())) == 23
        assert found.get_geometries()[0].geometry.area == pytest.approx(1.0)

    def test_by_cloud_cover_and_fields(self, here: World, catalog: SentinelHubCatalog) -> None:
        here.items += [acquisition(1, 10.0), acquisition(2, 35.0), acquisition(3, None), acquisition(4, 20.0)]
        found = catalog.search(
            DataCollection.SENTINEL2_L2A,
            time=JUNE,
            bbox=BOX,
            filter="eo:cloud_cover < 20",
            fields={"include": ["id", "properties.datetime", "properties.eo:cloud_cover"], "exclude": []},
        )
        assert list(found) == [
            {"id": "tile-001.0", "properties": {"datetime": "2020-06-02T10:00:00Z", "eo:cloud_cover": 10.0}}
        ]

    def test_the_same_as_json(self, here: World, catalog: SentinelHubCatalog) -> None:
        here.items += [acquisition(1, 10.0), acquisition(2, 35.0)]
        wish = {"op": "<=", "args": [{"property": "eo:cloud_cover"}, 10]}
        found = catalog.search(DataCollection.SENTINEL2_L2A, time=JUNE, bbox=BOX, filter=wish, filter_lang="cql2-json")
        assert found.get_ids() == ["tile-001.0"]

    def test_a_polygon_and_ids(self, here: World, catalog: SentinelHubCatalog) -> None:
        here.items += [acquisition(1), acquisition(2, west=15.3), acquisition(3)]
        triangle = Geometry(shapely.Polygon([(15.0, 46.0), (15.1, 46.0), (15.0, 46.1)]), CRS.WGS84)
        found = catalog.search(DataCollection.SENTINEL2_L2A, time=JUNE, geometry=triangle, ids=["tile-001.0"])
        assert found.get_ids() == ["tile-001.0"]
        assert here.searches[0][2] == pytest.approx((15.0, 46.0, 15.1, 46.1))

    def test_days(self, here: World, catalog: SentinelHubCatalog) -> None:
        here.items += [acquisition(day) for day in (1, 1.1, 1.2, 3)]
        found = catalog.search(DataCollection.SENTINEL2_L2A, time=JUNE, bbox=BOX, distinct="date", limit=1)
        assert list(found) == ["2020-06-04", "2020-06-02"]

    @pytest.mark.parametrize(
        ("collection", "expected"),
        [
            (DataCollection.SENTINEL1_IW_ASC, ["up"]),
            (DataCollection.SENTINEL1_IW_DES, ["down"]),
            (DataCollection.SENTINEL1_IW, ["down", "up"]),
            (DataCollection.SENTINEL1_EW_SH, ["ice"]),
            (DataCollection.SENTINEL1, ["ice", "down", "up"]),
        ],
    )
    def test_what_the_client_adds_for_sentinel_1(
        self, here: World, catalog: SentinelHubCatalog, collection: DataCollection, expected: list[str]
    ) -> None:
        own = {"sar__instrument_mode": "IW", "sar__polarizations": ["VV", "VH"], "s1__resolution": "high"}
        here.items += [
            acquisition(1, collection="sentinel-1-grd", name="up", sat__orbit_state="ascending", **own),
            acquisition(2, collection="sentinel-1-grd", name="down", sat__orbit_state="descending", **own),
            acquisition(
                3, collection="sentinel-1-grd", name="ice", sat__orbit_state="descending", sar__instrument_mode="EW",
                sar__polarizations=["HH"], s1__resolution="medium",
            ),
        ]  # fmt: skip
        assert catalog.search(collection, time=JUNE, bbox=BOX).get_ids() == expected

    def test_available_timestamps(self, here: World, config: SHConfig) -> None:
        here.items += [acquisition(day, cloud, "sentinel-2-l1c") for day, cloud in ((1, 10.0), (2, 60.0))]
        mine = DataCollection.SENTINEL2_L1C.define_from("mine-in-a-catalogue", service_url=here.url)
        found = get_available_timestamps(BOX, JUNE, mine, maxcc=0.5, config=config)
        assert found == [datetime(2020, 6, 2, 10)]

    def test_one_feature_by_its_id(self, here: World, catalog: SentinelHubCatalog) -> None:
        here.items += [acquisition(1, 10.0), acquisition(2, 20.0), acquisition(2, name="tile/odd name")]
        for name in ("tile-002.0", "tile-001.0"):
            found = catalog.get_feature(DataCollection.SENTINEL2_L2A, name)
            assert (found["type"], found["id"]) == ("Feature", name)
        with pytest.raises(DownloadFailedException, match=r"There is no item 'tile-009\.0' in collection"):
            catalog.get_feature(DataCollection.SENTINEL2_L2A, "tile-009.0")

    def test_what_is_wrong_is_said(self, here: World, catalog: SentinelHubCatalog) -> None:
        with pytest.raises(DownloadFailedException, match="'LIKE' is not supported"):
            list(catalog.search(DataCollection.SENTINEL2_L2A, time=JUNE, bbox=BOX, filter="platform LIKE 'a%'"))


class TestSearch:
    @pytest.mark.parametrize("path", [BASE, "/catalog/v1"])
    def test_by_query_string(self, here: World, path: str) -> None:
        here.items += [acquisition(1, 10.0), acquisition(2, 35.0), acquisition(3, 5.0)]
        parameters = {
            "collections": "sentinel-2-l2a", "bbox": "15,46,15.1,46.1", "limit": "1",
            "datetime": "2020-06-01T00:00:00Z/..", "filter": "eo:cloud_cover < 20", "fields": "id,-geometry",
        }  # fmt: skip
        answer = requests.get(f"{here.url}{path}/search", parameters, headers=here.bearer(), timeout=10)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("application/geo+json")
        assert answer.json()["features"] == [{"id": "tile-003.0"}]
        assert answer.json()["context"] == {"limit": 1, "returned": 1, "next": 1}
        after = requests.get(f"{here.url}{path}/search", parameters | {"next": "1"}, headers=here.bearer(), timeout=10)
        assert after.json()["features"] == [{"id": "tile-001.0"}]
        assert "next" not in after.json()["context"]

    def test_items_of_a_collection(self, here: World) -> None:
        """Page by page, by the links alone."""
        here.items += [acquisition(day, 10.0 * day) for day in range(5)]
        here.items.append(acquisition(1, collection="sentinel-1-grd", name="another"))
        url = f"{here.url}{BASE}/collections/sentinel-2-l2a/items"
        assert f"{url}" in str(requests.get(url.removesuffix("/items"), headers=here.bearer(), timeout=10).json())
        following, names = f"{url}?limit=2&bbox=15,46,15.1,46.1&datetime=2020-06-02T00:00:00Z/..", []
        while following:
            page = requests.get(following, headers=here.bearer(), timeout=10).json()
            names.append([each["id"] for each in page["features"]])
            following = next((each["href"] for each in page["links"] if each["rel"] == "next"), "")
        assert names == [["tile-004.0", "tile-003.0"], ["tile-002.0", "tile-001.0"]]

    def test_a_feature(self, here: World) -> None:
        here.items += [acquisition(1, 10.0, grid__code="MGRS-33TWM", auth__schemes="hush", proj__geometry={"a": 1})]
        (found,) = post(here, bbox=[15, 46, 15.1, 46.1]).json()["features"]
        assert found["type"] == "Feature"
        assert found["collection"] == "sentinel-2-l2a"
        assert found["bbox"] == [14.5, 45.5, 15.5, 46.5]
        assert found["properties"] == {
            "datetime": "2020-06-02T10:00:00Z", "eo:cloud_cover": 10.0, "grid:code": "MGRS-33TWM",
        }  # fmt: skip
        assert "secret" not in str(found)

    def test_fields_may_leave_out(self, here: World) -> None:
        here.items.append(acquisition(1, 10.0))
        (found,) = post(here, fields={"exclude": ["geometry", "links", "properties.eo:cloud_cover"]}).json()["features"]
        assert found.keys() == {"type", "stac_version", "id", "collection", "bbox", "properties", "assets"}
        assert found["properties"] == {"datetime": "2020-06-02T10:00:00Z"}

    def test_ten_are_a_page_unless_more_are_wished(self, here: World) -> None:
        here.items += [acquisition(day / 10) for day in range(12)]
        answer = post(here).json()
        assert answer["context"] == {"limit": 10, "returned": 10, "next": 10}
        assert [link["body"] for link in answer["links"] if link["rel"] == "next"] == [{"next": 10}]

    @pytest.mark.parametrize(
        ("body", "parameter", "message"),
        [
            ({"collections": ["nope"]}, "collections", "not a collection of this server"),
            ({"collections": []}, "collections", "one collection id"),
            ({"collections": ["sentinel-2-l2a", "dem"]}, "collections", "one collection id"),
            ({"collections": None}, "collections", "one collection id"),
            ({"datetime": "2020-06-01"}, "datetime", "lacks time or zone"),
            ({"datetime": "2020-06-02T00:00:00Z/2020-06-01T00:00:00Z"}, "datetime", "before it begins"),
            ({"datetime": 5}, "datetime", "slash"),
            ({"bbox": [1, 2, 3]}, "bbox", "four numbers"),
            ({"bbox": [0, 50, 1, 40]}, "bbox", "degrees"),
            ({"bbox": [0, 40, 500000, 50]}, "bbox", "degrees"),
            ({"bbox": [10**400, 46, 15.1, 46.1]}, "bbox", "four numbers"),
            ({"intersects": BOW_TIE}, "intersects", "Repair it"),
            ({"intersects": {"type": "Blob"}}, "intersects", "GeoJSON"),
            ({"intersects": {"type": "Point", "coordinates": [500000, 5000000]}}, "intersects", "degrees"),
            ({"intersects": {"type": "Point", "coordinates": [5, 5]}, "bbox": [1, 2, 3, 4]}, "intersects", "bbox"),
            ({"limit": 101}, "limit", "from 1 to 100"),
            ({"limit": "10"}, "limit", "from 1 to 100"),
            ({"next": -1}, "next", "from 0"),
            ({"query": {}}, "query", "is not supported"),
            ({"sortby": []}, "sortby", "is not supported"),
            ({"filter": "eo:cloud_cover <"}, "filter", "a constant is missing"),
            ({"filter": "snow < 5"}, "filter", "'snow' is not available; available: eo:cloud_cover"),
            ({"filter": "S_INTERSECTS(geometry, POINT(1 2))"}, "filter", "'S_INTERSECTS' is not supported"),
            ({"filter": "lower(platform) = 'a'"}, "filter", "function 'lower' is not supported"),
            ({"filter": {"op": "like", "args": []}, "filter-lang": "cql2-json"}, "filter", '"like" is not supported'),
            ({"filter": "a = 1", "filter-lang": "cql"}, "filter-lang", "cql2-text or cql2-json"),
            ({"filter": "eo:cloud_cover < 5", "filter-lang": "cql2-json"}, "filter", "is not cql2-json"),
            ({"distinct": "geometry"}, "distinct", "available: date, eo:cloud_cover"),
            ({"fields": ["id"]}, "fields", "include, exclude"),
            ({"ids": "a"}, "ids", "list of ids"),
        ],
    )
    def test_refused(self, here: World, body: dict[str, Any], parameter: str, message: str) -> None:
        answer = post(here, **body)
        error = answer.json()["error"]
        assert (answer.status_code, error["status"], error["code"]) == (400, 400, "COMMON_BAD_PAYLOAD")
        assert [each["parameter"] for each in error["errors"]] == [parameter]
        assert message in error["message"]
        assert here.searches == []

    @pytest.mark.parametrize("name", ["limit", "next"])
    @pytest.mark.parametrize("value", ["\u00b2", "\u0663", "9" * 5000, "1e1", "-1"])
    def test_what_is_no_number_in_the_query_string(self, here: World, name: str, value: str) -> None:
        asked = {"collections": "sentinel-2-l2a", name: value}
        answer = requests.get(f"{here.url}{BASE}/search", params=asked, headers=here.bearer(), timeout=10)
        assert answer.status_code == 400
        assert f"`{name}`: must be a whole number" in answer.json()["error"]["message"]

    def test_many_wrong_fields_are_counted(self, here: World) -> None:
        answer = post(here, **{f"k{number}": 1 for number in range(5000)})
        assert answer.status_code == 400
        assert answer.json()["error"]["message"].startswith("Invalid request, 5000 fields, the first 100: `k0`")
        assert len(answer.json()["error"]["errors"]) == 100

    def test_a_catalogue_that_does_not_answer(self, here: World) -> None:
        here.items.append(acquisition(1, name="broken"))
        answer = post(here)
        assert answer.status_code == 503
        assert "https://far.test does not answer (HTTP 502)" in answer.json()["error"]["message"]

    def test_who_asks_must_be_known(self, here: World) -> None:
        for path in (
            "/search",
            "/collections",
            "/collections/dem",
            "/collections/dem/queryables",
            "/collections/dem/items",
            "/collections/dem/items/a",
        ):
            assert requests.get(f"{here.url}{BASE}{path}", timeout=10).status_code == 401, path
        assert requests.post(f"{here.url}{BASE}/search", json=WHOLE, timeout=10).status_code == 401

    def test_an_unknown_collection_is_not_found(self, here: World) -> None:
        answer = requests.get(f"{here.url}{BASE}/collections/nope", headers=here.bearer(), timeout=10)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "COMMON_NOT_FOUND")
        assert "sentinel-2-l2a" in answer.json()["error"]["message"]

    def test_what_may_be_asked(self, here: World) -> None:
        path = f"{here.url}{BASE}/collections/sentinel-1-grd/queryables"
        found = requests.get(path, headers=here.bearer(), timeout=10).json()["properties"]
        assert found["sat:orbit_state"]["enum"] == ["ascending", "descending"]
        assert "eo:cloud_cover" not in found
