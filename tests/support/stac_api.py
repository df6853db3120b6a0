"""A small STAC API on loopback: enough to test a client, with faults on demand."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

PARTS = ("core", "item-search", "collections", "ogcapi-features")
Document = dict[str, object]


@dataclass
class Api:
    """A STAC API: pages of two items, faults on demand."""

    items: list[Document]
    faults: list[int] = field(default_factory=list)
    """Statuses to answer with, first come first served, before working again; 0: the answer breaks off midway."""
    requests: list[str] = field(default_factory=list)
    url: str = ""

    def answer(self, path: str, body: Document) -> Document | None:
        if path == "/":
            return {
                "type": "Catalog", "id": "api", "stac_version": "1.0.0", "description": "made up",
                "conformsTo": [f"https://api.stacspec.org/v1.0.0/{part}" for part in PARTS],
                "links": [
                    {"rel": "self", "href": self.url}, {"rel": "root", "href": self.url},
                    {"rel": "search", "href": f"{self.url}/search", "type": "application/geo+json", "method": "POST"},
                    {"rel": "data", "href": f"{self.url}/collections"},
                ],
            }  # fmt: skip
        if path.startswith("/collections/"):
            name = path.rsplit("/", 1)[1]
            if name not in {entry["collection"] for entry in self.items}:
                return None
            return {
                "type": "Collection", "id": name, "stac_version": "1.0.0", "description": "x", "license": "other",
                "links": [],
                "extent": {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [[None, None]]}},
            }  # fmt: skip
        west, _, east, _ = body["bbox"]  # type: ignore[misc]
        found = [
            entry
            for entry in self.items
            if entry["collection"] in body["collections"]  # type: ignore[operator]
            and entry["bbox"][0] <= east and entry["bbox"][2] >= west  # type: ignore[index]
        ]  # fmt: skip
        start = int(str(body.get("token", 0)))
        links = []
        if start + 2 < len(found):
            links = [
                {"rel": "next", "href": f"{self.url}/search", "method": "POST", "body": {**body, "token": start + 2}}
            ]
        return {"type": "FeatureCollection", "features": found[start : start + 2], "links": links}


@contextmanager
def stac_api(items: list[Document]) -> Iterator[Api]:
    state = Api(items=items)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)) or b"{}")
            split = urlsplit(self.path)
            state.requests.append(split.path)
            status = state.faults.pop(0) if state.faults else 200
            answer = state.answer(split.path, body or {key: value[0] for key, value in parse_qs(split.query).items()})
            payload = json.dumps(answer or {}).encode()
            self.send_response(404 if answer is None else status or 200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload if status else payload[: len(payload) // 2])
            self.close_connection |= not status

        do_GET = do_POST = _serve  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
