"""STAC API: the Catalog port for STAC APIs. A search fetches a few pages, within a time limit."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from threading import local
from typing import TypeVar

import requests
from urllib3.exceptions import NameResolutionError

from arpent.adapters.catalogs.api.answers import (
    BUSY,
    CHOKED,
    NotItems,
    NotJson,
    PageRequest,
    Refused,
    RetryLimits,
    Server,
)
from arpent.adapters.catalogs.api.chosen import ChosenSearch, FieldsIgnored, Unfaithful
from arpent.adapters.catalogs.api.collection_names import served_names
from arpent.adapters.catalogs.api.landing import MISSING, Landing, read_landing
from arpent.adapters.catalogs.api.narrowing import narrowings
from arpent.adapters.catalogs.api.pages import Pages, key_of
from arpent.adapters.catalogs.deduplicate import newest
from arpent.adapters.catalogs.harmonization import Document
from arpent.adapters.catalogs.item import read_items
from arpent.adapters.catalogs.origin import own_address
from arpent.domain.boundary.address_names import bare_address
from arpent.domain.errors import CatalogUnavailable, CatalogUnknown
from arpent.domain.imagery.collection import Collection
from arpent.domain.imagery.item import Item
from arpent.domain.interval import YEARS, Interval
from arpent.network.access import AccessFailed, OpenAccess, SourceAccess
from arpent.network.causes import causes_of
from arpent.network.deadline import Deadline, within
from arpent.network.memo import RecentKeys
from arpent.network.outages import Outages
from arpent.network.passing import is_passing
from arpent.network.policy import EgressPolicy, EgressRefused
from arpent.network.sessions import PatientRetry, session
from arpent.raster.footprints.antimeridian import boxes_of

PAGE = 200
"""Number of items per page, unless the server fails on pages of this size."""
KEPT_SECONDS = 600.0
"""How long to remember that the server needs smaller pages, which collections it has, and which narrowings it does not
serve well."""
TIMEOUT = (5.0, 15.0)
"""Seconds to connect, and between two bytes."""
SECONDS = 100.0
"""Time limit of one search with all its pages, retries and pauses."""
BRIEF_SECONDS = 10.0
"""Time limit of one search while the API has been failing for minutes."""
MOST_ITEMS = 100_000
"""Maximum number of items of one search."""
RETRIES = 6
"""Number of retries of a request, with backoff, jitter and the server's Retry-After."""
MOST_WIDE = 256
"""Maximum number of remembered narrowings that the API does not serve well; limited because clients choose the
values."""
_LOGIN = (401, 403)
_ALL = ("", "")
"""Stands for all narrowings of all collections."""
Answer = TypeVar("Answer")
_WHOLE_TIME = f"{YEARS[0]}-01-01T00:00:00Z/{YEARS[-1]}-12-31T23:59:59Z"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """The parameters of a search."""

    collection: Collection
    interval: Interval | None
    """Interval for the items' times; None: items of any time."""
    boxes: tuple[tuple[float, float, float, float], ...]
    """Boxes (west, south, east, north) in EPSG:4326; none of them crosses 180 degrees."""

    def counts(self, item: Item) -> bool:
        """Whether the item belongs to the interval."""
        return self.interval is None or item.within(self.interval)


