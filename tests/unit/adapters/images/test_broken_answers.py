"""Answers of a bucket or host that break off or are no ranges."""

from __future__ import annotations

from pathlib import Path

import pytest

from arpent.adapters.images.origin.unreadable import unreadable
from arpent.adapters.images.reader import CogReader
from arpent.domain.errors import AssetUnreadable
from arpent.network import outages
from arpent.network.access import OpenAccess
from arpent.network.web_files import NoAnswer, NoRanges
from tests.support.cogs import formula, write
from tests.support.http_server import QuietHandler, served
from tests.support.loopback_s3 import LoopbackS3, loopback_s3

HREF = "s3://bucket/a.tif"


def reader_of(server: LoopbackS3, folder: Path) -> CogReader:
    path = folder / "a.tif"
    write(path, formula(64, 64), nodata=0)
    server.buckets["bucket"]["a.tif"] = path.read_bytes()
    return CogReader(s3_options=reader_options(server), retry_seconds=20.0)


def reader_options(server: LoopbackS3) -> dict[str, str]:
    keys = {"access_key_id": server.key, "secret_access_key": "secret", "region": "us-east-1"}
    return {"endpoint": server.url, **keys}


def test_an_answer_that_breaks_off_is_asked_for_again(tmp_path: Path) -> None:
    """The ETag of this store changes with what it sends, so that its client cannot go on where an answer broke off."""
    with loopback_s3() as server:
        reader = reader_of(server, tmp_path)
        server.faults = [0, 0]
        assert reader.describe(HREF).levels[0].width == 64
        assert server.faults == []
        reader.close()


def test_a_store_that_fails_for_long_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with loopback_s3() as server:
        reader = reader_of(server, tmp_path)
        server.faults = [0] * 500
        with pytest.raises(AssetUnreadable):
            reader.describe(HREF)
        first = 500 - len(server.faults)
        monkeypatch.setattr(outages, "PATIENCE_SECONDS", 0.0)
        with pytest.raises(AssetUnreadable):
            reader.describe(HREF)
        assert 500 - len(server.faults) - first == 1 < first
        reader.close()


@pytest.mark.parametrize(
    ("status", "code", "transient", "says"),
    [
        (400, "RequestTimeout", True, "answered 400"),
        (403, "RequestTimeTooSkewed", True, "answered 403"),
        (503, "SlowDown", True, "answered 503"),
        (400, "InvalidRange", False, "answered 400"),
        (501, "NotImplemented", False, "answered 501"),
        (403, "AccessDenied", False, r"may not be read .* \(AccessDenied\), or does not exist"),
    ],
)
def test_what_passes_is_transient(tmp_path: Path, status: int, code: str, transient: bool, says: str) -> None:
    with loopback_s3() as server:
        reader = CogReader(s3_options=reader_options(server), retry_seconds=0.1)
        server.faults, server.code = [status] * 50, code
        with pytest.raises(AssetUnreadable, match=says) as caught:
            reader.describe(HREF)
        assert caught.value.transient is transient
        reader.close()


def test_a_server_that_sends_no_ranges_is_called_so() -> None:
    class Whole(QuietHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            for name, value in {"ETag": '"x"', "Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "9")
            self.end_headers()
            self.wfile.write(b"the whole")

    with served(Whole) as url:
        keys = {"access_key_id": "a", "secret_access_key": "b", "region": "us-east-1"}
        reader = CogReader(s3_options={"endpoint": url, **keys}, retry_seconds=5.0)
        with pytest.raises(AssetUnreadable, match="cannot be read in parts"):
            reader.describe(HREF)
        reader.close()


@pytest.mark.parametrize(
    ("error", "passing"),
    [(NoRanges(), True), (NoAnswer(204), True), (NoAnswer(416), True), (NoAnswer(416, ended=True), False)],
    ids=["no range", "nothing", "no such part", "truncated"],
)
def test_start_asks_again_for_what_a_host_answered_oddly(error: Exception, passing: bool) -> None:
    """Something answered in its place, for longer than it was asked again: the interval would be lost for good."""
    found = unreadable("https://images.test/b04.tif", error, OpenAccess())
    assert (found.transient, found.passing) == (False, passing)


@pytest.mark.parametrize("key", ["a//b.tif", "a/../b.tif", "..", "a%2F..%2Fb.tif", "a%00b.tif"])
def test_a_key_that_the_stores_client_does_not_take_is_told(tmp_path: Path, key: str) -> None:
    """It would lead out of the bucket, or be another key on its way."""
    with loopback_s3() as server:
        reader = reader_of(server, tmp_path)
        with pytest.raises(AssetUnreadable, match="its address has a part that is empty") as caught:
            reader.describe(f"s3://bucket/{key}")
        assert not caught.value.transient
        reader.close()
