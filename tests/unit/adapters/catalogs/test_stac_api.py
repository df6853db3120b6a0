"""The ways of STAC APIs, good and bad: pages, links, methods, names of collections, and what is said when one fails."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest

from arpent.adapters.catalogs.stac_api import ApiCatalog
from arpent.adapters.collections.files import load_collections
from arpent.domain.errors import CatalogUnavailable
from arpent.domain.interval import Interval
from tests.support.stac_api import Answer, Api, Document, stac_api

COLLECTION = load_collections()["sentinel-2-l2a"]
JUNE = Interval(start=datetime(2020, 6, 1, tzinfo=UTC), end=datetime(2020, 7, 1, tzinfo=UTC))
BOX = (15.0, 46.0, 15.1, 46.1)
RING = [[15.0, 46.0], [15.5, 46.0], [15.5, 46.5], [15.0, 46.5], [15.0, 46.0]]


def item(number: int, collection: str = "sentinel-2-l2a") -> Document:
    return {
        "type": "Feature", "id": f"item {number:02}", "collection": collection, "bbox": [15.0, 46.0, 15.5, 46.5],
        "geometry": {"type": "Polygon", "coordinates": [RING]}, "links": [],
        "properties": {"datetime": f"2020-06-{number + 1:02}T10:00:00Z"}, "assets": {"red": {"href": "red.tif"}},
    }  # fmt: skip


ITEMS = [item(number) for number in range(23)]
NAMES = [entry["id"] for entry in ITEMS]


@pytest.fixture
def api() -> Iterator[Api]:
    with stac_api(list(ITEMS)) as state:
        yield state


def found(api: Api, url: str = "") -> list[str]:
    return [entry.id for entry in ApiCatalog(url or api.url, backoff=0.001).search(COLLECTION, JUNE, BOX)]


def failing(api: Api, **options: float) -> CatalogUnavailable:
    with pytest.raises(CatalogUnavailable) as caught:
        ApiCatalog(api.url, backoff=0.001, **options).search(COLLECTION, JUNE, BOX)  # type: ignore[arg-type]
    return caught.value


@pytest.mark.parametrize("paging", ["token", "merge", "no merge", "relative", "no method", "behind", "page"])
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_every_way_to_write_the_next_page(api: Api, paging: str, method: str) -> None:
    api.paging, api.methods = paging, (method,)
    assert found(api) == NAMES
    assert all(question["bbox"] and question["collections"] == ["sentinel-2-l2a"] for question in api.asked)


@pytest.mark.parametrize("paging", ["token", "merge", "behind", "page"])
@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize(
    ("status", "reason"), [(413, ""), (500, ""), (502, ""), (504, ""), (400, "limit must be at most 7")]
)
def test_pages_shrink_when_the_server_chokes(api: Api, paging: str, method: str, status: int, reason: str) -> None:
    """And stay small for the searches after that."""
    api.paging, api.methods, api.page = paging, (method,), 100
    api.chokes = (7, status, reason)
    catalog = ApiCatalog(api.url, backoff=0.001)
    assert [entry.id for entry in catalog.search(COLLECTION, JUNE, BOX)] == NAMES
    before = len(api.requests)
    assert len(catalog.search(COLLECTION, JUNE, BOX)) == len(NAMES)
    assert len(api.requests) - before == 4  # pages of 6 from the first on: no request fails
    assert {int(question["limit"]) for question in api.asked} == {6}


@pytest.mark.parametrize("paging", ["token", "merge", "page"])
def test_a_server_that_chokes_in_the_middle_goes_on_from_there(api: Api, paging: str) -> None:
    api.paging, api.page = paging, 8
    api.faults = [200, 200, 200, 502, 502, 502, 502, 502, 200, 504]
    assert found(api) == NAMES
    if paging != "page":  # there the place is a multiple of the size
        starts = [int(question.get("token", 0)) for question in api.asked]
        assert starts == sorted(starts)


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("link", ["limit as asked", "no limit"])
@pytest.mark.parametrize("faults", [[502], [502, 502, 200, 504], [200, 200, 502, 200, 200, 502]])
def test_no_page_is_skipped_where_the_server_has_a_smaller_maximum(
    api: Api, method: str, link: str, faults: list[int]
) -> None:
    """It counts pages of three items, and echoes whatever was asked for, or nothing: 200 says nothing of the place."""

    def answer(method: str, path: str, body: Document) -> tuple[int, Any]:
        if path != "/search":
            return Api.answer(api, method, path, body)
        size, page = min(int(body.get("limit", 3)), 3), int(body.get("page", 1))
        following = {**body, "page": page + 1} | ({} if method == "POST" else {"bbox": "15,46,15.1,46.1"})
        if link == "no limit":
            following.pop("limit", None)
        query = urlencode({name: value for name, value in following.items() if not isinstance(value, list)})
        ways = {"POST": {"method": "POST", "body": following}, "GET": {"href": f"{api.url}/search?{query}"}}
        links = [{"rel": "next", **ways[method]}] if page * size < len(ITEMS) else []
        return 200, {"type": "FeatureCollection", "features": ITEMS[(page - 1) * size : page * size], "links": links}

    api.answer, api.methods = answer, (method,)  # type: ignore[method-assign, assignment]
    api.faults = [200, 200, 200, 200, *faults]
    assert found(api) == NAMES


NO_ITEMS: dict[str, Callable[[Document], Document]] = {
    "Task timed out": lambda _: {"errorMessage": "Task timed out after 30.03 seconds"},
    "not an item collection": lambda page: {**page, "features": {"0": page["features"][0]}},
    "is not a list": lambda page: {**page, "links": {"next": page["links"]}},
    "no address": lambda page: {**page, "links": [{"rel": "next", "href": 7}]},
}


@pytest.mark.parametrize("told", NO_ITEMS)
def test_an_answer_that_is_no_page_of_items_is_no_end(api: Api, told: str) -> None:
    """Gateways answer 200 with the error of a service behind them: imagery would be lost in silence."""
    whole, odd, answered = Api.answer, NO_ITEMS[told], [0]

    def answer(method: str, path: str, body: Document) -> tuple[int, Any]:
        status, page = whole(api, method, path, body)
        answered[0] += path == "/search"
        return status, odd(page) if path == "/search" and answered[0] in broken else page  # type: ignore[arg-type]

    api.answer, api.page = answer, 8  # type: ignore[method-assign]
    broken = range(2, 3)
    assert found(api) == NAMES
    answered[0], broken = 0, range(2, 1000)
    error = failing(api)
    assert told in str(error)
    assert error.transient


def test_relation_types_in_capitals_and_null_for_no_items(api: Api) -> None:
    whole = Api.answer

    def answer(method: str, path: str, body: Document) -> tuple[int, Any]:
        status, page = whole(api, method, path, body)
        if path != "/search":
            return status, page
        links = [{**link, "rel": "NEXT"} for link in page["links"]]  # type: ignore[index]
        return status, {**page, "links": links or None, "features": page["features"] or None}  # type: ignore[dict-item, index]

    api.answer = answer  # type: ignore[method-assign]
    assert found(api) == NAMES
    del api.items[1:]
    api.items[0] = {**api.items[0], "bbox": [0.0, 0.0, 1.0, 1.0]}
    assert found(api) == []


def counted(api: Api, change: Callable[[Document], Document]) -> None:
    """Have the API count its items, and change its pages."""
    whole = Api.answer

    def answer(method: str, path: str, body: Document) -> tuple[int, Any]:
        status, page = whole(api, method, path, body)
        counts = {"numberMatched": len(api.items), "context": {"matched": 7}}
        return status, change({**page, **counts}) if path == "/search" else page  # type: ignore[dict-item]

    api.answer = answer  # type: ignore[method-assign]


@pytest.mark.parametrize("size", [8, 200])
def test_an_api_that_links_to_no_further_pages_is_told(api: Api, size: int) -> None:
    """It has more than it gives: imagery would be lost in silence, whatever its maximum is."""
    api.page = size
    api.items = [item(number % 28) | {"id": f"{number}"} for number in range(300)]
    counted(api, lambda page: {**page, "links": []})
    assert f"gives {size} of 300 items, and no link to the next page" in str(failing(api))
    del api.items[1:]
    assert found(api) == ["0"]


def test_counts_are_no_proof(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """Some are estimates, or of the whole catalogue: an API that links to its pages is believed, once asked."""
    api.page = 200
    counted(api, lambda page: {**page, "numberMatched": 1_000_000})
    catalog = ApiCatalog(api.url, backoff=0.001)
    for _ in range(3):
        assert len(catalog.search(COLLECTION, JUNE, BOX)) == 23
    assert [question["limit"] for question in api.asked] == [200, 200, 200, 11, 200, 200]
    assert not caplog.messages


def test_pages_that_overlap_and_lack_items_are_told(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """As where a server does not sort: what comes twice stands in the place of what never comes."""
    api.page = 8
    counted(api, lambda page: {**page, "features": [*page["features"][:-1], ITEMS[0]]})
    assert len(found(api)) == 20
    assert "gives 20 of 23 items, and some of them twice" in caplog.text


def test_items_that_tell_no_collection_are_named(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    counted(api, lambda page: {**page, "features": [{**each, "collection": None} for each in page["features"]]})
    assert found(api) == []
    assert "Item 'item 00' has no `collection`. It is left out." in caplog.text


def test_a_server_that_refuses_any_page_says_why(api: Api) -> None:
    api.chokes = (0, 413, "the answer is too large for this gateway")
    error = failing(api)
    assert "HTTP 413" in str(error)
    assert "too large for this gateway" in str(error)
    assert error.transient


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"code": "BadRequest", "description": "bbox is upside down"}, "bbox is upside down"),
        ({"detail": [{"loc": ["body", "datetime"], "msg": "not a date"}]}, "body.datetime: not a date"),
        ({"errors": ["first", {"message": "second"}]}, "first; second"),
        ({"message": "see https://me:SECRET@x.test/a?sig=SECRET now"}, "see https://x.test/a now"),
        ("<html><head><title>403 Forbidden</title></head></html>", "403 Forbidden"),
        ("plain words\nin two lines", "plain words in two lines"),
        ({"description": "x" * 5000}, "xxx…"),
    ],
)
def test_the_servers_own_reason_is_told(api: Api, body: object, told: str) -> None:
    api.answer = lambda method, path, question: (400, body)  # type: ignore[method-assign, assignment]
    error = failing(api)
    assert told in str(error)
    assert "SECRET" not in str(error)
    assert len(str(error)) < 400
    assert api.url.removeprefix("http://") in str(error)  # with its port
    assert not error.transient


def test_one_collection_of_each_variant_is_asked(api: Api) -> None:
    """Of HLS both parts, each by the first name that the API has."""
    served = ("HLSL30_2.0", "HLSS30_2.0", "HLSS30.v1.5")
    for number, collection in enumerate(served):
        own = {"id": f"HLS.{collection[3:6]}.T33TWM.{number}", "assets": {"B04": {"href": "red.tif"}}}
        api.items.append(item(number, collection) | own)
    one = ApiCatalog(api.url, backoff=0.001).search(load_collections()["hls"], JUNE, BOX)
    assert [entry.id for entry in one] == ["HLS.L30.T33TWM.0", "HLS.S30.T33TWM.1"]
    assert [question["collections"] for question in api.asked] == [["HLSL30_2.0", "HLSS30_2.0"]]


def test_a_collection_that_is_away_for_a_moment_is_found_in_the_list(api: Api) -> None:
    """Otherwise half of HLS would be left out without a word, until the names are asked for again."""
    for number, collection in enumerate(("HLSL30_2.0", "HLSS30_2.0")):
        own = {"id": f"HLS.{collection[3:6]}.T33TWM.{number}", "assets": {"B04": {"href": "red.tif"}}}
        api.items.append(item(number, collection) | own)
    whole = Api.answer
    api.answer = lambda method, path, body: (  # type: ignore[method-assign]
        (404, "") if path == "/collections/HLSS30_2.0" else whole(api, method, path, body)
    )
    one = ApiCatalog(api.url, backoff=0.001).search(load_collections()["hls"], JUNE, BOX)
    assert [entry.id for entry in one] == ["HLS.L30.T33TWM.0", "HLS.S30.T33TWM.1"]


class TestPoorApis:
    def test_no_conforms_to(self, api: Api) -> None:
        api.conforms = None
        assert found(api) == NAMES

    def test_no_link_to_the_search(self, api: Api) -> None:
        api.methods = ()
        assert found(api) == NAMES

    def test_no_landing_page(self, api: Api) -> None:
        whole = Api.answer
        api.answer = lambda method, path, body: (404, "") if path == "/" else whole(api, method, path, body)  # type: ignore[method-assign]
        assert found(api) == NAMES

    @pytest.mark.parametrize("odd", [(200, {"status": "starting"}), (404, {})])
    def test_a_landing_page_that_is_odd_for_a_moment_is_read_again(self, api: Api, odd: Answer) -> None:
        """As a gateway answers in its place; the usual address of a search leads nowhere here."""
        whole, links = Api.answer, [{"rel": "search", "href": f"{api.url}/find", "method": "POST"}]
        pages = [odd, (200, {"type": "Catalog", "links": links})]
        api.page = 100

        def answer(method: str, path: str, body: Document) -> Answer:
            if path == "/":
                return pages.pop(0)
            return (404, "") if path == "/search" else whole(api, method, path, body)

        api.answer = answer  # type: ignore[method-assign]
        catalog = ApiCatalog(api.url, backoff=0.001)
        for _ in range(2):
            assert [entry.id for entry in catalog.search(COLLECTION, JUNE, BOX)] == NAMES
        assert not pages

    @pytest.mark.parametrize("methods", [("GET",), ("",), ("POST",), ("GET", "POST")])
    def test_no_search_by_post(self, api: Api, methods: tuple[str, ...]) -> None:
        api.methods, api.refused_methods = methods, ("POST",)
        assert found(api) == NAMES

    def test_no_list_of_collections(self, api: Api) -> None:
        api.lists = False
        assert found(api) == NAMES

    def test_pages_in_a_circle(self, api: Api) -> None:
        api.paging = "circle"
        assert "loop: " in str(failing(api))
        assert len(api.requests) < 10

    def test_many_pages_without_items_on_the_way(self, api: Api) -> None:
        """As of a server that looks at so many items, and then leaves out those that do not match."""
        whole, empty = Api.answer, iter(range(20))

        def answer(method: str, path: str, body: Document) -> tuple[int, Any]:
            if path != "/search" or not api.asked or (number := next(empty, None)) is None:
                return whole(api, method, path, body)
            link = {"rel": "next", "method": "POST", "href": f"{api.url}/search", "body": {**body, "step": number}}
            return 200, {"type": "FeatureCollection", "features": [], "links": [link]}

        api.answer = answer  # type: ignore[method-assign]
        assert found(api) == NAMES

    def test_a_page_without_items_on_the_way(self, api: Api) -> None:
        """As an API that filters after it pages."""
        whole = Api._found

        def sparse(method: str, body: Document) -> Document:
            page = whole(api, method, body)
            return {**page, "features": []} if body.get("token") == 4 else page

        api._found = sparse  # type: ignore[method-assign]
        assert found(api) == [name for name in NAMES if name not in NAMES[4:6]]

    def test_a_user_and_password_in_the_address(self, api: Api) -> None:
        """They go with every request to that host, and into no message."""
        api.login = "Basic " + base64.b64encode(b"me:my secret").decode()
        url = api.url.replace("http://", "http://me:my%20secret@")
        assert found(api, url) == NAMES
        with pytest.raises(CatalogUnavailable, match="log in first") as caught:
            found(api, url.replace("my%20secret", "wrong"))
        assert "wrong" not in str(caught.value)


class TestNoApi:
    @pytest.mark.parametrize(
        ("page", "told"),
        [
            ({"type": "Catalog", "links": [{"rel": "child", "href": "./a/catalog.json"}]}, "static STAC catalog"),
            ({"type": "Collection", "links": [{"rel": "item", "href": "./a.json"}]}, "static STAC collection"),
            ({"type": "FeatureCollection", "features": []}, "is a file of items"),
            ("<html><title>Please sign in</title></html>", "is not a STAC API.*Please sign in"),
        ],
    )
    def test_what_is_no_api_is_refused_in_words(self, api: Api, page: Document | str, told: str) -> None:
        api.landing = page
        with pytest.raises(CatalogUnavailable, match=told) as caught:
            ApiCatalog(api.url, retries=1, backoff=0.001).search(COLLECTION, JUNE, BOX)
        assert "set `catalog`" in str(caught.value).replace("Set", "set")


class TestCollectionNames:
    def test_a_renamed_collection_is_told_with_what_there_is(self, api: Api) -> None:
        api.items = [item(1, "sentinel-2-l2a-c1"), item(2, "modis"), *(item(3, f"z{number}") for number in range(20))]
        error = failing(api)
        assert "none of the STAC collections of sentinel-2-l2a" in str(error)
        assert "Did you mean sentinel-2-l2a-c1" in str(error)
        assert "modis" in str(error)
        assert "and 10 more" in str(error)
        assert not error.transient

    def test_a_single_name_is_checked_too(self, api: Api) -> None:
        own = replace(COLLECTION, id="mine", stac_collections=("sentinel-2-l2b",))
        with pytest.raises(CatalogUnavailable, match="Did you mean sentinel-2-l2a"):
            ApiCatalog(api.url, backoff=0.001).search(own, JUNE, BOX)

    @pytest.mark.parametrize("moment", [(200, {"message": "Service timed out"}), (404, {"message": "no such route"})])
    def test_a_moments_answer_chooses_no_other_collection(self, api: Api, moment: tuple[int, Document]) -> None:
        """That of a gateway: its items would be others, for minutes."""
        api.items = [*ITEMS, item(24, "sentinel-2-c1-l2a")]
        whole, moments = Api.answer, [moment]

        def answer(method: str, path: str, body: Document) -> tuple[int, Any]:
            return moments.pop() if moments and "/collections/" in path else whole(api, method, path, body)

        api.answer = answer  # type: ignore[method-assign]
        assert found(api) == NAMES
        assert not moments

    def test_a_collection_that_is_served_is_asked_about_once(self, api: Api) -> None:
        catalog = ApiCatalog(api.url)
        for _ in range(3):
            catalog.search(COLLECTION, JUNE, BOX)
        assert api.requests.count("/collections/sentinel-2-l2a") == 1


def test_a_storm_of_errors_ends(api: Api) -> None:
    api.faults = [502] * 1000
    error = failing(api, seconds=30)
    assert "HTTP 502" in str(error)
    assert error.transient
    assert len(api.requests) < 20
