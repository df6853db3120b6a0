"""A small STAC API on loopback: enough of its ways, good and bad, to test a client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.support.http_server import QuietHandler, served

PARTS = ("core", "item-search", "collections", "ogcapi-features")
Document = dict[str, Any]
Answer = tuple[int, object]
"""Status, 0: the answer breaks off midway; and body."""


@dataclass
class Api:
    """A STAC API: pages of two items, faults on demand."""

    items: list[Document]
    faults: list[int] = field(default_factory=list)
    """Statuses to answer with, first come first served, before working again; 0: the answer breaks off midway."""
    requests: list[str] = field(default_factory=list)
    asked: list[Document] = field(default_factory=list)
    """The questions of the searches that were answered."""
    url: str = ""
    page: int = 2
    """Items per page, at most."""
    paging: str = "token"
    """How its `next` link is written, see `_next`."""
    chokes: tuple[int, int, str] = (10**9, 502, "")
    """Above which `limit` a search fails, with which status, and what it says."""
    methods: tuple[str, ...] = ("POST",)
    """Of the search; `""`: the link has none."""
    refused_methods: tuple[str, ...] = ()
    """Answered with 405."""
    conforms: tuple[str, ...] | None = PARTS
    """None: it does not say."""
    lists: bool = True
    """Whether it knows `/collections`."""
    landing: Document | str | None = None
    """In place of the landing page."""
    login: str = ""
    """What `authorization` must be; empty: nothing."""
    refused_words: tuple[str, ...] = ()
    """Parts of a question that are answered with 400."""
    broken_words: tuple[str, ...] = ()
    """Parts of a question whose answer breaks off midway."""
    ignored_words: tuple[str, ...] = ()
    """Of `filter`, `query`, `fields`: those that are read past."""

    def answer(self, method: str, path: str, body: Document) -> Answer:
        if path == "/":
            return 200, self.landing or self._landing()
        if path.startswith("/collections"):
            return self._collection(path.removeprefix("/collections").strip("/"))
        if method in self.refused_methods:
            return 405, {"detail": "Method Not Allowed"}
        if int(body.get("limit", 10)) > self.chokes[0]:
            return self.chokes[1], {"code": "Choked", "description": self.chokes[2]}
        if reason := self._refusal(body):
            return 400, {"code": "BadRequest", "description": reason}
        self.asked.append(body)
        broken = any(each in json.dumps(body) for each in self.broken_words)
        return 0 if broken else 200, self._found(method, body)

    def _refusal(self, body: Document) -> str:
        word = next((each for each in self.refused_words if each in json.dumps(body)), "")
        return "bbox is missing" if "bbox" not in body else f"{word} is not supported" if word else ""

    def _landing(self) -> Document:
        searches = [
            {"rel": "search", "href": f"{self.url}/search", **({"method": method} if method else {})}
            for method in self.methods
        ]
        says = {} if self.conforms is None else {
            "conformsTo": [f"https://api.stacspec.org/v1.0.0/{part}" for part in self.conforms]
        }  # fmt: skip
        return {"type": "Catalog", "id": "api", "stac_version": "1.0.0", "links": searches, **says}

    def _collection(self, name: str) -> Answer:
        names = list(dict.fromkeys(str(entry["collection"]) for entry in self.items))
        if not self.lists:
            return 405, "Method Not Allowed"
        if not name:
            return 200, {"collections": [{"type": "Collection", "id": each} for each in names], "links": []}
        return (200, {"type": "Collection", "id": name}) if name in names else (404, {"code": "NotFoundError"})

    def _found(self, method: str, body: Document) -> Document:
        west, _, east, _ = (float(each) for each in body["bbox"])
        found = [
            entry
            for entry in self.items
            if entry["collection"] in body.get("collections", [entry["collection"]])
            and entry["bbox"][0] <= east and entry["bbox"][2] >= west
            and ("filter" in self.ignored_words or is_true(body.get("filter"), entry.get("properties")))
            and ("query" in self.ignored_words or is_answer(body.get("query", {}), entry.get("properties")))
        ]  # fmt: skip
        if "fields" not in self.ignored_words:
            hidden = body.get("fields", {}).get("exclude", [])
            found = [{name: value for name, value in entry.items() if name not in hidden} for entry in found]
        size = min(self.page, int(body.get("limit", 10)))
        start = (int(body.get("page", 1)) - 1) * size if self.paging.startswith("page") else int(body.get("token", 0))
        links = [self._next(method, body, start + size, size)] if start + size < len(found) else []
        return {"type": "FeatureCollection", "features": found[start : start + size], "links": links}

    def _next(self, method: str, body: Document, after: int, size: int) -> Document:
        place = {"page": after // size + 1} if self.paging.startswith("page") else {"token": after}
        if self.paging == "circle":
            place = {"token": 0}
        whole = {**body, "limit": size, **place}
        if method == "GET":
            flat = {
                name: ",".join(map(str, value)) if isinstance(value, list) else value for name, value in whole.items()
            }
            return {"rel": "next", "href": f"{self.url}/search?{urlencode(flat)}"}
        return {
            "merge": {"rel": "next", "method": "POST", "href": f"{self.url}/search", "body": place, "merge": True},
            "no merge": {"rel": "next", "method": "POST", "href": f"{self.url}/search", "body": place},
            "relative": {"rel": "next", "method": "POST", "href": "search", "body": whole},
            "no method": {"rel": "next", "href": f"{self.url}/search", "body": whole},
            "behind": {"rel": "next", "href": f"{self.url}/search?{urlencode(place)}"},
        }.get(self.paging, {"rel": "next", "href": f"{self.url}/search", "method": "POST", "body": whole})


def is_true(filter_: Document | None, properties: Any) -> bool | None:
    """The little of CQL2 that a client may send; None: unknown, as in SQL."""
    if filter_ is None:
        return True
    operator, given = filter_["op"], filter_["args"]
    if operator in ("and", "or"):
        truths = [is_true(each, properties) for each in given]
        decisive = operator == "or"
        return decisive if decisive in truths else None if None in truths else not decisive
    value = properties.get(given[0]["property"])
    if operator == "isNull":
        return value is None
    if value is None:
        return None
    return {
        "<=": lambda: value <= given[1], "=": lambda: value == given[1],
        "a_contains": lambda: set(given[1]) <= set(value),
    }[operator]()  # fmt: skip


def is_answer(query: Document, properties: Any) -> bool:
    """The little of the `query` extension."""
    return all(
        (value := properties.get(name)) is not None
        and ("lte" not in test or value <= test["lte"])
        and ("in" not in test or value in test["in"])
        for name, test in query.items()
    )


def question(query: str) -> Document:
    """Of a search by GET."""
    flat: Document = {name: value[0] for name, value in parse_qs(query).items()}
    return flat | {name: flat[name].split(",") for name in ("bbox", "collections") if name in flat}


@contextmanager
def stac_api(items: list[Document]) -> Iterator[Api]:
    state = Api(items=items)

    class Handler(QuietHandler):
        def _serve(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)) or b"{}")
            split = urlsplit(self.path)
            state.requests.append(split.path)
            status = state.faults.pop(0) if state.faults else 200
            told, answer = state.answer(self.command, split.path, body or question(split.query))
            if state.login and self.headers.get("authorization") != state.login:
                told, answer = 401, {"description": "log in first"}
            if not told:
                status, told = 0, 200
            payload = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
            self.send_response(status if status > 200 else told)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload if status else payload[: len(payload) // 2])
            self.close_connection |= not status

        do_GET = do_POST = _serve  # noqa: N815

    with served(Handler) as state.url:
        yield state
