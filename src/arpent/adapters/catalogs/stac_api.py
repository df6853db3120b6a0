"""STAC API: the Catalog port over an API, by pystac-client."""

from __future__ import annotations

import random
import time
from functools import partial
from itertools import islice
from threading import local
from typing import Any
from urllib.parse import urlsplit

import requests
from pystac_client import Client
from pystac_client.exceptions import APIError
from pystac_client.stac_api_io import StacApiIO

from arpent.adapters.catalogs.deadline import Deadline, PatientRetry, session, within
from arpent.adapters.catalogs.deduplicate import newest
from arpent.adapters.catalogs.harmonization import Document
from arpent.adapters.catalogs.item import read_items
from arpent.adapters.catalogs.lenient_json import loads
from arpent.domain.errors import CatalogUnavailable
from arpent.domain.imagery.collection import Collection
from arpent.domain.imagery.item import Item
from arpent.domain.interval import YEARS, Interval
from arpent.network.policy import EgressPolicy, EgressRefused
from arpent.raster.footprints.antimeridian import boxes_of

PAGE = 200
"""Items per page."""
TIMEOUT = (5.0, 15.0)
"""Seconds to connect, and between two bytes."""
SECONDS = 100.0
"""Time limit of one search with all its pages, retries and pauses."""
MOST_ITEMS = 100_000
"""Maximum number of items of one search."""
RETRIES = 6
"""Retries of a request, with backoff, jitter and the server's Retry-After …"""
STALLS = 2
"""… of which this many after an answer that stalled …"""
SEARCHES = 4
"""… and tries of a whole search: the client does not repeat a request whose answer broke off in the middle."""
_WHOLE_TIME = f"{YEARS[0]}-01-01T00:00:00Z/{YEARS[-1]}-12-31T23:59:59Z"


class _LenientIO(StacApiIO):
    """An invalid value in an answer costs its item, not the whole page."""

    def json_loads(self, txt: str, *_: Any, **__: Any) -> dict[str, Any]:
        answer = loads(txt)
        if not isinstance(answer, dict):
            raise ValueError("an answer of a STAC API is an object")
        return answer