class ApiCatalog:
    """A Catalog that uses the item search of a STAC API. Thread-safe. Picklable: a copy opens its own connections."""

    def __init__(
        self, url: str, *, retries: int = RETRIES, backoff: float = 0.5, seconds: float = SECONDS,
        timeout: tuple[float, float] = TIMEOUT, policy: EgressPolicy | None = None,
        access: SourceAccess | None = None,
    ) -> None:  # fmt: skip
        """`seconds`: time limit of a search. `timeout`: seconds to connect, and between two bytes. `policy`: where
        links and redirects may lead; None: anywhere. `access`: provides the keys of each host."""
        self._url = url
        self._policy = policy
        self._access = access or OpenAccess()
        self._retries = retries
        self._backoff = backoff
        self._seconds = seconds
        self._outages = Outages()
        self._timeout = timeout
        self._threads = local()
        """One session per thread, because sessions are not thread-safe, and threads should not wait for each other."""
        self._landing: Landing | None = None
        self._served: dict[str, tuple[list[str], float]] = {}
        """Collection → its ids in the API, and until when they are valid (monotonic seconds)."""
        self._wide: RecentKeys[tuple[str, str]] = RecentKeys(MOST_WIDE, KEPT_SECONDS)
        """(collection, narrowing) that the API does not serve well; "" stands for all narrowings, or collections."""
        self._links = False
        """Whether the API has ever linked from one page to the next."""
        self._shrunk = (PAGE, 0.0)
        """Page size, and until when it is used (monotonic seconds)."""

    def __reduce__(self) -> tuple[object, ...]:
        return (partial(ApiCatalog, policy=self._policy, access=self._access), (self._url,))

    def search(
        self, collection: Collection, interval: Interval, box: tuple[float, float, float, float]
    ) -> tuple[Item, ...]:
        seconds = min(self._seconds, BRIEF_SECONDS) if self._outages.is_long(self._url) else self._seconds
        question = _Question(
            collection=collection,
            interval=None if collection.timeless else interval,
            boxes=tuple(boxes_of(box)),  # not every API supports boxes that cross 180
        )
        with within(seconds) as deadline:
            return self._answered(question, deadline)

    def _answered(self, question: _Question, deadline: Deadline) -> tuple[Item, ...]:
        """Search for items. Raises CatalogUnavailable. Records outages of the API."""
        try:
            try:
                found = self._items(question, deadline)
            except Refused as error:
                if error.status not in MISSING or not self._was_guessed(deadline):
                    raise
                found = self._items(question, deadline)
        except (Refused, NotJson, requests.RequestException, EgressRefused, AccessFailed) as error:
            explained = self._explained(error, deadline)
            if _refusal(error) is None:
                (self._outages.failed if explained.transient else self._outages.answered)(self._url)
            raise explained from error
        self._outages.answered(self._url)
        return found

    def _was_guessed(self, deadline: Deadline) -> bool:
        """Whether the URL of the search was a guess, and the landing page, read again, now has it: a gateway may have
        answered for the API the first time."""
        if self._landing is None or not self._landing.guessed:
            return False
        self._landing = self._read_landing(self._server(deadline))
        return not self._landing.guessed

    def _read_landing(self, server: Server) -> Landing:
        advice = self._access.advice(self._url, "login")
        return read_landing(server, self._url, f"The catalogue {self._name}", advice)

    def _items(self, question: _Question, deadline: Deadline) -> tuple[Item, ...]:
        """The items found; those that the collection's choice rejects may lack their assets."""
        server = self._server(deadline)
        if self._landing is None:
            self._landing = self._read_landing(server)
        collection = question.collection
        names = self._collections(server, collection)

        def search(parameters: Mapping[str, object]) -> Iterator[Document]:
            return self._documents(server, question, {**({"collections": names} if names else {}), **parameters})

        options = [
            each for each in narrowings(collection, self._landing) if (collection.id, repr(each)) not in self._wide
        ]
        if options and (collection.id, "") not in self._wide and _ALL not in self._wide:
            chosen = self._chosen(
                ChosenSearch(
                    search=search, collection=collection, source=self._url, access=self._access, counts=question.counts
                ),
                options,
            )
            if chosen is not None:
                return chosen
        sources = ((document, own_address(document, self._url)) for document in search({}))
        found = read_items(sources, collection, access=self._access)
        return newest(item for item in found if question.counts(item))

    def _chosen(self, chosen: ChosenSearch, options: Sequence[Mapping[str, object]]) -> tuple[Item, ...] | None:
        """The items found with the first narrowing that the API serves well; None if there is none."""
        name = chosen.collection.id
        bare = self._tried((name, ""), chosen.bare)
        if bare is None:
            return None
        for narrowing in options:
            found = self._tried((name, repr(narrowing)), partial(chosen.narrowed, bare, narrowing))
            if found is not None:
                return found
        return None

    def _tried(self, key: tuple[str, str], ask: Callable[[], Answer]) -> Answer | None:
        """What `ask` returns; None if the API does not serve this well, which is remembered for `key`. After an error
        that the narrowing may have caused, such as a filter that takes too long, the next search of the collection uses
        no narrowing."""
        try:
            return ask()
        except FieldsIgnored:
            self._wide.add(_ALL)
        except Unfaithful:
            self._wide.add(key)
        except Refused as error:
            if error.status in _LOGIN or error.status in BUSY:
                raise
            self._wide.add(key)
        except (NotJson, requests.RequestException):
            self._wide.add((key[0], ""))
            raise
        return None

    def _documents(self, server: Server, question: _Question, parameters: Mapping[str, object]) -> Iterator[Document]:
        """Yield the JSON of the items that the API finds, each once."""
        interval, collection = question.interval, question.collection
        query = {"datetime": _range(interval) if interval else _WHOLE_TIME, **parameters}
        found: set[object] = set()
        for part in question.boxes:
            for document in islice(self._pages(server, {**query, "bbox": list(part)}), MOST_ITEMS + 1):
                if (key := key_of(document)) not in found:
                    found.add(key)
                    yield document
                if len(found) > MOST_ITEMS:
                    raise CatalogUnavailable(
                        f"The catalogue {self._name} has more than {MOST_ITEMS} items of {collection.id} for one "
                        "search."
                    )

    def _pages(self, server: Server, query: dict[str, object]) -> Iterator[Document]:
        """Yield the documents of all pages. Searches by POST, or by GET if the API supports only that."""
        assert self._landing is not None
        size, until = self._shrunk
        size = size if time.monotonic() < until else PAGE
        pages = Pages(server=server, size=size, name=self._name, links=self._links)
        method = "POST" if self._landing.posts else "GET"
        try:
            try:
                yield from pages.documents(PageRequest(method=method, url=self._landing.search, query=query))
            except Refused as error:
                if method == "GET" or error.status not in (404, 405, 415, 501) or pages.answered:
                    raise
                yield from pages.documents(PageRequest(method="GET", url=self._landing.search, query=query))
                self._landing = replace(self._landing, posts=False)
        finally:
            self._links |= pages.links
            if pages.size < size:
                self._shrunk = (pages.size, time.monotonic() + KEPT_SECONDS)

    def _server(self, deadline: Deadline) -> Server:
        if not hasattr(self._threads, "session"):
            retry = PatientRetry(
                total=self._retries,
                read=False,  # these are retried with smaller pages, see `Pages`
                backoff_factor=self._backoff,
                backoff_jitter=self._backoff,
                status_forcelist=BUSY,
                allowed_methods=None,  # a search by POST changes nothing
                raise_on_status=False,
            )
            self._threads.session = session(retry, self._timeout, self._policy, self._access)
        limits = RetryLimits(
            tries=self._retries + 1,
            backoff=self._backoff,
            ended=lambda pause: pause > deadline.left,
        )
        return Server(self._url, self._threads.session, limits)

    def _collections(self, server: Server, collection: Collection) -> list[str]:
        """The collection's ids in the API; empty if searches are not limited by collection."""
        if not collection.stac_collections:
            return []
        names, until = self._served.get(collection.id, ([], 0.0))
        if time.monotonic() > until:
            parts = [each.stac_collections for each in collection.variants.values() if each.stac_collections]
            groups = parts or [collection.stac_collections]
            names = served_names(server, self._url, groups, collection, f"The catalogue {self._name}")
            self._served[collection.id] = names, time.monotonic() + KEPT_SECONDS
        return names

    @property
    def _name(self) -> str:
        """The API's URL in messages."""
        return bare_address(self._url)

    def _explained(self, error: Exception, deadline: Deadline) -> CatalogUnavailable:
        """The error as CatalogUnavailable, with a text for users. It is transient if there was no answer, or after a
        server error; refusals are permanent."""
        refused = _refusal(error)
        if isinstance(refused, AccessFailed):
            return CatalogUnavailable(
                f"The catalogue {self._name} cannot be queried: {refused}.", transient=refused.transient
            )
        if refused is not None:
            return CatalogUnavailable(f"The catalogue {self._name} leads to an address that is not allowed: {refused}.")
        if any(isinstance(one, NameResolutionError) for one in causes_of(error)):
            return CatalogUnknown(
                f"The catalogue {self._name} cannot be found: its name does not resolve. Set `catalog` to a host that"
                " does, or correct the name service.", transient=True,
            )  # fmt: skip
        if isinstance(error, Refused):
            verb = "refuses the search" if error.status < 500 else "does not answer"
            advice = self._access.advice(self._url, str(error.status)) if error.status in (401, 403) else ""
            reason = f": {'; '.join(filter(None, (error.reason, advice)))}" if error.reason or advice else "."
            return CatalogUnavailable(
                f"The catalogue {self._name} {verb} (HTTP {error.status}){reason}",
                transient=is_passing(error.status) or error.status in CHOKED,
            )
        if isinstance(error, NotJson) and error.page and not deadline.passed:
            advice, title = self._access.advice(self._url, "login"), f" ({error})" if str(error) else ""
            return CatalogUnavailable(
                f"The catalogue {self._name} returns a web page{title}, perhaps to log in, instead of an answer"
                + (f": {advice}." if advice else ".")
            )
        reason = f"no complete answer within {deadline.seconds:g} s" if deadline.passed else _why(error)
        return CatalogUnavailable(f"The catalogue {self._name} does not answer ({reason}).", transient=True)


