"""STAC APIs that are ill for a moment, or give one odd item; `fault` says what a search over one lost or showed."""

from __future__ import annotations

import gzip
import json
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from arpent.adapters.catalogs.stac_api import ApiCatalog
from arpent.adapters.collections.files import load_collections
from arpent.domain.errors import ArpentError
from arpent.domain.imagery.item import Item
from arpent.domain.interval import Interval
from tests.fuzz import mutate
from tests.support.http_server import QuietHandler, served
from tests.support.stac_api import PARTS, Api, Document, question

LIMIT = 20.0
"""Seconds that a search may take: its own limit of 8, and what an answer of each kind may take above it."""
COLLECTION = load_collections()["sentinel-2-l2a"]
SEASON = Interval(start=datetime(2020, 5, 1, tzinfo=UTC), end=datetime(2020, 9, 1, tzinfo=UTC))
BOX = (15.0, 46.0, 15.1, 46.1)
RING = [[15.0, 46.0], [15.5, 46.0], [15.5, 46.5], [15.0, 46.5], [15.0, 46.0]]
SAID = b'{"message": "Service temporarily unavailable"}'
HTML = b"<html><title>We will be back</title></html>"


@dataclass(frozen=True, kw_only=True)
class Ill:
    """A search over an API of some ways, of which some answers are wrong."""

    count: int
    """Items that the API has."""
    page: int
    paging: str
    method: str
    conforms: tuple[str, ...]
    symptom: str
    """Name of one of SYMPTOMS; empty: none."""
    path: str
    """The beginning of the paths whose answers are wrong …"""
    first: int
    """… from this one on, counted from 1 …"""
    span: int
    """… and so many."""
    odd: int | None
    """Number of the one item that is mutated in every answer …"""
    seed: int
    """… from this seed."""


def made(die: random.Random, kind: str) -> Ill:
    odd = kind == "odd item"
    symptom = "" if odd else die.choice(list(SYMPTOMS))
    return Ill(
        count=die.randint(1, 30),
        page=die.choice([1, 3, 5, 10, 100]),
        paging=die.choice(["token", "merge", "no merge", "relative", "no method", "behind", "page"]),
        method="POST" if die.random() < 0.7 else "GET",
        conforms=(*PARTS, *(part for part in ("item-search#fields", "item-search#query") if die.random() < 0.5)),
        symptom=symptom,
        path=die.choice(["/search", "/search", "/search", "/collections", "/"]),
        first=die.choice([1, 1, 2, 3, 5]),
        span=die.choice([1, 2] if symptom in PAGES else [1, 2, 9]),
        odd=die.randrange(30) if odd else None,
        seed=die.randrange(2**31),
    )


Symptom = Callable[[Document], tuple[int, bytes, dict[str, str]]]
"""Of the right answer: status, body and headers of the wrong one."""


def _status(status: int, body: bytes = b"", **headers: str) -> Symptom:
    return lambda _: (status, body, headers)


def _page(change: Callable[[list[Document]], list[Any]], **own: Any) -> Symptom:
    def symptom(page: Document) -> tuple[int, bytes, dict[str, str]]:
        return 200, mutate.text({**page, "features": change(page.get("features", [])), **own}), {}

    return symptom


def _packed(part: float) -> Symptom:
    def symptom(page: Document) -> tuple[int, bytes, dict[str, str]]:
        packed = gzip.compress(mutate.text(page))
        return 200, packed[: int(len(packed) * part)], {"content-encoding": "gzip"}

    return symptom


