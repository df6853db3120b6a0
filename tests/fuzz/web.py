"""Mutated requests over HTTP against a real server; `fault` says what is wrong with an answer."""

from __future__ import annotations

import json
import random
import re
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from tests.fuzz import mutate
from tests.support.client import seed_body
from tests.support.scripts import SEED_TEXT
from tests.support.server import Server

LIMIT = 10.0
"""Seconds an answer may take."""
BASE = "/api/v1/statistics/batch"
THEIRS = re.compile(
    r"(?i)traceback|pydantic|starlette|sqlalchemy|joserfc|uvicorn|site-packages|object has no attribute|Input should"
    r"|<class|codec can't|\.py\b|Exception:|Error:|NoneType"
)
"""Words that are no business of a client's; looked for in what an answer says of itself."""


@dataclass(frozen=True, kw_only=True)
class Sent:
    """One request, as bytes of HTTP/1.1."""

    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def wire(self) -> bytes:
        lines = [f"{self.method} {self.path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close"]
        own = {"Content-Length": str(len(self.body))} | self.headers
        lines += [f"{name}: {value}" for name, value in own.items()]
        return "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n" + self.body


Maker = Callable[[random.Random, str], bytes]


def made(die: random.Random, kind: str, token: str) -> bytes:
    return MAKERS[kind](die, token)


def _batch(die: random.Random, token: str) -> bytes:
    return _posted(die, token, BASE, seed_body("s3://fields/a.gpkg", SEED_TEXT))


def _statistics(die: random.Random, token: str) -> bytes:
    body = seed_body("s3://fields/a.gpkg", SEED_TEXT)
    del body["output"]
    crs = "http://www.opengis.net/def/crs/EPSG/0/32633"
    body["input"] = {"bounds": {"bbox": [500000, 5100000, 500200, 5100200], "properties": {"crs": crs}},
                     "data": body["input"]["data"]}  # fmt: skip
    body["calculations"] = {"default": {"statistics": {"default": {"percentiles": {"k": [5]}}},
                                        "histograms": {"default": {"nBins": 3}}}}  # fmt: skip
    if die.random() < 0.3:
        ring = [[500000, 5100000], [500200, 5100000], [500200, 5100200], [500000, 5100000]]
        body["input"]["bounds"]["geometry"] = {"type": "Polygon", "coordinates": [ring]}
    return _posted(die, token, "/api/v1/statistics", body)


def _posted(die: random.Random, token: str, path: str, body: Any) -> bytes:
    payload = mutate.text(mutate.of_json(die, body))
    if die.random() < 0.2:
        payload = mutate.of_bytes(die, payload)
    if die.random() < 0.01:
        payload = b'{"a":[' * die.choice([30, 500, 50_000]) + payload
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    if die.random() < 0.2:
        parts = b"".join(
            b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name, part)
            for name, part in ((b"request", payload), (b"evalscript", SEED_TEXT.encode()))
        )
        payload = parts + b"--x--\r\n"
        headers["Content-Type"] = "multipart/form-data; boundary=x"
        if die.random() < 0.7:
            payload = mutate.of_bytes(die, payload)
    return Sent(method="POST", path=path, headers=headers | _odd_headers(die), body=payload).wire()


def _odd_headers(die: random.Random) -> dict[str, str]:
    odd = {
        "Content-Type": [
            "",
            ";;",
            "application/json; charset=nonsense",
            "multipart/form-data",
            "text/plain",
            "a" * 500,
        ],
        "Content-Encoding": ["gzip", "", "identity", "x"],
        "Content-Length": ["-1", "x", "0", "99999999999999999999", "5, 5"],
        "Transfer-Encoding": ["chunked", "gzip", "x"],
        "Authorization": ["", "Bearer", "Bearer a.b.c", "Basic ===", "Bearer " + "W1tb" * 5000, "\xe9"],
        "Expect": ["100-continue", "x"],
        "Accept": ["image/png", "x/y;q=z"],
    }
    if die.random() > 0.15:
        return {}
    name = die.choice(list(odd))
    return {name: die.choice(odd[name])}


