"""Pages: fetches the pages of a search. If the server fails on a page, a smaller one is requested at the same
position."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from arpent.adapters.catalogs.api.answers import (
    NotItems,
    PageRequest,
    Server,
    is_transient,
    reason_in,
    smaller_page_may_help,
)
from arpent.adapters.catalogs.harmonization import Document
from arpent.domain.boundary.text import whole_number
from arpent.domain.errors import CatalogUnavailable
from arpent.network.connections import linked_address

log = logging.getLogger(__name__)

IDLE_PAGES = 3
"""Number of consecutive pages without a new item after which a search fails."""
EMPTY_PAGES = 100
"""The same number for empty pages, as some servers fetch a page of items and then drop those that do not match."""
DOUBTS = 2
"""How often a search may request a page again because it contradicts itself."""
BARE = 5
"""A page may consist of up to this many items without assets, which are then skipped one by one. If there are more, or
if a search finds several items and none has assets, this is treated as an error of the API."""
_PLACES = ("page", "pageNumber", "page_number")
"""Parameters that count pages, so that their meaning depends on `limit`."""
_CHOICE = frozenset({"fields", "filter", "query"})
"""Search parameters whose effect the caller checks itself."""
_QUESTION = frozenset({"bbox", "collections", "datetime", "intersects", "ids"})


@dataclass(kw_only=True)
class Pages:
    """The pages of one search."""

    server: Server
    size: int
    """Number of items per page; reduced if the server fails."""
    name: str
    """Name of the catalogue in messages."""
    links: bool = False
    """Whether the API is known to link from one page to the next."""
    answered: int = field(default=0, init=False)
    """Number of pages received."""
    _first_page: int = field(default=1, init=False)
    """Number of the first page, if pages are counted."""
    _received: int = field(default=0, init=False)
    """Number of features before the next page. It is counted, not computed from page sizes, because pages may be
    smaller than requested: many servers have a maximum size of their own."""
    _bare: int = field(default=0, init=False)
    """Number of received features that have no assets."""
    _largest: int = field(default=0, init=False)
    """Number of features in the largest page."""
    _doubts: int = field(default=DOUBTS, init=False)
    """How often a page may still be requested again. At 0, pages are accepted: the API's counts may always be wrong."""

    def documents(self, first: PageRequest) -> Iterator[Document]:
        """Yield the features, each once. Raises CatalogUnavailable if pages repeat or are missing, NotItems, and the
        errors of `Server.answer`."""
        request: PageRequest | None = first.with_values(limit=self.size)
        seen: set[object] = set()
        idle = 0
        while request is not None:
            request, page = self._settled(request, seen, whole="fields" not in first.query)
            found = _features(page)
            self._received += len(found)
            self._largest = max(self._largest, len(found))
            fresh = [each for each in found if key_of(each) not in seen]
            for each in fresh:  # checked again, since a page may contain an item twice
                if key_of(each) not in seen:
                    seen.add(key_of(each))
                    yield each
            idle = 0 if fresh else idle + 1
            following = next_request(request, page)
            bare = sum(not (isinstance(each, dict) and each.get("assets")) for each in found)
            self._bare += bare
            all_bare = following is None and 1 < self._received == self._bare
            if (all_bare or BARE < len(found) == bare) and not _CHOICE & first.query.keys():
                raise NotItems("none of its items has assets")
            self.links |= following is not None
            if following is None and (matched := matched_by(page)) > len(seen):
                self._check_end(first, len(seen), matched)
                self._check_last(request, page, len(seen))
            if following is not None and idle >= (IDLE_PAGES if found else EMPTY_PAGES):
                raise CatalogUnavailable(
                    f"The pages of the catalogue {self.name} loop: {idle} of them bring nothing new."
                )
            if self.answered == 0 and following is not None:
                self._first_page = _counted(following, 2) - 1
            self.answered += 1
            request = following

    def _check_end(self, first: PageRequest, count: int, matched: int) -> None:
        """Raise CatalogUnavailable if the API counts more items (`matched`) than it returned (`count`), and does not
        link to further pages. Because some counts are only estimates, this is tested with a page of half the size,
        which must have a link."""
        if not self.links and count > 1:
            half = self._page(first.with_values(limit=count // 2))[1]
            if next_link(half.get("links")) is None and len(_features(half)) < count:
                raise CatalogUnavailable(
                    f"The catalogue {self.name} gives {count} of {matched} items, and no link to the next page."
                )
            self.links = True
        if count < min(matched, self._received):
            log.warning(
                "The catalogue %s gives %d of %d items, and some of them twice: items may be missing.",
                self.name, count, matched,
            )  # fmt: skip

    def _check_last(self, request: PageRequest, page: Document, count: int) -> None:
        """Raise CatalogUnavailable if the last of several pages is as large as the others, and the same page at half
        the size has no link either: then the API has stopped linking to further pages."""
        size = len(_features(page))
        if self.answered and size == self._largest > 1:
            _, half = self._page(self._shrunk(request, size // 2))
            if next_link(half.get("links")) is None and len(_features(half)) < size:
                raise CatalogUnavailable(
                    f"The catalogue {self.name} gives {count} of {matched_by(page)} items, and its links to further "
                    "pages have ended.",
                    transient=True,
                )

    def _settled(self, request: PageRequest, seen: set[object], *, whole: bool) -> tuple[PageRequest, Document]:
        """As `_page`, but a page that contradicts itself, because it was truncated or mixed up on the way, is requested
        again. `whole`: whether items must have assets."""
        while True:
            asked, page = self._page(request)
            if not self._doubts or not self._contradicts_itself(asked, page, seen, whole=whole):
                return asked, page
            self._doubts -= 1
            self.server.rest(DOUBTS - self._doubts)

    def _contradicts_itself(self, asked: PageRequest, page: Document, seen: set[object], *, whole: bool) -> bool:
        found = _features(page)
        needed = ("properties", "assets") if whole else ("properties",)
        odd = any(not isinstance(each, dict) or not all(map(each.get, needed)) for each in found)
        if odd or _count(page, "numberReturned", "returned") > len(found):
            return True
        full = len(found) >= self._limit(asked) or not self.links or (self.answered and len(found) >= self._largest)
        is_end = next_link(page.get("links")) is None and (full or not found)
        return is_end and matched_by(page) > len(seen.union(map(key_of, found)))

    def _page(self, request: PageRequest) -> tuple[PageRequest, Document]:
        """Fetch a page. Returns the request that succeeded, and its answer."""
        if _place(request) is not None and request.value("limit") is None:  # page numbers depend on the page size
            request = request.with_values(limit=self.size)
        if self._limit(request) > self.size:  # the server's link may still have the former page size
            request = self._shrunk(request, self.size)
        return self.server.answered(request, self._again, check_items)

    def _again(self, request: PageRequest, error: Exception) -> PageRequest | None:
        if not smaller_page_may_help(error):
            return request
        most = self._largest if _place(request) is not None and self._largest else self.size
        smaller = min(self._limit(request), most) // 2
        if not smaller:
            return request if is_transient(error) else None
        self.size = smaller
        return self._shrunk(request, smaller)

    def _limit(self, request: PageRequest) -> int:
        try:
            return int(str(request.value("limit")))
        except ValueError:
            return self.size

    def _shrunk(self, request: PageRequest, limit: int) -> PageRequest:
        """The request with another page size, at the same position; or, if pages are numbered, at or before it."""
        changed, place = request.with_values(limit=limit), _place(request)
        if place is None:
            return changed
        before = self._received // limit
        self._received = before * limit
        return changed.with_values(**{place: before + self._first_page})


def check_items(page: Document) -> None:
    """Raise NotItems unless the answer is a page of items whose links show whether there is a further page. Some
    servers write null for an empty list."""
    if not isinstance(page.get("features"), list) and not (
        page.get("type") == "FeatureCollection" and page.get("features") is None
    ):
        raise NotItems(reason_in(page))
    links = page.get("links")
    if not isinstance(links, list | None):
        raise NotItems("its `links` is not a list")
    link = next_link(links)
    if link is not None and not isinstance(link.get("href"), str | None):
        raise NotItems("its link to the next page has no address")


def next_link(links: object) -> Document | None:
    """The link to the next page; None if there is none. Relation types are case-insensitive (RFC 8288)."""
    every = links if isinstance(links, list) else []
    return next((each for each in every if isinstance(each, dict) and str(each.get("rel")).lower() == "next"), None)


def next_request(asked: PageRequest, page: Document) -> PageRequest | None:
    """The request described by the page's `next` link; None after the last page. Links may be relative, lack the
    method, or contain only the parameters that change. Raises EgressRefused."""
    link = next_link(page.get("links"))
    if link is None or not isinstance(link.get("href") or asked.url, str):
        return None
    url = linked_address(asked.url, str(link.get("href") or ""))
    given = link.get("body")
    body: dict[str, object] = given if isinstance(given, dict) else {}
    behind: dict[str, object] = dict(parse_qsl(urlsplit(url).query))
    method = str(link.get("method") or ("POST" if body else "GET")).upper()
    if method == "GET" and asked.method == "POST" and not link.get("method") and not _QUESTION & behind.keys():
        # A GET without the other parameters of the search would find everything.
        method, body, url = "POST", behind, urlsplit(url)._replace(query="").geturl()
    if method != "POST":
        return PageRequest(method="GET", url=url)
    whole = not link.get("merge") and bool(_QUESTION & body.keys())
    query: Mapping[str, object] = body if whole else {**asked.query, **body}
    return PageRequest(method="POST", url=url, query=query)


def matched_by(page: Document) -> int:
    """The total number of items on all pages, as stated by this page; 0 if it does not state it."""
    return _count(page, "numberMatched", "matched")


def _count(page: Document, name: str, within: str) -> int:
    """A count in the page: `name` in OGC API, or `within` in the older STAC extensions; 0 if there is none."""
    told = page.get("context"), page.get("search:metadata")
    counts = [page.get(name), *(each.get(within) for each in told if isinstance(each, dict))]
    return next((each for each in counts if isinstance(each, int)), 0)


def _features(page: Document) -> list[Document]:
    found = page.get("features")
    return found if isinstance(found, list) else []


def _place(request: PageRequest) -> str | None:
    """The parameter that holds the page number; None if there is none, for example because `page` is a token."""
    return next((name for name in _PLACES if whole_number(str(request.value(name))) is not None), None)


def _counted(request: PageRequest, otherwise: int) -> int:
    """The number of the requested page; `otherwise` if pages are not numbered."""
    place = _place(request)
    number = None if place is None else whole_number(str(request.value(place)))
    return otherwise if number is None else number


def key_of(document: object) -> object:
    """A key that identifies an item: its id and collection, or the whole document if it has no id."""
    if isinstance(document, dict) and isinstance(document.get("id"), str):
        return document.get("id"), repr(document.get("collection"))
    return repr(document)
