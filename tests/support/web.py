"""A web server on loopback that answers range requests for the files of a folder, and can be told to misbehave."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from threading import Lock
from time import sleep
from urllib.parse import unquote, urlsplit

from tests.support.http_server import QuietHandler, served


@dataclass
class Web:
    """A running server."""

    url: str
    seconds: float = 0.0
    """Time to the first byte."""
    status: int = 0
    """What it answers to everything; 0: what is right."""
    away: str = ""
    """Paths with this in them are answered with `away_status`; empty: none."""
    away_status: int = 503
    tags: bool = False
    """Whether it sends an ETag."""
    asked: list[str] = field(default_factory=list)
    """Paths with queries, one per request."""
    busiest: int = 0
    """Requests that it had at once, at most."""


@contextmanager
def serve(folder: Path) -> Iterator[Web]:
    web = Web(url="")
    lock, at_once = Lock(), list[str]()

    class Files(QuietHandler):
        def do_GET(self) -> None:
            web.asked.append(self.path)
            with lock:
                at_once.append(self.path)
                web.busiest = max(web.busiest, len(at_once))
            sleep(web.seconds)
            with lock:
                at_once.pop()
            path = folder / unquote(urlsplit(self.path).path).lstrip("/")
            status = web.away_status if web.away and web.away in self.path else web.status
            if status or not path.is_file():
                return self._answer(status or 404, b"", "")
            content = path.read_bytes()
            first, _, last = self.headers.get("Range", "bytes=0-").partition("=")[2].partition("-")
            start, end = int(first), min(int(last or len(content)), len(content) - 1)
            if start > end:
                return self._answer(416, b"", f"bytes */{len(content)}")
            tag = f'"{sha256(content).hexdigest()}"' if web.tags else ""
            return self._answer(206, content[start : end + 1], f"bytes {start}-{end}/{len(content)}", tag)

        do_HEAD = do_GET  # noqa: N815

        def _answer(self, status: int, content: bytes, span: str, tag: str = "") -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            if span:
                self.send_header("Content-Range", span)
            if tag:
                self.send_header("ETag", tag)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

    with served(Files) as web.url:
        yield web
