"""A real STAC API with real items: what is found there is what is found in a folder of the same items."""

from __future__ import annotations

import copy
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from arpent.adapters.catalogs import stac_api
from arpent.adapters.catalogs.api.pages import Pages
from arpent.adapters.catalogs.stac_api import ApiCatalog
from arpent.adapters.catalogs.stac_folder import FolderCatalog
from arpent.adapters.collections.files import load_collections
from arpent.domain.errors import CatalogUnavailable
from arpent.domain.imagery.collection import Collection
from arpent.domain.imagery.item import Item
from arpent.domain.imagery.item_choice import ItemChoice, is_clear, refusing_field
from arpent.domain.interval import Interval
from arpent.domain.ports.imagery import Catalog
from tests.services.nginx import FileServer, nginx
from tests.services.pgstac import pgstac
from tests.support import client
from tests.support.parcels import good_parcels, write_geopackage
from tests.support.scripts import NDVI
from tests.support.server import Server

pytestmark = pytest.mark.services

ALWAYS = Interval(start=datetime(1990, 1, 1, tzinfo=UTC), end=datetime(2090, 1, 1, tzinfo=UTC))
WORLD = (-180.0, -90.0, 180.0, 90.0)
COLLECTIONS = {each.id: each for each in load_collections().values()}
COPIES = 450
"""Of one real item, on as many days: more than two pages."""


@pytest.fixture(scope="module")
def images(catalog: Path) -> Iterator[FileServer]:
    """The made-up country's images behind a real server."""
    if shutil.which("nginx") is None:
        pytest.skip("needs nginx: run `make test-services`, which installs it, or set PATH to where it is")
    with nginx(catalog) as server:
        yield server


@pytest.fixture(scope="module")
def items(shared_data: Path, catalog: Path, images: FileServer) -> list[dict[str, Any]]:
    """Real ones, and the made-up country's, whose images can be read."""
    found = [json.loads(path.read_text()) for path in sorted((shared_data / "stac_items").rglob("*.json"))]
    for path in sorted(catalog.glob("*/*.json")):
        document = json.loads(path.read_text())
        for asset in document["assets"].values():
            asset["href"] = f"{images.url}/{path.parent.name}/{asset['href'].removeprefix('./')}"
        found.append(document)
    known = {
        (each["collection"], each["id"]): each
        for each in found
        if each.get("type") == "Feature" and each.get("geometry") and each.get("collection")
    }
    return list(known.values())