class ApiCatalog:
    """Item search of a STAC API. Thread-safe. Picklable: a copy opens its own connections."""

    def __init__(
        self, url: str, *, retries: int = RETRIES, backoff: float = 0.5, seconds: float = SECONDS,
        timeout: tuple[float, float] = TIMEOUT, policy: EgressPolicy | None = None,
    ) -> None:  # fmt: skip
        """`seconds`: time limit of a search. `timeout`: seconds to connect, and between two bytes. `policy`: where
        links and redirects may lead; None: anywhere."""
        self._url = url
        self._policy = policy
        self._retries = retries
        self._backoff = backoff
        self._seconds = seconds
        self._timeout = timeout
        self._threads = local()
        """One client per thread: a client is not thread-safe, and no thread waits for another's search."""
        self._served: dict[str, list[str]] = {}

    def __reduce__(self) -> tuple[object, ...]:
        return (partial(ApiCatalog, policy=self._policy), (self._url,))

    def search(
        self, collection: Collection, interval: Interval, box: tuple[float, float, float, float]
    ) -> tuple[Item, ...]:
        always = collection.timeless
        with within(self._seconds) as deadline:
            documents = self._patiently(collection, None if always else interval, box, deadline)
        found = read_items(((document, _source(document, self._url)) for document in documents), collection)
        return newest(item for item in found if always or item.within(interval))

    def _patiently(
        self,
        collection: Collection,
        interval: Interval | None,
        box: tuple[float, float, float, float],
        deadline: Deadline,
    ) -> list[Document]:
        for number in range(SEARCHES):
            try:
                return self._documents(collection, interval, box)
            except (
                APIError, requests.RequestException, ValueError, KeyError, RecursionError, EgressRefused,
            ) as error:  # fmt: skip
                if (refused := _refusal(error)) is not None:
                    raise CatalogUnavailable(
                        f"The catalogue {self._host} leads to an address that may not be reached: {refused}."
                    ) from error
                tried = getattr(error, "status_code", None) is not None or "Max retries" in str(error)
                pause = self._backoff * 2**number * random.uniform(0.5, 1.5)
                if tried or number == SEARCHES - 1 or time.monotonic() + pause > deadline.end:
                    raise self._explained(error, deadline) from error
                time.sleep(pause)
        raise AssertionError("the last search returns or raises")

    def _documents(
        self, collection: Collection, interval: Interval | None, box: tuple[float, float, float, float]
    ) -> list[Document]:
        found: dict[str, Document] = {}
        for part in boxes_of(box):  # not every API knows a box that passes 180
            search = self._opened().search(
                collections=self._collections(collection),
                bbox=list(part),
                datetime=[interval.start, interval.end] if interval else _WHOLE_TIME,
                limit=PAGE,
            )
            found |= {repr(document): document for document in islice(search.items_as_dicts(), MOST_ITEMS + 1)}
            if len(found) > MOST_ITEMS:
                raise CatalogUnavailable(
                    f"The catalogue {self._host} has more than {MOST_ITEMS} items of {collection.id} for one search."
                )
        return list(found.values())

    def _opened(self) -> Client:
        client: Client | None = getattr(self._threads, "client", None)
        if client is None:
            retry = PatientRetry(
                total=self._retries,
                read=min(STALLS, self._retries),
                backoff_factor=self._backoff,
                backoff_jitter=self._backoff,
                status_forcelist=(429, 500, 502, 503, 504),
                allowed_methods=None,  # a search by POST changes nothing
            )
            talk = _LenientIO(timeout=self._timeout)
            talk.session = session(retry, self._timeout, self._policy)
            # Without `timeout` here, too, the client would take ours away.
            client = self._threads.client = Client.open(self._url, stac_io=talk, timeout=self._timeout)
        return client

    def _collections(self, collection: Collection) -> list[str] | None:
        """The first of the collection's STAC ids that this API has, or of each of its variants: the others would
        return the same acquisitions."""
        groups = [variant.stac_collections for variant in collection.variants.values() if variant.stac_collections]
        wanted = collection.stac_collections
        if len(wanted) < 2:
            return list(wanted) or None
        if collection.id not in self._served:
            first = (next((name for name in names if self._has(name)), None) for names in groups or [wanted])
            found = [name for name in first if name is not None]
            if not found:
                raise CatalogUnavailable(
                    f"{self._host} has none of the STAC collections of {collection.id}: {', '.join(wanted)}."
                )
            self._served[collection.id] = found
        return self._served[collection.id]

    def _has(self, name: str) -> bool:
        try:
            return self._opened().get_collection(name) is not None
        except APIError as error:
            if getattr(error, "status_code", None) == requests.codes.not_found:
                return False
            raise

    @property
    def _host(self) -> str:
        """The API's URL without user, password and query."""
        split = urlsplit(self._url)
        return f"{split.scheme}://{split.hostname}{split.path}"

    def _explained(self, error: Exception, deadline: Deadline) -> CatalogUnavailable:
        """The error for a person. A refusal is final; without an answer, or after a server error, another try may
        help."""
        if "NameResolutionError" in str(error) or "Failed to resolve" in str(error):
            return CatalogUnavailable(
                f"The catalogue {self._host} cannot be found: its name does not resolve. Set `catalog` to a host that"
                " does, or correct the name service.", transient=True,
            )  # fmt: skip
        if deadline.passed:
            reason = f"no complete answer within {self._seconds:g} s"
            return CatalogUnavailable(f"The catalogue {self._host} does not answer ({reason}).", transient=True)
        status = getattr(error, "status_code", None)
        refused = isinstance(status, int) and 400 <= status < 500 and status not in (408, 429)
        reason = f"HTTP {status}" if status else type(error).__name__
        return CatalogUnavailable(f"The catalogue {self._host} does not answer ({reason}).", transient=not refused)


def _refusal(error: BaseException | None) -> EgressRefused | None:
    """The policy's refusal behind an error of the client library; None if there is none."""
    while error is not None and not isinstance(error, EgressRefused):
        error = error.__cause__ or error.__context__
    return error


def _source(document: Document, otherwise: str) -> str:
    """The item's own address. An API's item is on the web or in a bucket, whatever it says."""
    links = document.get("links") if isinstance(document, dict) else None
    for link in links if isinstance(links, list) else ():
        if isinstance(link, dict) and link.get("rel") == "self" and isinstance(link.get("href"), str):
            return str(link["href"]) if str(link["href"]).startswith(("http://", "https://", "s3://")) else otherwise
    return otherwise