def _token(die: random.Random, _: str) -> bytes:
    fields = [("grant_type", "client_credentials"), ("client_id", "me"), ("client_secret", "x")]
    fields += [(f"f{number}", "x") for number in range(die.choice([0, 0, 47, 48, 5000]))]
    payload = mutate.of_bytes(die, urlencode(fields).encode(), 3)
    kind = die.choice(
        ["application/x-www-form-urlencoded"] * 4 + ["application/json", "multipart/form-data; boundary=x"]
    )
    path = die.choice(["/oauth/token", "/auth/realms/main/protocol/openid-connect/token"])
    return Sent(method="POST", path=path, headers={"Content-Type": kind} | _odd_headers(die), body=payload).wire()


def _read(die: random.Random, token: str) -> bytes:
    ids = ["x", "00000000-0000-0000-0000-000000000000", "%00", "%ff", "..", "a" * 3000, quote("é/\ud7ff")]
    path = (
        BASE + die.choice(["", "/" + die.choice(ids)]) + die.choice(["", "/status", "/features", "/start", "/nothing"])
    )
    path += die.choice(["", "/", "/1/explain", "/x/explain?from=1"])
    names = ["count", "viewtoken", "sort", "from", "format", "x"]
    odd = ["", "-1", "0", "x", "1e9", "9" * 40, "created", "status:desc", "\0", "é", "%"]
    query = urlencode([(die.choice(names), die.choice(odd)) for _ in range(die.randrange(4))])
    method = die.choice(["GET"] * 5 + ["POST", "DELETE", "HEAD", "OPTIONS", "PUT", "x"])
    headers = {"Authorization": f"Bearer {token}"} | _odd_headers(die)
    return Sent(method=method, path=path + (f"?{query}" if query else ""), headers=headers).wire()


def _broken(die: random.Random, token: str) -> bytes:
    return mutate.of_bytes(die, _read(die, token) if die.random() < 0.5 else _token(die, token), 4)


MAKERS: dict[str, Maker] = {
    "batch": _batch, "statistics": _statistics, "token": _token, "read": _read, "broken": _broken,
}  # fmt: skip


def exchange(server: Server, sent: bytes) -> tuple[bytes, float]:
    """What the server answers, and the seconds it took."""
    began = time.monotonic()
    received = b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=LIMIT) as line:
        try:
            line.sendall(sent)
            line.shutdown(socket.SHUT_WR)
            while piece := line.recv(65_536):
                received += piece
        except TimeoutError:
            return received, LIMIT * 2
        except OSError:  # a server may answer and hang up before it has all (ECONNRESET, EPIPE, ENOTCONN)
            pass  # what had been sent before counts
    return received, time.monotonic() - began


def fault(sent: bytes, received: bytes, seconds: float) -> str | None:
    """What is wrong with an answer; None: nothing."""
    if seconds > LIMIT:
        return f"no answer within {LIMIT:g} s"
    head, _, body = received.partition(b"\r\n\r\n")
    while head.startswith(b"HTTP/1.1 100"):
        head, _, body = body.partition(b"\r\n\r\n")
    if length := re.search(rb"(?i)content-length: *(\d+)", head):
        body = body[: int(length[1])]  # another answer may follow
    if not head:
        return None  # half a request, and then the client left
    status = int(head.split()[1])
    if status >= 500 and status != 503:
        return f"{status}: {body[:300]!r}"
    if status < 400 or sent.startswith(b"HEAD"):
        return None
    return _misshapen(status, body)


def _misshapen(status: int, body: bytes) -> str | None:
    try:
        found = json.loads(body)
    except ValueError:
        return f"{status} is no JSON: {body[:300]!r}"
    error = found.get("error") if isinstance(found, dict) else None
    flat = found if status == 429 else error
    if isinstance(flat, dict) and {"status", "reason", "message", "code"} <= set(flat) and flat["status"] == status:
        said = str(flat["message"])
    elif isinstance(error, str) and "error_description" in found:
        said = str(found["error_description"])
    else:
        return f"{status} is in no known shape: {body[:300]!r}"
    words = THEIRS.search(said)
    return f"{status} speaks of {words[0]!r}: {said[:300]}" if words else None
