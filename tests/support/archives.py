"""Archives on loopback: the files of a folder, behind each kind of access that the world's archives have. Tokens and
keys of each kind end after so many uses, or so many seconds. What a client sent is kept."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from tests.support.http_server import QuietHandler, served

Answer = tuple[int, dict[str, str], bytes]
USER, PASSWORD = "anna", "pass:word"
PAGE = b"<!DOCTYPE html><html><form>Please log in</form></html>"


@dataclass
class Archive:
    """A running server. `/sas/ACCOUNT/CONTAINER`, `/oidc/token`, `/s3credentials` and `/login` give keys; which of
    them the files want is `wants`."""

    folder: Path
    url: str = ""
    wants: str = ""
    """What files are given for: `signature`, `bearer`, `basic`, `cookie`, `keys` (S3), or nothing."""
    uses: int = 1 << 30
    """How often a token is taken …"""
    seconds: float = 3600.0
    """… and how long."""
    rest: float = 0.0
    """If set, a use too many is refused so many seconds after the first use, when clients believe that it has ended,
    and each piece of a file once only: who asks again with a new token gets it, however slow the machine."""
    refused: set[str] = field(default_factory=set)
    """Pieces that were refused."""
    region: str = "us-east-1"
    """Of its buckets."""
    pays: bool = False
    """Its buckets want to hear that the requester pays."""
    login: str = ""
    """URL of the host to log in at, which leads back to /entry; for `cookie`."""
    back: str = ""
    """Of such a host: where it leads back to."""
    hides: int = 0
    """What is said of a file to who has no signature at all; 0: 403."""
    page: bool = False
    """Who may not read a file is shown a page to log in, with status 200."""
    status: int = 0
    """What everything is answered; 0: what is right."""
    pause: float = 0.0
    """Seconds before each file."""
    token_faults: list[tuple[int, dict[str, str]] | Answer] = field(default_factory=list)
    """Answers of the services that give keys, before they work again; one without a body says that it is busy."""
    given: list[str] = field(default_factory=list)
    """Tokens and keys, in their order."""
    forms: list[dict[str, str]] = field(default_factory=list)
    """What OpenID Connect was asked."""
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """Paths with queries, and headers, of everything."""
    most_in_flight: int = 0
    _used: Counter[str] = field(default_factory=Counter)
    _born: dict[str, float] = field(default_factory=dict)
    _first: dict[str, float] = field(default_factory=dict)
    _in_flight: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def new(self, kind: str) -> str:
        with self._lock:
            token = f"{kind}{len(self.given) + 1}"
            self.given.append(token)
            self._born[token] = time.monotonic()
            return token

    def takes(self, token: str, piece: str = "") -> bool:
        with self._lock:
            self._used[token] += 1
            now = time.monotonic()
            first = self._first.setdefault(token, now)
            good = token in self._born and now - self._born[token] < self.seconds
            if good and (self._used[token] <= self.uses or (self.rest and piece in self.refused)):
                return True
            self.refused.add(piece)
        time.sleep(max(0.0, first + self.rest - now))
        return False

    @property
    def expiry(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.seconds)

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        parts = urlsplit(path)
        if parts.path.startswith(("/sas/", "/oidc/", "/s3credentials", "/login")):
            if self.token_faults:
                status, more, content = (*self.token_faults.pop(0), b"busy")[:3]
                return status, more, content
            return self._give(parts.path, parts.query, headers, body)
        if self.status:
            return self.status, {}, b"<Error><Code>Injected</Code></Error>"
        time.sleep(self.pause)
        if parts.path in ("/authorize", "/entry"):
            return self._over(parts.path, parts.query, headers)
        refusal = self._refusal(parts.path, parts.query, headers)
        if refusal is not None:
            return (200, {"content-type": "text/html"}, PAGE) if self.page else refusal
        return self._file(unquote(parts.path), headers)

    def _give(self, path: str, query: str, headers: dict[str, str], body: bytes) -> Answer:
        if path.startswith("/sas/"):
            if path.endswith("/unknown"):
                return 404, {}, b"{}"
            token = self.new("sas")
            told = {"token": f"sv=1&sig={token}%2F", "msft:expiry": self.expiry.isoformat().replace("+00:00", "Z")}
        elif path.startswith("/oidc/"):
            form = {name: value[0] for name, value in parse_qs(body.decode()).items()}
            self.forms.append(form)
            if form.get("client_secret", "good") != "good":
                return 401, {}, b'{"error": "invalid_client"}'
            told = {"access_token": self.new("bearer"), "expires_in": self.seconds, "token_type": "Bearer"}
        elif path == "/login":
            if headers.get("authorization") != basic(USER, PASSWORD):
                return 200, {"content-type": "text/html"}, PAGE
            return 302, {"location": f"{self.url}/s3credentials?code=1"}, b""
        elif query == "code=1" or headers.get("authorization") == "Bearer earth":
            token = self.new("key")
            told = {
                "accessKeyId": token, "secretAccessKey": "s", "sessionToken": f"session-{token}",
                "expiration": self.expiry.isoformat(),
            }  # fmt: skip
        else:
            return 302, {"location": f"{self.url}/login?client=1"}, b""
        return 200, {"content-type": "application/json"}, json.dumps(told).encode()

    def _over(self, path: str, query: str, headers: dict[str, str]) -> Answer:
        """The host to log in at, and the way back with a cookie."""
        if path == "/entry":
            cookie = {"set-cookie": f"entry={self.new('cookie')}; Path=/; Secure; HttpOnly"}
            return 302, {"location": query.partition("=")[2], **cookie}, b""
        if headers.get("authorization") != basic(USER, PASSWORD):
            return 401, {}, b""
        return 302, {"location": f"{self.back}/entry?{query}"}, b""

    def _refusal(self, path: str, query: str, headers: dict[str, str]) -> Answer | None:
        sent, piece = headers.get("authorization", ""), f"{path} {headers.get('range', '')}"
        if self.wants == "signature":
            found = parse_qs(query).get("sig", ["/"])[0].removesuffix("/")
            if self.hides and not found:
                return error(self.hides, "ResourceNotFound")
            return None if self.takes(found, piece) else (403, {}, b"<Error><Code>AuthenticationFailed</Code></Error>")
        if self.wants == "cookie":
            return None if self.takes(headers.get("cookie", "").removeprefix("entry="), piece) else (
                302, {"location": f"{self.login}/authorize?back={path}"}, b""
            )  # fmt: skip
        if self.wants == "bearer":
            ours = sent == "Bearer fixed" or self.takes(sent.removeprefix("Bearer "), piece)
            return None if ours else (401, {}, b"")
        if self.wants == "basic":
            return None if sent == basic(USER, PASSWORD) else (401, {}, b"")
        return self._bucket_refusal(sent, headers, piece) if self.wants == "keys" else None

    def _bucket_refusal(self, sent: str, headers: dict[str, str], piece: str) -> Answer | None:
        _, _, scope = sent.partition("Credential=")
        key, _, region = [*scope.split("/"), "", "", ""][:3]
        temporary = key.startswith("key")
        rows = (
            (not key, 403, "AccessDenied"),
            (region != self.region, 400, "AuthorizationHeaderMalformed"),
            (temporary and not self.takes(key, piece), 400, "ExpiredToken"),
            (temporary and headers.get("x-amz-security-token") != f"session-{key}", 403, "InvalidToken"),
            (not key.startswith(("key", "testkey")), 403, "InvalidAccessKeyId"),
            (self.pays and headers.get("x-amz-request-payer") != "requester", 403, "AccessDenied"),
        )
        return next((error(status, code) for applies, status, code in rows if applies), None)

    def _file(self, path: str, headers: dict[str, str]) -> Answer:
        file = self.folder / path.lstrip("/")
        if not file.is_file():
            return error(404, "NoSuchKey")
        content = file.read_bytes()
        about = {"etag": f'"{len(content)}"', "last-modified": "Mon, 01 Jan 2024 00:00:00 GMT"}
        if "range" not in headers:
            return 200, about, content
        first, _, last = headers["range"].removeprefix("bytes=").partition("-")
        start, end = int(first), min(int(last or len(content)), len(content) - 1)
        return 206, {**about, "content-range": f"bytes {start}-{end}/{len(content)}"}, content[start : end + 1]


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def error(status: int, code: str) -> Answer:
    return status, {}, f"<Error><Code>{code}</Code></Error>".encode()


@contextmanager
def archive(folder: Path, **given: object) -> Iterator[Archive]:
    state = Archive(folder=folder, **given)  # type: ignore[arg-type]

    class Handler(QuietHandler):
        def _serve(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", 0)))
            with state._lock:
                state.asked.append((self.path, headers))
                state._in_flight += 1
                state.most_in_flight = max(state.most_in_flight, state._in_flight)
            if self.command == "PUT":
                status, about, content = state._refusal("/", "", headers) or (200, {"etag": '"1"'}, b"")
                target = state.folder / unquote(self.path).lstrip("/")
                if status == 200:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(body)
            else:
                status, about, content = state.answer(self.command, self.path, headers, body)
            with state._lock:
                state._in_flight -= 1
            self.send_response(status)
            for name, value in {**about, "content-length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_HEAD = do_PUT = do_POST = _serve  # noqa: N815

    with served(Handler) as state.url:
        yield state
