"""What every Catalog does: run over a folder, a file, and a small STAC API on loopback."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from arpent.adapters.catalogs.routing import open_catalog
from arpent.adapters.catalogs.stac_api import ApiCatalog
from arpent.adapters.catalogs.stac_folder import FolderCatalog
from arpent.adapters.collections.files import load_collections
from arpent.domain.errors import CatalogUnavailable
from arpent.domain.interval import Interval
from arpent.domain.ports.imagery import Catalog
from tests.support.stac_api import Api, Document, stac_api

COLLECTION = load_collections()["sentinel-2-l2a"]
JUNE = Interval(start=datetime(2020, 6, 1, tzinfo=UTC), end=datetime(2020, 7, 1, tzinfo=UTC))
BOX = (15.0, 46.0, 15.1, 46.1)


def item(
    name: str, instant: str, *, west: float = 15.0, collection: str = "sentinel-2-l2a", **properties: object
) -> Document:
    ring = [[west, 46.0], [west + 0.5, 46.0], [west + 0.5, 46.5], [west, 46.5], [west, 46.0]]
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": name, "collection": collection, "links": [],
        "geometry": {"type": "Polygon", "coordinates": [ring]}, "bbox": [west, 46.0, west + 0.5, 46.5],
        "properties": {"datetime": instant, "eo:cloud_cover": 12.5, "created": "2020-08-01T00:00:00Z", **properties},
        "assets": {"red": {"href": f"./{name}.tif"}, "nir": {"href": "https://example.test/nir.tif"}},
    }  # fmt: skip


ITEMS = [
    item("first instant", "2020-06-01T00:00:00Z"),
    item("midst", "2020-06-15T10:00:00.123456789Z"),
    item("range", "", start_datetime="2020-06-20T00:00:00Z", end_datetime="2020-06-20T00:01:00Z", datetime=None),
    item("last instant", "2020-06-30T23:59:59.999Z"),
    item("next interval", "2020-07-01T00:00:00Z"),
    item("elsewhere", "2020-06-15T10:00:00Z", west=20.0),
    item("another sensor", "2020-06-15T10:00:00Z", collection="landsat-c2-l2"),
]


@pytest.fixture
def api() -> Iterator[Api]:
    with stac_api(list(ITEMS)) as state:
        yield state


Opener = Callable[[list[Document]], Catalog]


@pytest.fixture(params=["folder", "file", "api"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    def folder(items: list[Document]) -> Catalog:
        for number, document in enumerate(items):
            (tmp_path / "tiles" / str(number)).mkdir(parents=True)
            (tmp_path / "tiles" / str(number) / "item.json").write_text(json.dumps(document))
        (tmp_path / "collection.json").write_text('{"type": "Collection"}')
        return FolderCatalog(tmp_path)

    def file(items: list[Document]) -> Catalog:
        (tmp_path / "items.json").write_text(json.dumps({"type": "FeatureCollection", "features": items}))
        return FolderCatalog(tmp_path / "items.json")

    def service(items: list[Document]) -> Catalog:
        state = request.getfixturevalue("api")
        state.items = items
        return ApiCatalog(state.url, backoff=0.001)

    openers: dict[str, Opener] = {"folder": folder, "file": file, "api": service}
    return openers[request.param]


class TestCatalog:
    def test_items_of_the_half_open_interval_by_time(self, opened: Opener) -> None:
        found = opened(ITEMS).search(COLLECTION, JUNE, BOX)
        assert [entry.id for entry in found] == ["first instant", "midst", "range", "last instant"]

    def test_what_an_item_says(self, opened: Opener) -> None:
        entry = opened(ITEMS).search(COLLECTION, JUNE, BOX)[0]
        assert entry.collection == "sentinel-2-l2a"
        assert entry.instant == datetime(2020, 6, 1, tzinfo=UTC)
        assert entry.created == datetime(2020, 8, 1, tzinfo=UTC)
        assert entry.cloud_cover == 12.5
        assert entry.footprint.bounds == (15.0, 46.0, 15.5, 46.5)
        assert set(entry.assets) == {"B04", "B08"}
        assert entry.assets["B08"].href == "https://example.test/nir.tif"
        assert entry.assets["B04"].href.endswith("/first instant.tif")
        assert not entry.assets["B04"].href.startswith(".")

    def test_nothing_found_is_no_error(self, opened: Opener) -> None:
        later = Interval(start=JUNE.end + timedelta(days=300), end=JUNE.end + timedelta(days=301))
        assert opened(ITEMS).search(COLLECTION, later, BOX) == ()

    def test_one_acquisition_once(self, opened: Opener) -> None:
        same = {"platform": "sentinel-2a", "grid:code": "MGRS-33TWM"}
        old = {**same, "s2:datatake_id": "D_N02.14", "s2:processing_baseline": "02.14"}
        new = {**same, "s2:datatake_id": "D_N05.00", "s2:processing_baseline": "05.00"}
        pair = [item("old", "2020-06-02T10:00:00Z", **old), item("new", "2020-06-02T10:00:03Z", **new)]
        assert [entry.id for entry in opened(pair).search(COLLECTION, JUNE, BOX)] == ["new"]

    def test_a_timeless_collection_ignores_time(self, opened: Opener) -> None:
        height = item("height", "2011-01-01T00:00:00Z", collection="cop-dem-glo-30")
        height["assets"] = {"data": {"href": "dem.tif"}}
        assert len(opened([height]).search(load_collections()["dem"], JUNE, BOX)) == 1

    def test_a_box_across_180_degrees(self, opened: Opener) -> None:
        """As two boxes; an item that both meet comes once."""
        pair = [item(name, "2020-06-15T10:00:00Z", west=west) for name, west in (("west", 179.4), ("east", -180.0))]
        both = item("both", "2020-06-15T10:00:00Z", west=179.75)
        halves = [[[[x, 46.0], [x + 0.25, 46.0], [x + 0.25, 46.5], [x, 46.5], [x, 46.0]]] for x in (179.75, -180.0)]
        both["geometry"] = {"type": "MultiPolygon", "coordinates": halves}
        both["bbox"] = [-180.0, 46.0, 180.0, 46.5]
        catalog = opened([*ITEMS, *pair, both])
        assert [one.id for one in catalog.search(COLLECTION, JUNE, (179.8, 46.0, -179.9, 46.1))] == [
            "both",
            "east",
            "west",
        ]
        assert [one.id for one in catalog.search(COLLECTION, JUNE, (179.95, 46.0, -179.9, 46.1))] == ["both", "east"]

    def test_an_item_that_lies_is_named(self, opened: Opener) -> None:
        with pytest.raises(CatalogUnavailable, match="'liar'"):
            opened([item("liar", "yesterday")]).search(COLLECTION, JUNE, BOX)


class TestFolder:
    def test_a_folder_with_a_collection_id_of_its_own(self, tmp_path: Path) -> None:
        own = item("own", "2020-06-02T00:00:00Z", collection="s2-l2a-33t-120m", constellation="Sentinel 2")
        own["properties"]["s2:product_type"] = "S2MSI2A"
        silent = item("silent", "2020-06-02T00:00:00Z", collection="mine", constellation="sentinel-2")
        stranger = item("stranger", "2020-06-02T00:00:00Z", collection="other", constellation="planet")
        level_1 = item(
            "l1c", "2020-06-02T00:00:00Z", collection="o", constellation="sentinel-2", **{"s2:product_type": "S2MSI1C"}
        )
        bare = item("bare", "2020-06-02T00:00:00Z")
        bare["assets"] = {"thumbnail": {"href": "x.png"}}
        (tmp_path / "items.json").write_text(
            json.dumps({"type": "FeatureCollection", "features": [own, silent, stranger, level_1, bare]})
        )
        catalog = FolderCatalog(tmp_path)
        assert [entry.id for entry in catalog.search(COLLECTION, JUNE, BOX)] == ["own"]
        level_1c = load_collections()["sentinel-2-l1c"]
        assert catalog.search(replace(level_1c, stac_collections=("o",)), JUNE, BOX)[0].id == "l1c"

    def test_changes_are_seen(self, tmp_path: Path) -> None:
        catalog = FolderCatalog(tmp_path, recheck_seconds=0)
        (tmp_path / "a.json").write_text(json.dumps(item("a", "2020-06-02T00:00:00Z")))
        assert len(catalog.search(COLLECTION, JUNE, BOX)) == 1
        (tmp_path / "b.json").write_text(json.dumps(item("b", "2020-06-03T00:00:00Z")))
        assert len(catalog.search(COLLECTION, JUNE, BOX)) == 2
        (tmp_path / "a.json").unlink()
        assert [entry.id for entry in catalog.search(COLLECTION, JUNE, BOX)] == ["b"]

    def test_what_is_wrong_is_said(self, tmp_path: Path) -> None:
        with pytest.raises(CatalogUnavailable, match="not there: set `catalog`"):
            FolderCatalog(tmp_path / "nowhere").search(COLLECTION, JUNE, BOX)
        with pytest.raises(CatalogUnavailable, match="no STAC items"):
            FolderCatalog(tmp_path).search(COLLECTION, JUNE, BOX)
        (tmp_path / "a.json").write_text('{"half":')
        with pytest.raises(CatalogUnavailable, match=r"a\.json is not JSON") as caught:
            FolderCatalog(tmp_path).search(COLLECTION, JUNE, BOX)
        assert caught.value.transient

    def test_real_items(self, shared_data: Path) -> None:
        august = Interval(start=datetime(2023, 8, 1, tzinfo=UTC), end=datetime(2023, 9, 1, tzinfo=UTC))
        catalog = FolderCatalog(shared_data / "stac" / "s2-l2a-33t-120m")
        found = catalog.search(COLLECTION, august, (15.98, 46.40, 16.05, 46.43))
        assert [entry.instant.day for entry in found] == [10, 13, 15, 18, 20]
        for entry in found:
            assert set(entry.assets) == {"B02", "B03", "B04", "B08", "SCL"}
            assert all(Path(asset.href).is_file() and asset.harmonization == 0 for asset in entry.assets.values())
        small = FolderCatalog(shared_data / "stac" / "s2-l2a-31ufs-10m")
        april = Interval(start=datetime(2023, 4, 1, tzinfo=UTC), end=datetime(2023, 5, 1, tzinfo=UTC))
        assert len(small.search(COLLECTION, april, (5.0, 51.2, 5.1, 51.3))) == 12


class TestApi:
    def test_short_faults_are_not_noticed(self, api: Api) -> None:
        api.faults = [503, 429, 200, 200, 500]
        assert len(ApiCatalog(api.url, backoff=0.001).search(COLLECTION, JUNE, BOX)) == 4

    def test_an_answer_that_breaks_off_is_asked_for_again(self, api: Api) -> None:
        api.faults = [0, 200, 0, 0]
        assert len(ApiCatalog(api.url, backoff=0.001).search(COLLECTION, JUNE, BOX)) == 4

    def test_long_faults_are_transient(self, api: Api) -> None:
        api.faults = [503] * 30
        with pytest.raises(CatalogUnavailable) as caught:
            ApiCatalog(api.url, retries=2, backoff=0.001).search(COLLECTION, JUNE, BOX)
        assert caught.value.transient

    def test_a_refusal_is_final(self, api: Api) -> None:
        api.faults = [403]
        with pytest.raises(CatalogUnavailable, match="HTTP 403") as caught:
            ApiCatalog(api.url, backoff=0.001).search(COLLECTION, JUNE, BOX)
        assert not caught.value.transient

    def test_nobody_there(self) -> None:
        with pytest.raises(CatalogUnavailable) as caught:
            ApiCatalog("http://user:TOPSECRET@127.0.0.1:9/stac", retries=0).search(COLLECTION, JUNE, BOX)
        assert caught.value.transient
        assert "TOPSECRET" not in str(caught.value)

    def test_a_missing_collection_is_named(self, api: Api) -> None:
        api.items = [ITEMS[-1]]
        with pytest.raises(CatalogUnavailable, match="none of the STAC collections of sentinel-2-l2a"):
            ApiCatalog(api.url, backoff=0.001).search(COLLECTION, JUNE, BOX)

    def test_only_one_of_the_collections_is_asked(self, api: Api) -> None:
        api.items.append(item("twin", "2020-06-15T10:00:00Z", collection="sentinel-2-c1-l2a"))
        assert "twin" not in [entry.id for entry in ApiCatalog(api.url).search(COLLECTION, JUNE, BOX)]


class TestRouting:
    def test_a_collection_may_have_its_own(self, tmp_path: Path) -> None:
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "item.json").write_text(json.dumps(item(name, "2020-06-02T00:00:00Z")))
        catalog = open_catalog(str(tmp_path / "one"), {"S2L2A": str(tmp_path / "two")})
        assert catalog.search(COLLECTION, JUNE, BOX)[0].id == "two"

    def test_no_catalogue_says_what_to_set(self) -> None:
        with pytest.raises(CatalogUnavailable, match="set `catalog`"):
            open_catalog(None).search(COLLECTION, JUNE, BOX)
