"""Every wait for a server has an end for the whole of it: one that sends a byte now and then gets no more."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from arpent.adapters.images import byte_source
from arpent.adapters.images.byte_source import ByteSources
from arpent.adapters.objects import cloud, sts
from arpent.adapters.objects.cloud import CloudObjects
from arpent.adapters.objects.sigv4 import Keys
from arpent.adapters.objects.sts import AssumedRole
from arpent.domain.errors import AssetUnreadable, StorageUnavailable
from arpent.domain.location import Credentials, Location
from arpent.network import deadline, web_files
from arpent.network.web_files import NoAnswer, WebFiles
from tests.support.slow_server import ENDLESS, say_nothing, serving, trickle_headers

HANG = 60.0
"""Seconds after which a wait counts as endless, on the slowest machine; the servers here never end."""
KEYS = Credentials(access_key="AKIA1", secret_access_key="s", region="eu-central-1")

each_server = pytest.mark.parametrize("behave", ENDLESS, ids=lambda one: str(one.__name__))


def ends(call: Callable[[], object], error: type[Exception], match: str | None = None) -> Exception:
    """What the call raises, if it ends at all."""
    found: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as raised:
            found.append(raised)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(HANG)
    assert not thread.is_alive(), "it waits without end"
    with pytest.raises(error, match=match) as caught:
        raise found[0]
    return caught.value


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits of a second for what takes minutes."""
    monkeypatch.setattr(web_files, "WHOLE_SECONDS", 1.0)
    monkeypatch.setattr(sts, "WHOLE_SECONDS", 1.0)
    monkeypatch.setattr(sts, "TRIES", 1)
    monkeypatch.setattr(cloud, "_TIMEOUTS", {"timeout": "1s", "connect_timeout": "1s"})
    monkeypatch.setattr(byte_source, "_TIMEOUTS", {"timeout": "1s", "connect_timeout": "1s"})


@pytest.mark.parametrize("behave", [trickle_headers, say_nothing], ids=lambda one: str(one.__name__))
def test_a_range_of_an_image(behave: Callable[[socket.socket], None]) -> None:
    with serving(behave) as url:
        ends(lambda: WebFiles(None, 0.0).piece(f"{url}/b04.tif", 0, 100), NoAnswer)


def drip_the_range(connection: socket.socket) -> None:
    """As many bytes as were asked for, one by one."""
    connection.sendall(b"HTTP/1.1 206 Partial\r\nContent-Range: bytes 0-99/1000\r\nContent-Length: 100\r\n\r\n")
    for _ in range(100):
        connection.sendall(b"x")
        time.sleep(0.2)


def drip_the_range_and_close(connection: socket.socket) -> None:
    """The end of the answer is the end of the connection, which the client's library closes before it reads."""
    connection.sendall(b"HTTP/1.1 206 Partial\r\nContent-Range: bytes 0-99/1000\r\nConnection: close\r\n\r\n")
    for _ in range(100):
        connection.sendall(b"x")
        time.sleep(0.2)


def lead_on_and_drip(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 302 Found\r\nContent-Length: 100000\r\nLocation: ")
    while True:
        connection.sendall(b"/x")
        time.sleep(0.05)


@pytest.mark.parametrize(
    "behave", [drip_the_range, drip_the_range_and_close, lead_on_and_drip], ids=["body", "until it closes", "redirect"]
)
def test_a_range_that_comes_byte_by_byte(behave: Callable[[socket.socket], None]) -> None:
    with serving(behave) as url:
        ends(lambda: WebFiles(None, 0.0).piece(f"{url}/b04.tif", 0, 100), NoAnswer)


@each_server
def test_an_image_in_a_bucket(behave: Callable[[socket.socket], None]) -> None:
    with serving(behave) as url:
        source = ByteSources({"endpoint": url, "skip_signature": True, "region": "a"}, 0.0, None)
        ends(lambda: source.head("s3://images/b04.tif"), AssetUnreadable)


@each_server
def test_a_bucket(behave: Callable[[socket.socket], None], tmp_path: Path) -> None:
    place = Location(scheme="s3", bucket="results", key="a.json", credentials=KEYS)
    with serving(behave) as url:
        objects = CloudObjects({"AWS_ENDPOINT_URL_S3": url}, retries=0, retry_seconds=0.1)
        ends(lambda: objects.read(place), StorageUnavailable)
        ends(lambda: objects.write(place, b"{}"), StorageUnavailable)
        ends(lambda: list(objects.list(place)), StorageUnavailable)
        ends(lambda: objects.download(place, tmp_path / "a"), StorageUnavailable)


@each_server
def test_a_token_service(behave: Callable[[socket.socket], None]) -> None:
    with serving(behave) as url:
        role = AssumedRole(
            role="arn:aws:iam::123456789012:role/arpent", keys=Keys(access_key="AKIA1", secret_access_key="s"),
            whose="the machine's keys", region="eu-central-1", endpoint=url,
        )  # fmt: skip
        error = ends(role.assume, StorageUnavailable, "does not answer")
    assert isinstance(error, StorageUnavailable)
    assert error.transient


def test_deadlines_leave_those_alone_who_are_in_time() -> None:
    """One that has ended, and one of a thread that had another before."""
    near, far = socket.socketpair()
    with near, far:
        with deadline.within(0.05) as over:
            over.watch(near)
        with deadline.within(HANG) as outer:
            with deadline.within(0.05):
                pass
            assert deadline.current() is outer
        time.sleep(3 * deadline.LOOK_SECONDS)
        far.sendall(b"x")
        assert near.recv(1) == b"x"
