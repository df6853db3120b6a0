"""Filters that are left to an API: what is chosen is what it is without them, whatever the API makes of them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from arpent.adapters.catalogs.stac_api import ApiCatalog
from arpent.adapters.collections.files import load_collections
from arpent.domain.errors import CatalogUnavailable
from arpent.domain.imagery.collection import Collection
from arpent.domain.imagery.item import Item
from arpent.domain.imagery.item_choice import ItemChoice, is_clear, refusing_field
from arpent.domain.interval import Interval
from tests.support.stac_api import PARTS, Api, Document, stac_api

COLLECTIONS = load_collections()
SUMMER = Interval(start=datetime(2020, 6, 1, tzinfo=UTC), end=datetime(2020, 9, 1, tzinfo=UTC))
BOX = (15.0, 46.0, 15.1, 46.1)
RING = [[15.0, 46.0], [15.5, 46.0], [15.5, 46.5], [15.0, 46.5], [15.0, 46.0]]
FIELDS = ("item-search#fields",)
BY_FILTER = (*FIELDS, "item-search#filter", "cql2-json")
BY_QUERY = (*FIELDS, "item-search#query")


def item(name: str, day: int, collection: str, assets: tuple[str, ...], **properties: object) -> Document:
    instant = (SUMMER.start + timedelta(days=day, hours=10)).isoformat()
    return {
        "type": "Feature", "id": name, "collection": collection, "bbox": [15.0, 46.0, 15.5, 46.5], "links": [],
        "geometry": {"type": "Polygon", "coordinates": [RING]}, "properties": {"datetime": instant, **properties},
        "assets": {key: {"href": f"https://x.test/{name}/{key}.tif"} for key in assets},
    }  # fmt: skip


def sentinel2() -> Iterator[Document]:
    """Each acquisition once to three times, of which any may be cloudy, or not tell."""
    dice = random.Random(13)
    for day in range(40):
        for number in range(dice.choice([1, 1, 2, 3])):
            own: dict[str, object] = {
                "platform": "sentinel-2a", "s2:datatake_id": f"D{day}", "grid:code": "MGRS-33TWM",
                "s2:sequence": str(number), "s2:product_type": "S2MSI2A",
            }  # fmt: skip
            if dice.random() < 0.9:
                own["eo:cloud_cover"] = dice.choice([0.0, 19.9, 20.0, 20.1, 55.5, 100.0, None])
            yield item(f"S2A_33TWM_{day:02}_{number}_L2A", day, "sentinel-2-l2a", ("red", "scl"), **own)


def sentinel1() -> Iterator[Document]:
    """Orbits written in several ways, or only in the id, and all sets of polarisations."""
    dice = random.Random(1)
    for day in range(60):
        lists = dice.choice([["VV", "VH"], ["VH", "VV"], ["VV"], ["HH", "HV"], None])
        state = dice.choice(["ascending", "descending", "descending", None])
        own = {"sat:orbit_state": state, "sar:polarizations": lists, "sar:instrument_mode": "IW"}
        name = f"S1A_IW_GRDH_1S{dice.choice(['DV', 'SH'])}_{day:02}_{dice.choice(['ASC', 'DSC'])}"
        yield item(name, day, "sentinel-1-rtc", ("vv", "vh"), **own)


S2, S1 = COLLECTIONS["sentinel-2-l2a"], COLLECTIONS["sentinel-1-grd"]
CASES: dict[str, tuple[Collection, ItemChoice]] = {
    "clouds": (S2, ItemChoice(clouds=20.0)),
    "orbit": (S1, ItemChoice(fields=(("orbitDirection", "ASCENDING"),))),
    "polarisations": (S1, ItemChoice(fields=(("polarization", "DV"),))),
    "all of them": (
        S1,
        ItemChoice(fields=(("orbitDirection", "DESCENDING"), ("polarization", "DV"), ("acquisitionMode", "IW"))),
    ),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[Collection, ItemChoice]:
    return CASES[request.param]


@pytest.fixture
def api(case: tuple[Collection, ItemChoice]) -> Iterator[Api]:
    with stac_api(list(sentinel2() if case[0] is S2 else sentinel1())) as state:
        state.page = 1000
        yield state


def said(items: tuple[Item, ...], collection: Collection, choice: ItemChoice) -> list[Item]:
    """The items that the request uses, as the engine finds them among those of a search."""
    return [
        one for one in items
        if refusing_field(one, choice.fields, collection.filters) is None
        and is_clear(one, choice.clouds, collection.cloud_cover)
    ]  # fmt: skip


def compared(api: Api, case: tuple[Collection, ItemChoice], conforms: tuple[str, ...]) -> list[Document]:
    """The questions of a search that leaves its filters to the API, after comparison with one that does not."""
    collection, choice = case
    api.conforms = PARTS
    plain = ApiCatalog(api.url, backoff=0.001).search(collection, SUMMER, BOX)
    expected = said(plain, collection, choice)
    assert 0 < len(expected) < len(plain)
    api.conforms = (*PARTS, *conforms)
    api.asked.clear()
    found = ApiCatalog(api.url, backoff=0.001).search(replace(collection, choice=choice), SUMMER, BOX)
    assert [one.id for one in found] == [one.id for one in plain]  # those left out stay, to be told of in hints
    chosen = said(found, collection, choice)
    assert [(one.id, one.assets, one.properties) for one in chosen] == [
        (one.id, one.assets, one.properties) for one in expected
    ]
    return list(api.asked)


def test_the_api_filters(api: Api, case: tuple[Collection, ItemChoice]) -> None:
    bare, whole = compared(api, case, BY_FILTER)
    assert bare["fields"] == {"exclude": ["assets", "links"]}
    assert "filter" not in bare
    assert whole["filter-lang"] == "cql2-json"
    assert "fields" not in whole


LEFT_OUT: dict[str, Callable[[Document], Document]] = {
    "place": lambda entry: {name: value for name, value in entry.items() if name != "geometry"},
    "properties": lambda entry: {name: value for name, value in entry.items() if name != "properties"},
    "collection": lambda entry: {name: value for name, value in entry.items() if name != "collection"},
    "all but id": lambda entry: {"type": "Feature", "id": entry["id"]},
    "all but time": lambda entry: {**entry, "properties": {"datetime": entry["properties"]["datetime"]}},
    "what tells processings": lambda entry: {
        **entry,
        "properties": {name: value for name, value in entry["properties"].items() if name != "s2:datatake_id"},
    },
}


@pytest.mark.parametrize("left_out", LEFT_OUT)
@pytest.mark.parametrize("conforms", [BY_FILTER, BY_QUERY])
def test_an_api_that_leaves_out_more_than_assets(
    api: Api, case: tuple[Collection, ItemChoice], left_out: str, conforms: tuple[str, ...]
) -> None:
    whole, strip = Api.answer, LEFT_OUT[left_out]

    def answer(method: str, path: str, body: Document) -> tuple[int, Any]:
        status, page = whole(api, method, path, body)
        if path != "/search" or "fields" not in body:
            return status, page
        return status, {**page, "features": [strip(entry) for entry in page["features"]]}  # type: ignore[dict-item, index]

    api.answer = answer  # type: ignore[method-assign]
    compared(api, case, conforms)


def test_the_query_extension(api: Api, case: tuple[Collection, ItemChoice]) -> None:
    """It knows no lists and no unknown values: what it hides wrongly is asked for again, without it."""
    asked = compared(api, case, BY_QUERY)
    if case[0] is S2:
        assert [question.get("query") for question in asked] == [None, {"eo:cloud_cover": {"lte": 20.0}}]
    else:
        assert "query" not in asked[-1]


def test_an_api_that_refuses_lists_still_filters_by_the_rest(api: Api, case: tuple[Collection, ItemChoice]) -> None:
    api.refused_words = ("a_contains",)
    asked = compared(api, case, BY_FILTER)
    assert ("filter" in asked[-1]) == (case[1] != CASES["polarisations"][1])


@pytest.mark.parametrize("words", [("filter",), ("fields",), ("filter", "fields")])
@pytest.mark.parametrize("conforms", [BY_FILTER, BY_QUERY])
def test_an_api_that_ignores_what_it_says_it_does(
    api: Api, case: tuple[Collection, ItemChoice], words: tuple[str, ...], conforms: tuple[str, ...]
) -> None:
    api.ignored_words = (*words, "query") if "filter" in words else words
    compared(api, case, conforms)


@pytest.mark.parametrize("word", ["filter", "query", "fields"])
def test_an_api_that_refuses_what_it_says_it_does(api: Api, case: tuple[Collection, ItemChoice], word: str) -> None:
    api.refused_words = (f'"{word}"',)
    asked = compared(api, case, BY_FILTER if word == "filter" else BY_QUERY)
    assert not {"filter", "query", "fields"} & asked[-1].keys()


def test_an_api_that_lets_too_little_through_is_asked_for_all_of_it(
    api: Api, case: tuple[Collection, ItemChoice], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.support.stac_api.is_true", lambda filter_, _: filter_ is None)
    asked = compared(api, case, BY_FILTER)
    assert not {"filter", "fields"} & asked[-1].keys()


def test_what_an_api_does_badly_is_not_tried_again_at_once(api: Api, case: tuple[Collection, ItemChoice]) -> None:
    api.conforms, api.refused_words = (*PARTS, *BY_FILTER), ('"filter"',)
    catalog = ApiCatalog(api.url, backoff=0.001)
    collection = replace(case[0], choice=case[1])
    catalog.search(collection, SUMMER, BOX)
    before = len(api.requests)
    catalog.search(collection, SUMMER, BOX)
    assert len(api.requests) == before + 1


def test_after_a_filter_that_breaks_the_answer_the_next_search_has_none(
    api: Api, case: tuple[Collection, ItemChoice]
) -> None:
    api.conforms, api.broken_words = (*PARTS, *BY_FILTER), ('"filter"',)
    catalog = ApiCatalog(api.url, retries=0)
    collection = replace(case[0], choice=case[1])
    with pytest.raises(CatalogUnavailable):
        catalog.search(collection, SUMMER, BOX)
    api.asked.clear()
    assert catalog.search(collection, SUMMER, BOX)
    (asked,) = api.asked
    assert not {"filter", "fields"} & asked.keys()


def test_items_without_assets_are_asked_for_once_for_all_narrowings() -> None:
    """Here `filter` with lists and without, and `query`, all of which are refused."""
    collection, choice = CASES["all of them"]
    with stac_api(list(sentinel1())) as api:
        api.page, api.conforms = 1000, (*PARTS, *BY_FILTER, "item-search#query")
        api.refused_words = ('"filter"', '"query"')
        ApiCatalog(api.url, backoff=0.001).search(replace(collection, choice=choice), SUMMER, BOX)
        assert api.requests.count("/search") == 5
        assert ["fields" in question for question in api.asked] == [True, False]


def test_items_that_need_their_assets_are_remembered_for_every_choice() -> None:
    """Of their level only the assets tell."""
    with stac_api([item("S2A_33TWM_1", 1, "sentinel-2-l2a", ("red", "scl"), **{"eo:cloud_cover": 5})]) as api:
        api.conforms = (*PARTS, *BY_FILTER)
        catalog = ApiCatalog(api.url, backoff=0.001)
        for clouds, questions in ((20.0, 2), (30.0, 1)):
            api.asked.clear()
            assert catalog.search(replace(S2, choice=ItemChoice(clouds=clouds)), SUMMER, BOX)
            assert len(api.asked) == questions


def test_nothing_chosen_means_one_question(api: Api, case: tuple[Collection, ItemChoice]) -> None:
    api.conforms = (*PARTS, *BY_FILTER)
    ApiCatalog(api.url, backoff=0.001).search(case[0], SUMMER, BOX)
    assert len(api.asked) == 1
    assert not {"filter", "fields"} & api.asked[0].keys()


def test_where_nothing_is_left_no_image_is_asked_for() -> None:
    cloudy = [
        item(f"S2A_33TWM_{day}_0_L2A", day, "sentinel-2-l2a", ("red",), **{"eo:cloud_cover": 90}) for day in (1, 2)
    ]
    for each in cloudy:
        each["properties"]["s2:product_type"] = "S2MSI2A"
    with stac_api(cloudy) as api:
        api.conforms = (*PARTS, *BY_FILTER)
        wanted = replace(S2, choice=ItemChoice(clouds=20.0))
        found = ApiCatalog(api.url, backoff=0.001).search(wanted, SUMMER, BOX)
        assert [(one.id, one.cloud_cover, dict(one.assets)) for one in found] == [
            ("S2A_33TWM_1_0_L2A", 90, {}), ("S2A_33TWM_2_0_L2A", 90, {})
        ]  # fmt: skip
        assert len(api.asked) == 1