PAGES: dict[str, Symptom] = {
    "no link": _page(list, links=[]),
    "no items": _page(lambda _: []),
    "nothing": _page(lambda _: [], links=[], numberReturned=0),
    "some items": _page(lambda found: found[:1]),
    "turned": _page(lambda found: found[::-1]),
    "twice": _page(lambda found: found * 2),
    "nulls": _page(lambda found: [None, *found[1:]]),
    "no assets": _page(lambda found: [{**each, "assets": {}} for each in found]),
    "no properties": _page(lambda found: [{**each, "properties": None} for each in found]),
}
"""Pages that say nothing of a fault and contradict themselves: a search asks twice more, then believes them."""
SYMPTOMS: dict[str, Symptom] = {
    **{str(status): _status(status) for status in (202, 204, 206, 300, 304, 401, 403, 404, 408, 410, 429, 500, 501)},
    **{str(status): _status(status, HTML) for status in (502, 503, 504)},
    "503 retry": _status(503, **{"retry-after": "1"}),
    "429 soon": _status(429, **{"retry-after": "soon"}),
    "circle": _status(307, location="/search"),
    "html": _status(200, HTML),
    "said": _status(200, SAID),
    "empty": _status(200),
    "list": _status(200, b"[]"),
    "null": _status(200, b"null"),
    "object": _status(200, b"{}"),
    "half": lambda page: (200, mutate.text(page)[: len(mutate.text(page)) // 2], {}),
    "packed": _packed(1.0),
    "half packed": _packed(0.5),
    **PAGES,
}


class _Sick(Api):
    """An API that counts its items and has one symptom."""

    def __init__(self, ill: Ill, items: list[Document]) -> None:
        super().__init__(items=items, page=ill.page, paging=ill.paging, methods=(ill.method,), conforms=ill.conforms)
        self.ill = ill
        self.well = True
        """Whether it has no symptom, for now."""
        self.answers = 0

    def wire(self, method: str, path: str, body: Document) -> tuple[int, bytes, dict[str, str]]:
        status, answer = self.answer(method, path, body)
        if isinstance(answer, dict) and "features" in answer:
            features = list(map(self._changed, answer["features"]))
            answer |= {"features": features, "numberMatched": len(self.items), "numberReturned": len(features)}
        if self.well or not (path == self.ill.path or (path.startswith(self.ill.path) and len(self.ill.path) > 1)):
            return status, mutate.text(answer), {}
        self.answers += 1
        if not self.ill.symptom or not self.ill.first <= self.answers < self.ill.first + self.ill.span:
            return status, mutate.text(answer), {}
        return SYMPTOMS[self.ill.symptom](answer if isinstance(answer, dict) else {})

    def _changed(self, feature: Document) -> Any:
        if self.ill.odd is None or feature["id"] != self.items[self.ill.odd % len(self.items)]["id"]:
            return feature
        return (mutate.of_json(random.Random(self.ill.seed), [feature]) or [None])[0]


@contextmanager
def _served(api: _Sick) -> Iterator[_Sick]:
    class Handler(QuietHandler):
        def _serve(self) -> None:
            split = urlsplit(self.path)
            body = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)) or b"{}")
            status, payload, headers = api.wire(self.command, split.path, body or question(split.query))
            self.send_response(status)
            headers = {"content-type": "application/json", "content-length": str(len(payload)), **headers}
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(payload)

        do_GET = do_POST = _serve  # noqa: N815

    with served(Handler) as api.url:
        yield api


def _item(number: int) -> Document:
    taken = datetime(2020, 5, 2, 10, tzinfo=UTC) + timedelta(days=3 * number)
    name = f"S2A_33TWM_{taken:%Y%m%d}_{number}_L2A"
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": name, "collection": "sentinel-2-l2a", "links": [],
        "bbox": [15.0, 46.0, 15.5, 46.5], "geometry": {"type": "Polygon", "coordinates": [RING]},
        "properties": {"datetime": f"{taken:%Y-%m-%dT%H:%M:%SZ}", "eo:cloud_cover": float(number * 7 % 100),
                       "s2:product_type": "S2MSI2A", "proj:epsg": 32633},
        "assets": {"red": {"href": f"https://images.example/{name}/B04.tif"}},
    }  # fmt: skip


def fault(ill: Ill) -> str | None:
    """What is wrong with a search over this API, and with the same search afterwards; None: nothing."""
    items = [_item(number) for number in range(ill.count)]
    healthy = [each["id"] for each in items if ill.odd is None or each is not items[ill.odd % ill.count]]
    with _served(_Sick(ill, items)) as api:
        catalog = ApiCatalog(api.url, retries=4, backoff=0.01, seconds=8.0, timeout=(1.0, 1.0))
        well = _found(ApiCatalog(api.url, backoff=0.01))
        if isinstance(well, str):
            return f"the search fails without a symptom: {well}"
        if lost := set(healthy).difference(each.id for each in well):
            return f"lost without a symptom: {lost}"
        api.well = False
        wrong = _wrong(_found(catalog), well)
        api.well = True
        return wrong or _wrong(_found(catalog), well, "afterwards: ")


def _wrong(found: list[Item] | str, well: list[Item], when: str = "") -> str | None:
    if isinstance(found, str):
        return when + found if when or found.startswith("raw") else None
    if [repr(each) for each in found] == [repr(each) for each in well]:
        return None
    return f"{when}{len(found)} of {len(well)} items, without a word"


def _found(catalog: ApiCatalog) -> list[Item] | str:
    """The items, or what the search says instead."""
    began = time.monotonic()
    try:
        found: list[Item] | str = list(catalog.search(COLLECTION, SEASON, BOX))
    except ArpentError as error:
        found = str(error)
    except Exception as error:  # a fault that is to be told
        found = f"raw {error!r}"
    taken = time.monotonic() - began
    return f"raw: the search took {taken:.0f} s" if taken > LIMIT else found
