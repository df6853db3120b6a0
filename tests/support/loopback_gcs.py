"""A small Google Cloud Storage on loopback: its XML interface as far as obstore uses it, and its tokens checked. The
emulators on PyPI speak the JSON interface only. No test of fidelity."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.support.http_server import QuietHandler, served

ACCOUNT = "arpent@project.iam.gserviceaccount.com"


@dataclass
class LoopbackGcs:
    """Its state, shared with the test."""

    url: str = ""
    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    """Of the one account that may do anything."""
    buckets: dict[str, dict[str, bytes]] = field(default_factory=lambda: {"bucket": {}})
    denied: set[str] = field(default_factory=set)
    """Methods that are refused."""
    asked: list[str] = field(default_factory=list)
    """Method and path of each request."""

    def service_account(self, key: rsa.RSAPrivateKey | None = None, **more: object) -> str:
        """The file that Google gives to the account's owner, in base64; `more`: further fields of it."""
        pem = (key or self.key).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        fields = {
            "type": "service_account", "project_id": "project", "private_key_id": "1", "private_key": pem.decode(),
            "client_email": ACCOUNT, "token_uri": "https://oauth2.googleapis.com/token", **more,
        }  # fmt: skip
        return base64.b64encode(json.dumps(fields).encode()).decode()

    def _issuer(self, token: str) -> str | None:
        """Who signed this token (RFC 7515, RS256) with the account's key."""
        signed, _, signature = token.rpartition(".")
        try:
            self.key.public_key().verify(_bytes(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return None
        return str(json.loads(_bytes(signed.partition(".")[2]))["iss"])

    def answer(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, bytes]:
        """Status and content."""
        split = urlsplit(request.path)
        bucket, _, key = unquote(split.path).lstrip("/").partition("/")
        self.asked.append(f"{request.command} /{bucket}/{key}")
        if self._issuer(request.headers.get("authorization", "").removeprefix("Bearer ")) != ACCOUNT:
            return 401, b"<Error><Code>AuthenticationRequired</Code></Error>"
        if request.command in self.denied:
            return 403, b"<Error><Code>AccessDenied</Code></Error>"
        if bucket not in self.buckets:
            return 404, b"<Error><Code>NoSuchBucket</Code></Error>"
        objects = self.buckets[bucket]
        if request.command == "PUT":
            objects[key] = body
            return 200, b""
        if not key:
            prefix = parse_qs(split.query).get("prefix", [""])[0]
            found = [name for name in sorted(objects) if name.startswith(prefix)]
            entries = "".join(
                f"<Contents><Key>{escape(name)}</Key><Size>{len(objects[name])}</Size><ETag>x</ETag>"
                "<LastModified>2024-01-01T00:00:00.000Z</LastModified></Contents>"
                for name in found
            )
            return 200, f"<ListBucketResult>{entries}</ListBucketResult>".encode()
        return (200, objects[key]) if key in objects else (404, b"<Error><Code>NoSuchKey</Code></Error>")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _handler(state: LoopbackGcs) -> type[BaseHTTPRequestHandler]:
    class Handler(QuietHandler):
        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            status, payload = state.answer(self, body)
            tag, total = hashlib.md5(payload, usedforsecurity=False).hexdigest(), len(payload)
            wanted = self.headers.get("range")
            if status == 200 and wanted and self.command == "GET":
                first, last = (int(number) for number in wanted.removeprefix("bytes=").split("-"))
                payload, status = payload[first : last + 1], 206
            self.send_response(status)
            if status == 206:
                self.send_header("content-range", f"bytes {first}-{first + len(payload) - 1}/{total}")
            self.send_header("content-length", str(len(payload)))
            self.send_header("last-modified", "Mon, 01 Jan 2024 00:00:00 GMT")
            self.send_header("etag", f'"{tag}"')
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(payload)

        do_GET = do_PUT = do_HEAD = _serve  # noqa: N815

    return Handler


@contextmanager
def loopback_gcs() -> Iterator[LoopbackGcs]:
    state = LoopbackGcs()
    with served(_handler(state)) as state.url:
        yield state
