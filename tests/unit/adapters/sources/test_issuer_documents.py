"""What an issuer publishes is read in the server's own process: whatever it answers is an error in words."""

from __future__ import annotations

import gzip

import pytest

from arpent.adapters.sources.issuer_documents import issuer_document
from arpent.domain.errors import WorldError
from arpent.network.sessions import MOST_KEY_BYTES
from tests.support.http_server import QuietHandler, served


@pytest.mark.parametrize(
    "content",
    [
        b'{"keys": [' + b"[]," * MOST_KEY_BYTES + b"[]]}",
        b'{"keys": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b"[]",
        b"",
        b"\xff\xfe",
    ],
    ids=["millions of values", "nested", "a list", "nothing", "no text"],
)
def test_what_is_no_description(content: bytes) -> None:
    class Handler(QuietHandler):
        def do_GET(self) -> None:
            packed = gzip.compress(content)
            self.send_response(200)
            self.send_header("content-encoding", "gzip")
            self.send_header("content-length", str(len(packed)))
            self.end_headers()
            self.wfile.write(packed)

    with served(Handler) as url, pytest.raises(WorldError, match=r"does not answer|no JSON object") as caught:
        issuer_document(url)
    assert caught.value.transient
