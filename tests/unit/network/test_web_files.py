"""Web files: what a server says of a range is checked before it is believed."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from pathlib import Path
from threading import Thread

import pytest
import requests

from arpent.adapters.images.byte_source import ByteSources
from arpent.domain.errors import AssetUnreadable
from arpent.network.sessions import PatientRetry, session
from arpent.network.web_files import Denied, NoAnswer, NoRanges, WebFiles
from tests.support.certificates import make_papers
from tests.support.http_server import QuietHandler, served
from tests.support.slow_server import serving


@pytest.mark.parametrize("size", ["1" * 5000, "*", "-1", ""])
def test_a_range_of_a_file_whose_size_is_no_number(size: str) -> None:
    head = f"HTTP/1.1 206 Partial\r\nContent-Range: bytes 0-3/{size}\r\nContent-Length: 4\r\n\r\n"

    def answer(connection: socket.socket) -> None:
        connection.sendall(head.encode() + b"1234")

    with serving(answer) as url, pytest.raises(NoRanges):
        WebFiles(None, 0.0).piece(f"{url}/b04.tif", 0, 4)


@pytest.mark.parametrize(
    ("status", "size", "passing", "odd"),
    [
        (202, "", True, False),
        (204, "", False, True),
        (416, "", False, True),
        (416, "bytes */900", False, True),
        (416, "bytes */2", False, False),
        (425, "", True, False),
        (500, "", True, False),
        (501, "", False, False),
    ],
)
def test_which_answers_pass(status: int, size: str, passing: bool, odd: bool) -> None:
    """202 is what archives say while they fetch a file from their tapes. A file that ends before is truncated."""

    def answer(connection: socket.socket) -> None:
        told = f"Content-Range: {size}\r\n" if size else ""
        connection.sendall(f"HTTP/1.1 {status} So\r\n{told}Content-Length: 0\r\n\r\n".encode())

    with serving(answer) as url, pytest.raises(NoAnswer) as caught:
        WebFiles(None, 0.0).piece(f"{url}/b04.tif", 4, 8)
    assert (caught.value.status, caught.value.passing, caught.value.odd) == (status, passing, odd)


def test_a_range_that_comes_in_parts_is_put_together() -> None:
    """A server may give less than was asked for: the rest would be taken for damaged blocks."""

    class Sparing(QuietHandler):
        def do_GET(self) -> None:
            start, last = map(int, self.headers["range"].removeprefix("bytes=").split("-"))
            piece = b"0123456789"[start : min(start + 3, last + 1)]
            self.send_response(206)
            self.send_header("content-range", f"bytes {start}-{start + len(piece) - 1}/10")
            self.send_header("content-length", str(len(piece)))
            self.end_headers()
            self.wfile.write(piece)

    with served(Sparing) as url:
        assert bytes(WebFiles(None, 5.0).piece(f"{url}/b04.tif", 1, 9).content) == b"12345678"


@pytest.mark.parametrize(
    ("odd", "kind"), [(200, "image/tiff"), (200, "text/html"), (204, "image/tiff"), (416, "image/tiff")]
)
def test_a_host_that_gives_ranges_is_asked_again_after_an_odd_answer(odd: int, kind: str) -> None:
    """A gateway answered in its place; where no range was ever given, none is waited for."""
    answers = [206, odd, odd, 206, odd, odd, odd, odd]
    asked: list[int] = []

    class Moody(QuietHandler):
        def do_GET(self) -> None:
            status = answers[len(asked)]
            asked.append(status)
            self.send_response(status)
            body = b"" if status == 204 else b"0123"
            if status == 206:
                self.send_header("content-range", "bytes 0-3/10")
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with served(Moody) as url:
        files = WebFiles(None, 5.0)
        for _ in range(2):
            assert bytes(files.piece(f"{url}/b04.tif", 0, 4).content) == b"0123"
        with pytest.raises((NoRanges, NoAnswer, Denied)):
            files.piece(f"{url}/b04.tif", 0, 4)
        assert asked == answers
        asked[:] = [206]
        with pytest.raises((NoRanges, NoAnswer, Denied)):
            WebFiles(None, 5.0).piece(f"{url}/b04.tif", 0, 4)
        assert asked == [206, odd], "of a host that has never given one"


@pytest.mark.parametrize("length", ["content-length: 6\r\n", ""], ids=["told", "until it hangs up"])
def test_a_part_that_was_compressed_on_its_way_is_no_part(length: str) -> None:
    """Its bytes would be taken for those of the file. What is only said to be is read."""
    head = "HTTP/1.1 206 Partial\r\ncontent-range: bytes 0-3/10\r\ncontent-encoding: gzip\r\n"

    def packed(connection: socket.socket) -> None:
        connection.sendall(f"{head}{length}\r\n".encode() + b"packed")

    def stored(connection: socket.socket) -> None:
        connection.sendall(f"{head}content-length: 4\r\n\r\n".encode() + b"0123")

    with serving(packed) as url, pytest.raises(NoRanges):
        WebFiles(None, 0.0).piece(f"{url}/b04.tif", 0, 4)
    with serving(stored) as url:
        assert bytes(WebFiles(None, 0.0).piece(f"{url}/b04.tif", 0, 4).content) == b"0123"


def test_the_log_holds_no_query(caplog: pytest.LogCaptureFixture) -> None:
    """It may be a signature or a key: of a request that is tried again, of an answer with a header that is none."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 206 Partial\r\nthis is no header\r\ncontent-length: 4\r\n\r\n0123")

    with serving(answer) as url, pytest.raises(NoRanges):
        WebFiles(None, 0.0).piece(f"{url}/b04.tif?sig=SECRET", 0, 4)
    retry = PatientRetry(total=1, backoff_factor=0.0)
    with pytest.raises(requests.ConnectionError):
        session(retry, (1.0, 1.0)).get("http://127.0.0.1:1/search?key=SECRET")
    assert "b04.tif?…" in caplog.text
    assert "/search?…" in caplog.text
    assert "SECRET" not in caplog.text


def test_a_certificate_that_is_not_accepted_is_named(tmp_path: Path) -> None:
    papers = make_papers(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(papers.certificate, papers.key)

    with socket.create_server(("127.0.0.1", 0)) as server, context.wrap_socket(server, server_side=True) as secure:

        def greet() -> None:
            with suppress(OSError):
                secure.accept()

        Thread(target=greet, daemon=True).start()
        with pytest.raises(AssetUnreadable, match="shows a certificate that is not accepted"):
            ByteSources(retry_seconds=0.0).head(f"https://127.0.0.1:{secure.getsockname()[1]}/b04.tif")