def _why(error: Exception) -> str:
    """The reason as text for messages, without the HTTP client's own text, which quotes URLs."""
    if isinstance(error, NotItems):
        return f"what it sends is not an item collection{f': {error}' if str(error) else ''}"
    if isinstance(error, NotJson):
        return f"what it sends is not JSON{f': {error}' if str(error) else ''}"
    kinds = (
        (requests.exceptions.SSLError, "its certificate is not accepted"),
        (requests.ConnectTimeout, "no connection"),
        (requests.Timeout, "its answer stalls"),
        (requests.exceptions.ContentDecodingError, "its answer cannot be unpacked, or is too long"),
        (requests.exceptions.ChunkedEncodingError, "its answer is cut off"),
    )
    found = next((words for kind, words in kinds if isinstance(error, kind)), None)
    refused = any(isinstance(one, ConnectionRefusedError) for one in causes_of(error))
    return found or ("the connection is refused" if refused else "the connection was lost")


def _range(interval: Interval) -> str:
    """The interval as RFC 3339 in whole seconds, which every API accepts; less than a second longer at each end."""
    end = interval.end if not interval.end.microsecond else interval.end + timedelta(seconds=1)
    return f"{_second(interval.start)}/{_second(end)}"


def _second(instant: datetime) -> str:
    return instant.replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def _refusal(error: BaseException) -> EgressRefused | AccessFailed | None:
    """The EgressRefused or AccessFailed that caused an error of the HTTP client; None if there is none."""
    return next((one for one in causes_of(error) if isinstance(one, EgressRefused | AccessFailed)), None)