@pytest.fixture(scope="module")
def many(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A season of one tile, and passes of a radar, in collections that have no other items."""
    (first, *_) = [each for each in items if each["collection"] == "sentinel-2-c1-l2a"]
    found = []
    for day in range(COPIES):
        one = copy.deepcopy(first)
        one |= {"id": f"day {day:03}", "collection": "season"}
        one["properties"]["datetime"] = (datetime(2024, 1, 1, 10, tzinfo=UTC) + timedelta(days=day)).isoformat()
        one["properties"] |= {"s2:datatake_id": f"D{day}", "eo:cloud_cover": day % 100}
        found.append(one)
    (radar, *_) = [each for each in items if each["collection"] == "sentinel-1-rtc"]
    for day in range(60):
        one = copy.deepcopy(radar)
        one |= {"id": f"pass {day:02}", "collection": "passes"}
        one["properties"]["datetime"] = (datetime(2024, 1, 1, 5, tzinfo=UTC) + timedelta(days=day)).isoformat()
        one["properties"] |= {"sat:orbit_state": ("ascending", "descending")[day % 2]}
        one["properties"] |= {"sar:polarizations": (["VV", "VH"], ["VV"], ["VH", "VV"])[day % 3]}
        found.append(one)
    return found


@pytest.fixture(scope="module")
def address(items: list[dict[str, Any]], many: list[dict[str, Any]]) -> Iterator[str]:
    python, postgres = os.environ.get("ARPENT_TEST_PGSTAC"), os.environ.get("ARPENT_TEST_POSTGRES")
    if not python or not postgres:
        pytest.skip(
            "needs a STAC API on PostgreSQL: run `make test-services`, or set ARPENT_TEST_PGSTAC to a Python that "
            "has stac-fastapi-pgstac"
        )
    with pgstac(Path(python), postgres, [*items, *many]) as url:
        yield url


def held(catalog: Catalog, collection: Collection, box: tuple[float, float, float, float] = WORLD) -> list[Item]:
    """All items; none where the catalogue says that it has none."""
    try:
        return list(catalog.search(collection, ALWAYS, box))
    except CatalogUnavailable as error:
        if "has no" not in str(error):
            raise
        return []


@pytest.mark.parametrize("name", COLLECTIONS)
def test_the_same_items_as_from_a_folder(address: str, items: list[dict[str, Any]], name: str, tmp_path: Path) -> None:
    collection = COLLECTIONS[name]
    served = {each["collection"] for each in items}
    groups = [each.stac_collections for each in collection.variants.values()] or [collection.stac_collections]
    asked = {next((each for each in group if each in served), None) for group in groups}
    mine = [each for each in items if each["collection"] in asked]
    (tmp_path / "items.json").write_text(json.dumps({"type": "FeatureCollection", "features": mine}))
    if not mine:
        with pytest.raises(CatalogUnavailable, match=r"has none of the STAC collections of .*It has: "):
            ApiCatalog(address).search(collection, ALWAYS, WORLD)
        return
    expected = held(FolderCatalog(tmp_path), collection)
    found = held(ApiCatalog(address), collection)
    assert [one.id for one in found] == [one.id for one in expected]
    for one, other in zip(found, expected, strict=True):
        assert one.instant == other.instant
        assert one.cloud_cover == other.cloud_cover
        assert {band: asset.harmonization for band, asset in one.assets.items()} == {
            band: asset.harmonization for band, asset in other.assets.items()
        }
        for band, asset in other.assets.items():
            if "://" in asset.href:
                assert one.assets[band].href == asset.href
        assert one.footprint.equals(other.footprint)


@pytest.mark.parametrize("page", [7, 200, 1000])
def test_all_pages(address: str, page: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stac_api, "PAGE", page)
    own = replace(COLLECTIONS["sentinel-2-l2a"], id="season", stac_collections=("season",))
    assert [one.id for one in held(ApiCatalog(address), own)] == [f"day {day:03}" for day in range(COPIES)]


def test_a_renamed_collection_is_told_with_what_there_is(address: str) -> None:
    own = replace(COLLECTIONS["sentinel-2-l2a"], id="mine", stac_collections=("seasons",))
    with pytest.raises(CatalogUnavailable, match="Did you mean season"):
        ApiCatalog(address).search(own, ALWAYS, WORLD)


def test_what_the_server_refuses_is_told_in_its_words(address: str) -> None:
    upside_down = (10.0, 50.0, 11.0, 40.0)
    with pytest.raises(CatalogUnavailable, match=r"refuses the search \(HTTP 400\): \S+"):
        ApiCatalog(address).search(COLLECTIONS["sentinel-2-l2a"], ALWAYS, upside_down)


CHOICES = {
    "clouds": ("sentinel-2-l2a", "season", ItemChoice(clouds=20.0)),
    "orbit and polarisations": (
        "sentinel-1-grd", "passes", ItemChoice(fields=(("orbitDirection", "ASCENDING"), ("polarization", "DV")))
    ),
    "tiers": ("landsat-ot-l2", "landsat-c2-l2", ItemChoice(fields=(("tiers", "TIER_1"),))),
}  # fmt: skip


@pytest.mark.parametrize("case", CHOICES)
def test_filters_left_to_the_server_choose_the_same_items(
    address: str, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, served, choice = CHOICES[case]
    collection = replace(COLLECTIONS[name], id=f"own {name}", stac_collections=(served,))
    plain = held(ApiCatalog(address), collection)
    questions: list[Mapping[str, object]] = []
    asked = Pages.documents
    monkeypatch.setattr(Pages, "documents", lambda pages, ask: questions.append(ask.query) or asked(pages, ask))
    found = held(ApiCatalog(address), replace(collection, choice=choice))
    assert [sorted({"fields", "filter"} & each.keys()) for each in questions] == [["fields"], ["filter"]]

    def chosen(items: list[Item]) -> list[Item]:
        return [
            one for one in items
            if refusing_field(one, choice.fields, collection.filters) is None
            and is_clear(one, choice.clouds, collection.cloud_cover)
        ]  # fmt: skip

    assert [one.id for one in found] == [one.id for one in plain]
    assert 0 < len(chosen(plain)) < len(plain)
    assert [(one.id, one.assets, one.cloud_cover) for one in chosen(found)] == [
        (one.id, one.assets, one.cloud_cover) for one in chosen(plain)
    ]


def test_a_job_has_the_bytes_of_one_over_a_folder(
    address: str, catalog: Path, images: FileServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Images from nginx, found by a search that leaves the cloud filter to the server."""
    body = client.seed_body("s3://fields/parcels.gpkg", NDVI.text, aggregationInterval={"of": "P10D"})
    body["input"]["data"][0]["dataFilter"] = {"maxCloudCoverage": 30}
    found = {}
    for name, where in (("folder", catalog), ("api", address)):
        folder = tmp_path_factory.mktemp(name)
        write_geopackage(folder / "buckets" / "fields" / "parcels.gpkg", good_parcels(), 32633)
        (folder / "buckets" / "results").mkdir()
        (folder / "request.json").write_text(json.dumps(body))
        own = {"CATALOG": str(where), "PARQUET": "false", "REACHABLE": images.url.removeprefix("http://")}
        machine = Server(folder=folder, catalog=Path(), settings=own)
        try:
            done = machine.run(["run", "--json", str(folder / "request.json")])
        finally:
            machine.close()
        assert done.returncode == 0, done.stdout + done.stderr
        outcome = json.loads(done.stdout)
        assert (outcome["status"], outcome["failed"]) == ("DONE", 0)
        results = (machine.buckets / "results").rglob(f"{outcome['id']}/*.json")
        found[name] = {path.name: path.read_bytes() for path in results}
    assert found["folder"]
    assert found["api"] == found["folder"]
    assert {answer.split()[0] for answer in images.answers} == {"206"}
