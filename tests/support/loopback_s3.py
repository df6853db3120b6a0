"""A small S3 on loopback: enough of its HTTP to test a client, with faults on demand. No test of fidelity."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from tests.support.http_server import QuietHandler, served


@dataclass
class LoopbackS3:
    """Its state, shared with the test."""

    url: str
    buckets: dict[str, dict[str, bytes]] = field(default_factory=lambda: {"bucket": {}})
    key: str = "testkey"
    denied: set[str] = field(default_factory=set)
    """Methods that are refused."""
    refusals: int = 0
    """Number of requests that were refused so."""
    faults: list[int] = field(default_factory=list)
    """Statuses to answer with, first come first served, before working again; 0: the connection is cut midway."""
    code: str = "Injected"
    """Code of the error that comes with these."""
    tag: str = ""
    """ETag of every object; empty: its size."""
    tokens: list[str | None] = field(default_factory=list)
    """Session tokens seen."""
    in_flight: int = 0
    most_in_flight: int = 0


def _answer(  # noqa: PLR0911 - one line per answer of the protocol
    state: LoopbackS3, request: BaseHTTPRequestHandler, body: bytes
) -> tuple[int, bytes]:
    split = urlsplit(request.path)
    _, bucket, *rest = unquote(split.path).split("/")
    key = "/".join(rest)
    state.tokens.append(request.headers.get("x-amz-security-token"))
    if state.faults:
        return state.faults.pop(0), f"<Error><Code>{state.code}</Code></Error>".encode()
    if f"Credential={state.key}/" not in request.headers.get("authorization", ""):
        return 403, b"<Error><Code>InvalidAccessKeyId</Code></Error>"
    if request.command in state.denied:
        state.refusals += 1
        return 403, b"<Error><Code>AccessDenied</Code></Error>"
    if bucket not in state.buckets:
        return 404, b"<Error><Code>NoSuchBucket</Code></Error>"
    objects = state.buckets[bucket]
    if request.command == "PUT":
        objects[key] = body
        return 200, b""
    if not key:
        prefix = parse_qs(split.query).get("prefix", [""])[0]
        entries = "".join(
            f"<Contents><Key>{escape(name)}</Key><Size>{len(objects[name])}</Size>"
            "<LastModified>2024-01-01T00:00:00.000Z</LastModified>"
            f"<ETag>{state.tag or len(objects[name])}</ETag></Contents>"
            for name in sorted(objects)
            if name.startswith(prefix)
        )
        return 200, f"<ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>".encode()
    if key not in objects:
        return 404, b"<Error><Code>NoSuchKey</Code></Error>"
    return 200, objects[key]


def _handler(state: LoopbackS3) -> type[BaseHTTPRequestHandler]:
    lock = threading.Lock()

    class Handler(QuietHandler):
        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            with lock:
                state.in_flight += 1
                state.most_in_flight = max(state.most_in_flight, state.in_flight)
            status, payload = _answer(state, self, body)
            cut = not status
            if cut and self.command != "GET":  # an answer that begins would say that it was done
                self.close_connection = True
                with lock:
                    state.in_flight -= 1
                return
            status = status or 200
            wanted = self.headers.get("range")
            total = len(payload)
            if status == 200 and wanted and self.command == "GET":
                first, last = (int(number) for number in wanted.removeprefix("bytes=").split("-"))
                payload, status = payload[first : last + 1], 206
            self.send_response(status)
            if status == 206:
                self.send_header("content-range", f"bytes {first}-{first + len(payload) - 1}/{total}")
            self.send_header("content-length", str(len(payload) + cut))
            self.send_header("last-modified", "Mon, 01 Jan 2024 00:00:00 GMT")
            self.send_header("etag", f'"{state.tag or total}"')
            self.end_headers()
            if self.command != "HEAD" and status != 204:
                self.wfile.write(payload)
            self.close_connection |= cut
            with lock:
                state.in_flight -= 1

        do_GET = do_PUT = do_HEAD = _serve  # noqa: N815

    return Handler


@contextmanager
def loopback_s3() -> Iterator[LoopbackS3]:
    state = LoopbackS3(url="")
    with served(_handler(state)) as state.url:
        yield state
