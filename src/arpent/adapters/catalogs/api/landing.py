"""Landing page: reads the search URL of a STAC API, its HTTP methods and its conformance classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from arpent.adapters.catalogs.api.answers import NotJson, PageRequest, Refused, Server
from arpent.domain.errors import CatalogUnavailable
from arpent.network.connections import linked_address

MISSING = (404, 405, 410, 501)
"""Statuses of a URL that does not exist, or does not support the method."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Landing:
    """The content of the landing page, with defaults for what is missing."""

    search: str
    """URL of the search."""
    posts: bool
    """Whether to search by POST; otherwise by GET."""
    guessed: bool
    """Whether `search` is a guess, because the page has no search link."""
    filters: bool = False
    """Whether searches support `filter` in CQL2 as JSON."""
    queries: bool = False
    """Whether searches support `query`."""
    fields: bool = False
    """Whether searches support `fields`, which selects the members of the returned items."""


def read_landing(server: Server, address: str, name: str, advice: str) -> Landing:
    """Read the landing page at `address`. `name`: the API's name in messages; `advice`: advice in case the answer is a
    login page. An API without a landing page is searched at `/search`. Raises CatalogUnavailable if there is no STAC
    API at this address, and the errors of `Server.answer`."""
    base = address.rstrip("/")
    try:
        page = server.answer(PageRequest(method="GET", url=address))
    except Refused as error:
        if error.status not in MISSING:
            raise
        page = {}
    except NotJson as error:
        if not error.page:
            raise
        title = f" but a page ({error})" if str(error) else ""
        raise CatalogUnavailable(
            f"{name} is not a STAC API: its answer is not JSON{title}. Set `catalog` to the address of the API's "
            "landing page, to a folder of items, or to a stac-geoparquet file"
            + (f"; if it is a login page: {advice}." if advice else ".")
        ) from error
    links = [link for link in _listed(page.get("links")) if isinstance(link.get("href"), str)]
    searches = [link for link in links if link.get("rel") == "search"]
    says = " ".join(str(each) for each in _sequence(page.get("conformsTo")))
    if not searches and "item-search" not in says:
        _refuse_static(page, links, name)
    by_post = next((link for link in searches if str(link.get("method")).upper() == "POST"), None)
    chosen = by_post or next(iter(searches), None)
    return Landing(
        search=linked_address(f"{base}/", str(chosen["href"])) if chosen else f"{base}/search",
        posts=chosen is None or by_post is not None,
        guessed=chosen is None,
        filters="item-search#filter" in says and "cql2-json" in says,
        queries="item-search#query" in says,
        fields="item-search#fields" in says,
    )


def _refuse_static(page: Mapping[str, object], links: list[Mapping[str, object]], name: str) -> None:
    """Raise CatalogUnavailable if the page is a static catalogue or a file of items, which cannot be searched."""
    kind = page.get("type")
    linked = any(link.get("rel") in ("child", "item", "items") for link in links)
    advice = (
        "Download its items into a folder, or write them into a stac-geoparquet file, and set `catalog` to that; or "
        "set it to an API that serves them"
    )
    if kind in ("FeatureCollection", "Feature"):
        raise CatalogUnavailable(f"{name} is a file of items, not a STAC API. {advice}.")
    if kind in ("Catalog", "Collection") and linked:
        raise CatalogUnavailable(
            f"{name} is a static STAC {str(kind).lower()}: files that link to one another, without a search. {advice}."
        )


def _listed(links: object) -> list[Mapping[str, object]]:
    return [link for link in _sequence(links) if isinstance(link, dict)]


def _sequence(value: object) -> list[object]:
    return value if isinstance(value, list) else []
