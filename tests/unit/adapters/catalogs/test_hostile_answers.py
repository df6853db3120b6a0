"""What a catalogue answers that is not to be believed: each search ends in words, whatever stands there."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from arpent.adapters.catalogs.api import answers
from arpent.adapters.catalogs.geoparquet.catalog import GeoParquetCatalog
from arpent.adapters.catalogs.stac_api import ApiCatalog
from arpent.adapters.catalogs.stac_folder import FolderCatalog
from arpent.adapters.collections.files import load_collections
from arpent.domain.errors import CatalogUnavailable
from arpent.domain.interval import Interval
from tests.support.geoparquet import write_geoparquet
from tests.support.stac_api import Api, stac_api

COLLECTION = load_collections()["sentinel-2-l2a"]
JUNE = Interval(start=datetime(2020, 6, 1, tzinfo=UTC), end=datetime(2020, 7, 1, tzinfo=UTC))
BOX = (15.0, 46.0, 15.1, 46.1)
RING = [[15.0, 46.0], [15.5, 46.0], [15.5, 46.5], [15.0, 46.5], [15.0, 46.0]]
ITEM = {
    "type": "Feature", "id": "one", "collection": "sentinel-2-l2a", "bbox": [15.0, 46.0, 15.5, 46.5],
    "geometry": {"type": "Polygon", "coordinates": [RING]}, "links": [],
    "properties": {"datetime": "2020-06-02T10:00:00Z"}, "assets": {"red": {"href": "red.tif"}},
}  # fmt: skip
NO_ADDRESS = ("http://[", "//[::1", "http://x:99999999/", "http://x:abc/")


@pytest.fixture
def api() -> Iterator[Api]:
    with stac_api([ITEM]) as state:
        yield state


def refused(api: Api, **options: Any) -> CatalogUnavailable:
    with pytest.raises(CatalogUnavailable) as caught:
        ApiCatalog(api.url, retries=1, backoff=0.001, **options).search(COLLECTION, JUNE, BOX)
    return caught.value


@pytest.mark.parametrize("status", [200, 400, 502])
@pytest.mark.parametrize("levels", [480, 990, 50_000])
@pytest.mark.parametrize("path", ["/", "/collections", "/search"])
def test_answers_nested_without_end(api: Api, path: str, levels: int, status: int) -> None:
    well = api.answer

    def answer(method: str, asked: str, body: Any) -> Any:
        hostile = asked == path or (path != "/" and asked.startswith(path))
        return (status, "[" * levels + "]" * levels) if hostile else well(method, asked, body)

    api.answer = answer  # type: ignore[method-assign]
    if path != "/search":  # what it means for the others is not known
        with suppress(CatalogUnavailable):
            ApiCatalog(api.url, retries=1, backoff=0.001).search(COLLECTION, JUNE, BOX)
    else:
        assert len(str(refused(api))) < 500


def next_link(href: str) -> Callable[[Api], None]:
    def change(api: Api) -> None:
        link = {"rel": "next", "method": "POST", "href": href, "body": {"token": 1}}
        api._found = lambda *_: {"features": [ITEM], "links": [link]}  # type: ignore[method-assign]

    return change


def search_link(href: str) -> Callable[[Api], None]:
    def change(api: Api) -> None:
        api.landing = {"links": [{"rel": "search", "href": href, "method": "POST"}], "conformsTo": ["item-search"]}

    return change


@pytest.mark.parametrize("href", NO_ADDRESS)
@pytest.mark.parametrize("kind", [next_link, search_link])
def test_a_link_that_is_no_address(api: Api, kind: Callable[[str], Callable[[Api], None]], href: str) -> None:
    kind(href)(api)
    error = refused(api)
    assert "it leads to an address that cannot be read" in str(error)
    assert not error.transient


@pytest.mark.parametrize("piece", ["[]", '{"a":1}', "0"])
def test_more_values_than_memory_holds(api: Api, piece: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few hundred kilobytes, packed, can become gigabytes of values."""
    monkeypatch.setattr(answers, "MOST_VALUES", 10_000)
    body = f'{{"type": "FeatureCollection", "links": [], "features": [{",".join([piece] * 10_000)}]}}'
    json.loads(body)
    monkeypatch.setattr(answers, "loads", lambda _: pytest.fail("it was read"), raising=True)
    api.answer = lambda *_: (200, body)  # type: ignore[method-assign]
    assert "too long" in str(refused(api))


@pytest.mark.parametrize("number", ["1" * 5000, "-" + "1" * 5000, "1e999", "-Infinity"])
def test_a_number_that_nothing_holds_costs_no_item(api: Api, number: str) -> None:
    place = {"proj:epsg": 32633, "proj:transform": [10, 0, 5e5, 0, -10, 51e5], "proj:shape": "odd"}
    odd = {**ITEM, "id": "odd", "properties": {"datetime": "2020-06-03T10:00:00Z", **place}}
    page = json.dumps({"type": "FeatureCollection", "links": [], "features": [odd, ITEM]})
    page = page.replace('"proj:shape": "odd"', f'"proj:shape": [{number}, {number}]')
    well = api.answer
    api.answer = lambda *asked: (200, page) if asked[1] == "/search" else well(*asked)  # type: ignore[method-assign]
    found = ApiCatalog(api.url, retries=1, backoff=0.001).search(COLLECTION, JUNE, BOX)
    assert {item.id for item in found} == {"one", "odd"}


@pytest.mark.parametrize("place", [b"odd\xff.json", b"odd\xe9/item.json"])
def test_a_name_that_is_no_text_costs_its_file(tmp_path: Path, place: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """Names of files are bytes: such a one ended each search of the folder."""
    odd = os.fsencode(tmp_path) + b"/" + place
    os.makedirs(os.path.dirname(odd), exist_ok=True)
    for name, one in ((odd, "odd"), (os.fsencode(tmp_path) + b"/one.json", "one")):
        with open(name, "w") as file:
            json.dump({**ITEM, "id": one}, file)
    assert [item.id for item in FolderCatalog(tmp_path).search(COLLECTION, JUNE, BOX)] == ["one"]
    assert "its name is not UTF-8: rename it" in caplog.text


@pytest.mark.parametrize("place", [b"odd\xff.parquet", b"odd\xe9/items.parquet"])
def test_a_name_of_parquet_that_is_no_text_is_told(tmp_path: Path, place: bytes) -> None:
    write_geoparquet(tmp_path / "one.parquet", [ITEM])
    odd = os.fsencode(tmp_path) + b"/" + place
    os.makedirs(os.path.dirname(odd), exist_ok=True)
    os.link(tmp_path / "one.parquet", odd)
    with pytest.raises(CatalogUnavailable, match="is not UTF-8: rename it"):
        GeoParquetCatalog(str(tmp_path)).search(COLLECTION, JUNE, BOX)


@pytest.mark.parametrize("odd", ['"\\ud800"', "[" * 400 + "]" * 400, "1" + "0" * 30, "NaN"])
def test_an_odd_item_of_a_collection_in_a_file_costs_no_other(tmp_path: Path, odd: str) -> None:
    other = json.dumps({**ITEM, "id": "odd", "extra": 0}).replace('"extra": 0', f'"extra": {odd}')
    page = f'{{"type": "FeatureCollection", "features": [{other}, {json.dumps(ITEM)}]}}'
    (tmp_path / "items.json").write_text(page)
    found = FolderCatalog(tmp_path).search(COLLECTION, JUNE, BOX)
    assert {item.id for item in found} == {"one", "odd"}
