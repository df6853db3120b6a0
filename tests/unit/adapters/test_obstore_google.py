"""`gs` as obstore gives it, against a double of Google Cloud Storage that checks the tokens of service accounts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from arpent.adapters.objects.cloud import CloudObjects
from arpent.domain.errors import StorageDenied, StorageNotFound
from arpent.domain.location import Credentials, Location
from tests.support.loopback_gcs import LoopbackGcs, loopback_gcs


@pytest.fixture(scope="module")
def running() -> Iterator[LoopbackGcs]:
    with loopback_gcs() as server:
        yield server


@pytest.fixture
def server(running: LoopbackGcs, monkeypatch: pytest.MonkeyPatch) -> LoopbackGcs:
    monkeypatch.setenv("GOOGLE_BASE_URL", running.url)
    running.buckets, running.denied, running.asked = {"bucket": {}}, set(), []
    return running


def place(account: str | None, key: str = "a/b c.json") -> Location:
    return Location(scheme="gs", bucket="bucket", key=key, credentials=Credentials(service_account=account))


def opened() -> CloudObjects:
    return CloudObjects(retries=1, retry_seconds=5)


def test_the_requests_account_reads_writes_and_lists(
    server: LoopbackGcs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, where = opened(), place(server.service_account())
    store.write(where, b"hello")
    assert server.buckets["bucket"] == {"a/b c.json": b"hello"}
    assert store.read(where) == b"hello"
    monkeypatch.setattr("arpent.adapters.objects.cloud.CHUNK", 2)
    store.download(where, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"hello"
    store.write_many(where, ((f"n/{number}", b"") for number in range(50)))
    assert len(list(store.list(where.at("n")))) == 50


def test_another_accounts_key_is_refused_without_showing_it(server: LoopbackGcs) -> None:
    account = server.service_account(rsa.generate_private_key(65537, 2048))
    with pytest.raises(StorageDenied, match=r"read gs://bucket/a/b c.json.*storage.objects.get for 'a/\*'") as caught:
        opened().read(place(account))
    assert "PRIVATE KEY" not in str(caught.value)
    assert account not in str(caught.value)


@pytest.mark.parametrize(
    ("method", "right"), [("GET", "storage.objects.get"), ("PUT", "storage.objects.create")], ids=["read", "write"]
)
def test_a_refusal_names_bucket_prefix_and_right(server: LoopbackGcs, method: str, right: str) -> None:
    server.denied = {method}
    where = place(server.service_account())
    with pytest.raises(StorageDenied, match=rf"{right} for 'a/\*' in bucket 'bucket'"):
        opened().read(where) if method == "GET" else opened().write(where, b"x")


def test_what_is_not_there_is_named(server: LoopbackGcs) -> None:
    with pytest.raises(StorageNotFound, match=r"no object 'a/b c\.json' in bucket 'bucket'"):
        opened().read(place(server.service_account()))


def test_an_account_does_not_choose_the_server(server: LoopbackGcs) -> None:
    """Otherwise a client could have arpent send requests to any server that it reaches, unsigned."""
    with loopback_gcs() as inner:
        account = server.service_account(gcs_base_url=inner.url, disable_oauth=True)
        opened().write(place(account), b"x")
        assert inner.asked == []
    assert server.buckets["bucket"] == {"a/b c.json": b"x"}


@pytest.mark.parametrize("name", ["GOOGLE_SERVICE_ACCOUNT", "GOOGLE_BEARER_TOKEN"])
def test_the_machines_keys_do_not_take_the_place_of_the_requests(
    server: LoopbackGcs, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "the-machines")
    with pytest.raises(StorageDenied, match=rf"write gs://.*{name}.*GOOGLE_APPLICATION_CREDENTIALS"):
        opened().write(place(server.service_account()), b"x")
    assert server.asked == []
