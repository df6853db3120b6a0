"""Answers of a STAC API that are wrong for a moment: no item is lost by them without a word."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from arpent.adapters.catalogs.api.pages import DOUBTS
from arpent.adapters.catalogs.stac_api import ApiCatalog
from arpent.adapters.collections.files import load_collections
from arpent.domain.errors import CatalogUnavailable
from arpent.domain.imagery.collection import Collection
from arpent.domain.imagery.item_choice import ItemChoice
from arpent.domain.interval import Interval
from tests.support.stac_api import PARTS, Answer, Api, Document, stac_api

COLLECTIONS = load_collections()
S2 = COLLECTIONS["sentinel-2-l2a"]
JUNE = Interval(start=datetime(2020, 6, 1, tzinfo=UTC), end=datetime(2020, 7, 1, tzinfo=UTC))
RING = [[15.0, 46.0], [15.5, 46.0], [15.5, 46.5], [15.0, 46.5], [15.0, 46.0]]
NAMES = [f"item {number:02}" for number in range(20)]
PAGES = 5


def item(number: int, **own: object) -> Document:
    return {
        "type": "Feature", "id": f"item {number:02}", "collection": "sentinel-2-l2a", "bbox": [15.0, 46.0, 15.5, 46.5],
        "geometry": {"type": "Polygon", "coordinates": [RING]}, "links": [],
        "properties": {"datetime": f"2020-06-{number + 1:02}T10:00:00Z", "eo:cloud_cover": number},
        "assets": {"red": {"href": "red.tif"}}, **own,
    }  # fmt: skip


@pytest.fixture
def api() -> Iterator[Api]:
    with stac_api([item(number) for number in range(20)]) as state:
        state.page = 4
        yield state


def ids(api: Api, collection: Collection = S2) -> list[str]:
    return [each.id for each in ApiCatalog(api.url, backoff=0.001).search(collection, JUNE, (15.0, 46.0, 15.1, 46.1))]


def changed(api: Api, change: Callable[[int, Document], Answer]) -> None:
    """Have the API count its items, and change its searches, which are counted from 1."""
    whole, searches = Api.answer, [0]

    def answer(method: str, path: str, body: Document) -> Answer:
        status, page = whole(api, method, path, body)
        if path != "/search":
            return status, page
        searches[0] += 1
        assert isinstance(page, dict)
        counts = {"numberMatched": len(api.items), "numberReturned": len(page["features"])}
        return change(searches[0], {**page, **counts})

    api.answer = answer  # type: ignore[method-assign]


ODD: dict[str, Callable[[Document], Answer]] = {
    "no link": lambda page: (200, {**page, "links": []}),
    "no items": lambda page: (200, {**page, "features": []}),
    "nothing": lambda page: (200, {**page, "features": [], "links": [], "numberReturned": 0}),
    "some items": lambda page: (200, {**page, "features": page["features"][:1]}),
    "null": lambda page: (200, {**page, "features": [None, *page["features"][1:]]}),
    "no assets": lambda page: (200, {**page, "features": [each | {"assets": {}} for each in page["features"]]}),
    "no properties": lambda page: (200, {**page, "features": [each | {"properties": {}} for each in page["features"]]}),
    "accepted": lambda _: (202, {"type": "FeatureCollection", "features": []}),
}


@pytest.mark.parametrize("place", [1, 3, PAGES])
@pytest.mark.parametrize("odd", ODD)
def test_a_page_that_contradicts_itself_is_asked_for_again(api: Api, odd: str, place: int) -> None:
    changed(api, lambda number, page: ODD[odd](page) if number == place else (200, page))
    assert ids(api) == NAMES


def test_an_api_that_always_contradicts_itself_is_believed(api: Api) -> None:
    """It filters what it has counted."""
    changed(api, lambda _, page: (200, {**page, "numberReturned": 99, "numberMatched": 20}))
    assert ids(api) == NAMES
    assert len(api.asked) == PAGES + 2


@pytest.mark.parametrize("size", [1, 4, 10, 20])
def test_items_without_assets_are_no_imagery_that_is_not_there(api: Api, size: int) -> None:
    """The API leaves them out for longer than it is asked again; one item alone may be so for good."""
    changed(api, lambda _, page: ODD["no assets"](page))
    api.page = size
    with pytest.raises(CatalogUnavailable, match="none of its items has assets") as caught:
        ids(api)
    assert caught.value.transient
    api.items[:] = [item(0)]
    assert ids(api) == []


def test_what_is_no_item_is_none_with_assets(api: Api) -> None:
    api.page = 20
    changed(api, lambda _, page: (200, {**page, "features": [None] * len(page["features"])}))
    with pytest.raises(CatalogUnavailable, match="none of its items has assets"):
        ids(api)


def test_a_few_items_without_assets_take_no_others_away(api: Api) -> None:
    """They are a page of their own, and so for good."""
    for each in api.items[4:8]:
        each["assets"] = {}
    assert ids(api) == NAMES[:4] + NAMES[8:]


def test_a_page_of_many_without_assets_is_no_answer(api: Api) -> None:
    api.page = 10
    for each in api.items[10:]:
        each["assets"] = {}
    with pytest.raises(CatalogUnavailable, match="none of its items has assets"):
        ids(api)


def test_links_that_end_in_the_middle_are_told(api: Api) -> None:
    changed(api, lambda number, page: (200, page if number < 3 else {**page, "links": []}))
    with pytest.raises(CatalogUnavailable, match="gives 12 of 20 items, and its links to further pages have ended"):
        ids(api)


@pytest.mark.parametrize("status", [204, 205, 206])
def test_a_part_of_an_answer_is_no_answer(api: Api, status: int) -> None:
    changed(api, lambda _, page: (status, page))
    with pytest.raises(CatalogUnavailable, match=str(status)):
        ids(api)


@pytest.mark.parametrize("answers", [2, 2 + DOUBTS])
def test_the_first_answer_once_more_holds_no_items(api: Api, answers: int) -> None:
    """A cache in front of an API that knows no bodies of requests answers both searches with the first, also when the
    second is asked again."""
    api.page, api.conforms = 200, (*PARTS, "item-search#fields", "item-search#query")
    for each in api.items:
        each["properties"]["s2:product_type"] = "S2MSI2A"  # told without assets
    first: list[Document] = []

    def change(number: int, page: Document) -> Answer:
        first.append(page)
        return 200, first[0] if number <= answers else page

    changed(api, change)
    assert ids(api, replace(S2, choice=ItemChoice(clouds=9.0)))[:10] == NAMES[:10]


HLS = ("HLSL30_2.0", "HLSS30_2.0")


@pytest.mark.parametrize("denied", HLS)
@pytest.mark.parametrize(
    "listed",
    [(503, ""), (404, ""), (401, ""), (200, "{}"), (200, '{"collections": []}'), (200, '{"message": "starting"}')],
)
def test_half_of_a_collection_is_not_left_out_while_the_list_is_away(api: Api, denied: str, listed: Answer) -> None:
    api.items = [
        item(number, id=f"HLS.{name[3:6]}.{number}", collection=name, assets={"B04": {"href": "red.tif"}})
        for number, name in enumerate(HLS)
    ]
    whole = Api.answer
    ill = {f"/collections/{denied}": (404, ""), "/collections": listed}
    api.answer = lambda method, path, body: ill.get(path) or whole(api, method, path, body)  # type: ignore[method-assign]
    catalog = ApiCatalog(api.url, backoff=0.001, retries=1)
    with pytest.raises(CatalogUnavailable) as caught:
        catalog.search(COLLECTIONS["hls"], JUNE, (15.0, 46.0, 15.1, 46.1))
    assert caught.value.transient
    del api.answer
    assert len(catalog.search(COLLECTIONS["hls"], JUNE, (15.0, 46.0, 15.1, 46.1))) == 2
